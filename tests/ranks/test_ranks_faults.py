"""What may happen to ranks: killed, not finite, a full disk, another text or version."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from launches import (
    FLAGS,
    FULL,
    TEXT,
    TRIALS,
    launched,
    recorded,
    resumed,
    same_bits,
    saved,
    text_of,
)

from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST

Whole = Callable[[int], tuple[Path, float]]
RESTARTS = ("--max-restarts", "3")


def test_killed_ranks(whole: Whole, tmp_path: Path) -> None:
    """Kill -9 of any rank at any stage: torchrun restarts, and the final bits are the same.

    The command begins with `--force` each time, which erases nothing of its own run.
    """
    chance, run = random.Random(5), tmp_path / "run"
    stages = {"starting": 0, "training": 0, "ended": 0}
    for number in range(TRIALS):
        size = 3 if FULL and number % 3 == 2 else 2
        target, seconds = whole(size)
        command = ["train", text_of(run), *FLAGS, "--out", run, "--force"]
        with launched(size, *command, torchrun=RESTARTS) as launch:
            launch.wait_for(lambda launch=launch, size=size: len(launch.ranks()) == size)
            if number % 4 == 3:
                moment = chance.uniform(0, 0.6) * seconds
            else:
                launch.wait_for_update(run, 160 if number % 8 == 6 else chance.randrange(140))
                moment = chance.uniform(0, 0.1)
            time.sleep(moment)
            before, ranks = recorded(run), launch.ranks()
            if ranks:
                os.kill(chance.choice(ranks), signal.SIGKILL)
            stages["ended" if before == 160 else "training" if before else "starting"] += 1
            assert launch.end() == 0, (number, before, launch.output)
            assert len(launch.sentences) <= 1, launch.output
        assert same_bits(run, target), (number, before)
        assert not [entry.name for entry in run.iterdir() if entry.suffix == ".tmp"]
        shutil.rmtree(run)
        print(number + 1, stages, flush=True)
    assert all(stages.values()) or not FULL, stages


@pytest.mark.skipif(not FULL, reason="it takes as long as the timeouts")
def test_a_frozen_rank(whole: Whole, tmp_path: Path) -> None:
    """A rank that keeps its connections, but never answers, is lost after the timeout."""
    run = tmp_path / "run"
    command = ["train", text_of(run), *FLAGS, "--out", run]
    more = {"CHARNN_RANK_TIMEOUT": "5", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "3"}
    with launched(2, *command, torchrun=RESTARTS, **more) as launch:
        launch.wait_for_update(run, 40)
        os.kill(launch.ranks()[0], signal.SIGSTOP)
        assert launch.end() == 0, launch.output
        (sentence,) = launch.sentences
        assert "lost contact to the others" in sentence
    assert same_bits(run, whole(2)[0])


def test_force_erases_nothing_after_a_restart(tmp_path: Path) -> None:
    """An old run goes at first, as asked; what the new one has saved stays through two restarts."""
    run = tmp_path / "run"
    text = text_of(run)
    run.mkdir()
    (run / LAST).write_bytes(b"an old run's")
    command = ["train", text, *FLAGS, "--steps", "300", "--out", run, "--force"]
    with launched(2, *command, torchrun=RESTARTS) as launch:
        reached = 0
        for _ in range(2 if FULL else 1):
            launch.wait_for(lambda past=reached: recorded(run) >= past + 60)
            launch.wait_for(lambda: (run / LAST).exists())
            reached = load_checkpoint(run / LAST).progress.update
            os.kill(launch.ranks()[-1], signal.SIGKILL)
            known = set(launch.ranks())
            launch.wait_for(lambda known=known: bool(set(launch.ranks()) - known))
            while recorded(run) < reached + 20:
                assert saved(run)
                assert launch.agent.poll() is None, launch.output
                assert load_checkpoint(newest(run)).progress.update >= reached
                time.sleep(0.05)
        assert launch.end() == 0, launch.output
    assert load_checkpoint(run / LAST).progress.update == 300


def newest(run: Path) -> Path:
    """Return a run's newest checkpoint, whose name may be changing just now."""
    return run / LAST if (run / LAST).exists() else run / "previous.npz"


def test_a_relaunch_with_the_same_id_goes_on(whole: Whole, tmp_path: Path) -> None:
    """A killed agent leaves no process; the same command under the same id goes on."""
    run = tmp_path / "run"
    torchrun = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--rdzv-id", "tide")
    command = ["train", text_of(run), *FLAGS, "--out", run]
    with launched(2, *command, torchrun=torchrun) as launch:
        launch.wait_for_update(run, 60)
        launch.agent.kill()
        began = time.monotonic()
        launch.agent.wait()
        launch.wait_for(lambda: not launch.processes(), 10)
        assert time.monotonic() - began < 10
    assert saved(run)
    if FULL:
        with launched(2, *command, torchrun=(*torchrun[:-1], "other")) as launch:
            assert launch.end() != 0
            (sentence,) = launch.sentences
            assert "exists; resume it with --resume" in sentence
    with launched(2, *command, torchrun=torchrun) as launch:
        assert launch.end() == 0, launch.output
    assert same_bits(run, whole(2)[0])


NAN_ON_ONE_RANK = """
if os.environ["RANK"] == "1":
    from charnn.engines.torch import engine
    compute, calls = engine.TorchEngine._compute, []
    def poisoned(self, number):
        calls.append(number)
        loss, after = compute(self, number)
        if len(calls) == 50:
            self._gradient._flat[3] = float("nan")
        return loss, after
    engine.TorchEngine._compute = poisoned
"""


ENCODING_IS_TOLD = """
from charnn.text import corpus
encode = corpus.encode_blocks
def told(*arguments):
    print("encodes", flush=True)
    return encode(*arguments)
corpus.encode_blocks = told
"""


def test_not_a_number_on_one_rank(tmp_path: Path) -> None:
    """All ranks return together to the last good state, once, and the run comes to its end.

    On the way: one rank of a machine encodes the text, and all map the same file.
    """
    run, cache = tmp_path / "run", tmp_path / "cache"
    command = ["train", text_of(run), *FLAGS, "--out", run]
    more = {"CHARNN_PLANTED": NAN_ON_ONE_RANK + ENCODING_IS_TOLD, "CHARNN_CACHE": str(cache)}
    with launched(3 if FULL else 2, *command, **more) as launch:
        assert launch.end() == 0, launch.output
        assert launch.output.count("encodes") == 1
    assert len(list(cache.glob("*.ids"))) == 1
    metrics = (run / "metrics.jsonl").read_text(encoding="utf-8")
    assert metrics.count('"rolledback"') == 1
    last = load_checkpoint(run / LAST)
    assert (last.progress.update, last.progress.rollbacks) == (160, 1)
    assert all(np.isfinite(array).all() for array in last.named_arrays().values())


FULL_DISK = """
if os.environ["RANK"] == "0":
    import resource
    from charnn.training import run_folder
    save, calls = run_folder.save_checkpoint, []
    def limited(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        save(*arguments)
    run_folder.save_checkpoint = limited
"""


def test_a_full_disk_on_rank_0(whole: Whole, tmp_path: Path) -> None:
    """The run goes on, says at its end what is not saved, and what was saved before is whole."""
    run = tmp_path / "run"
    command = ["train", text_of(run), *FLAGS, "--quiet", "--out", run]
    with launched(2, *command, CHARNN_PLANTED=FULL_DISK) as launch:
        assert launch.end() != 0
        (sentence,) = launch.sentences
        assert "not everything could be saved" in sentence
        assert "cannot be written (File too large)" in sentence
    assert 0 < load_checkpoint(newest(run)).progress.update < 160
    resumed(2, run)
    assert same_bits(run, whole(2)[0])


OTHERS = {
    "text": (
        "sys.argv = [part.replace('tide', 'ebb') for part in sys.argv]",
        "the data of rank 1 of 2 are not those of rank 0 (their fingerprints are ",
    ),
    "version": (
        "import charnn.version\ncharnn.version.__version__ = '99.1'",
        "rank 1 of 2 has charnn 99.1, but rank 0 has ",
    ),
    "option": (
        "sys.argv += ['--hidden-size', '13']",
        "rank 1 of 2 has hidden_size 13, but rank 0 has 12",
    ),
    "missing text": (
        "sys.argv = [part.replace('tide', 'flood') for part in sys.argv]",
        "rank 1 of 2: ",
    ),
}


@pytest.mark.parametrize("kind", OTHERS if FULL else ["text"])
def test_something_else_on_one_rank(kind: str, tmp_path: Path) -> None:
    """One sentence, exit code 2 on all ranks, and no folder."""
    program, expected = OTHERS[kind]
    run = tmp_path / "run"
    text = text_of(run)
    (tmp_path / "ebb.txt").write_text(TEXT.replace("clock", "block"), encoding="utf-8")
    planted = "if os.environ['RANK'] == '1':\n" + "".join(
        f"    {line}\n" for line in program.splitlines()
    )
    with launched(2, "train", text, *FLAGS, "--out", run, CHARNN_PLANTED=planted) as launch:
        assert launch.end() != 0
        (sentence,) = launch.sentences
        assert expected in sentence
        assert launch.codes == [2, 2], launch.output
    assert not run.exists()


@pytest.mark.skipif(not FULL, reason="a refusal like the others")
def test_standard_input_is_refused(tmp_path: Path) -> None:
    """Only one process could read it: one sentence, exit code 2 on all ranks."""
    with launched(2, "train", "-", *FLAGS, "--out", tmp_path / "run") as launch:
        assert launch.end() != 0
        (sentence,) = launch.sentences
        assert "standard input (-) can be read by one process only" in sentence
        assert launch.codes == [2, 2], launch.output
