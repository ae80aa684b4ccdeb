"""Trials of what may happen to a run and to its files, each as often as one likes.

`test_torture.py` makes a few of each, `python tests/torture/run.py` (`make torture`) many.
A trial that does not hold raises AssertionError.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hostile import FILES, members_of

from charnn.config import Config
from charnn.errors import CheckpointError, RunError
from charnn.registry import OPTIMIZERS, SCHEDULES
from charnn.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, load_checkpoint
from charnn.training.events import RolledBack, Saved, SaveFailed
from charnn.training.run_folder import RunFolder
from charnn.training.setup import new_run, resume_run
from charnn.training.shard import Shard

TEXT = "the tide comes in, the tide goes out, and the old clock counts them both.\n" * 40
OPTIONS = {
    "hidden_size": 8,
    "batch_size": 4,
    "seq_length": 8,
    "steps": 120,
    "eval_every": 10,
    "shards": 1,
    "sample_length": 1,
}
FLAGS = [
    part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))
]
STARTING = 0.3  # seconds that a process takes to start, at most
STOPS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def text_in(folder: Path) -> Path:
    """Write the text to train on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tide.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def command(*arguments: object) -> list[str]:
    """Return the command line of a charnn process."""
    return [sys.executable, "-m", "charnn", *map(str, arguments)]


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """Start a charnn process."""
    return subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for a process; return its exit code and what it said, which has no traceback."""
    _, said = process.communicate(timeout=120)
    message = said.decode("utf-8", "replace")
    assert "Traceback" not in message, message
    return process.returncode, message


@cache
def finished_run(folder: Path) -> tuple[Path, float]:
    """Make a run that nothing happens to; return its folder and how long it took."""
    text = text_in(folder)
    began = time.perf_counter()
    code, said = ended(start("train", text, *FLAGS, "--out", folder / "whole"))
    assert code == 0, said
    return folder / "whole", time.perf_counter() - began


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Say whether two checkpoints hold the same weights, memory and position."""
    vectors = [(one.parameters.flat, other.parameters.flat)]
    if one.optimizer is not None and other.optimizer is not None:
        vectors += [(one.optimizer[slot], other.optimizer[slot]) for slot in one.optimizer]
    return one.progress.update == other.progress.update and all(
        first.tobytes() == second.tobytes() for first, second in vectors
    )


def loads_or_tells(path: Path) -> Checkpoint | None:
    """Load a checkpoint, or None where a `CheckpointError` of one line says what is wrong."""
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        message = str(error)
        assert path.name in message, message
        assert "\n" not in message, message
        return None


def truncated(count: int, folder: Path) -> None:
    """Cut a checkpoint off at random bytes."""
    run, _ = finished_run(folder)
    content = (run / LAST).read_bytes()
    chance, path = random.Random(1), folder / "cut.npz"
    for _ in range(count):
        path.write_bytes(content[: chance.randrange(len(content))])
        assert loads_or_tells(path) is None
    code, said = ended(start("info", path))
    assert code == 2, said
    assert len(said.splitlines()) == 1, said


def flipped_bits(count: int, folder: Path) -> None:
    """Flip bits: of all that is not an array's numbers, and of those, `count` each at most."""
    run, _ = finished_run(folder)
    content = bytearray((run / LAST).read_bytes())
    original = load_checkpoint(run / LAST)
    numbers = set()
    with zipfile.ZipFile(run / LAST) as archive:
        for member in archive.infolist():
            if member.filename != "meta.npy":
                name_length, extra = (
                    int.from_bytes(content[member.header_offset + at :][:2], "little")
                    for at in (26, 28)
                )
                end = member.header_offset + 30 + name_length + extra + member.file_size
                numbers.update(range(end - member.file_size + 128, end))
    chance, path = random.Random(2), folder / "flipped.npz"
    for places in ([at for at in range(len(content)) if at not in numbers], sorted(numbers)):
        bits = [(at, bit) for at in places for bit in range(8)]
        for at, bit in chance.sample(bits, min(count, len(bits))):
            content[at] ^= 1 << bit
            path.write_bytes(content)
            found = loads_or_tells(path)
            content[at] ^= 1 << bit
            assert found is None or same(found, original), (at, bit)


WATCHED = (  # a charnn process that tells how large it became
    "import atexit\nfrom pathlib import Path\nfrom charnn.cli.main import main\n"
    "status = Path('/proc/self/status')\n"
    "atexit.register(lambda: print(status.read_text() if status.exists() else '', flush=True))\n"
    "main()\n"
)


def hostile_files(count: int, folder: Path) -> None:
    """Have charnn look at files made to harm: each is refused in a second and in 200 MB."""
    run, _ = finished_run(folder)
    members, path = members_of(run / LAST), folder / "hostile.npz"
    for name, make in list(FILES.items())[:: max(1, len(FILES) // count)]:
        path.write_bytes(make(members))
        began = time.perf_counter()
        watched = [sys.executable, "-c", WATCHED, "info", str(path)]
        result = subprocess.run(watched, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        assert result.returncode == 2, (name, result)
        assert len(result.stderr.splitlines()) == 1, (name, result.stderr)
        assert seconds < 1 + STARTING, (name, seconds)
        for line in result.stdout.splitlines():
            if line.startswith("VmHWM:"):
                assert int(line.split()[1]) * 1024 < 200e6, (name, line)


def metrics_are_whole(run: Path, eval_every: int = 10) -> None:
    """Check that no update is missing from the metrics, or there twice."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    steps = [entry["update"] for entry in entries if entry["event"] == "step"]
    evaluations = [entry["update"] for entry in entries if entry["event"] == "evaluation"]
    assert steps == list(range(20, OPTIONS["steps"] + 1, 20)), steps
    expected = list(range(eval_every, OPTIONS["steps"] + 1, eval_every))
    assert evaluations == expected, evaluations


def go_on(run: Path, text: Path) -> subprocess.Popen[bytes]:
    """Start the rest of a run, or the run again where nothing was saved."""
    if (run / LAST).exists() or (run / PREVIOUS).exists():
        return start("train", "--resume", run)
    return start("train", text, *FLAGS, "--out", run, "--force")


def killed(count: int, folder: Path) -> None:
    """Kill a run at a random moment, go on, and compare with the one that was left alone."""
    whole, seconds = finished_run(folder)
    text, run, chance = folder / "tide.txt", folder / "killed", random.Random(3)
    for _ in range(count):
        shutil.rmtree(run, ignore_errors=True)
        process = go_on(run, text)
        time.sleep(chance.uniform(0.2, 1) * seconds)
        process.kill()
        process.communicate()
        saved = load_checkpoint(run / LAST) if (run / LAST).exists() else None
        if saved is None or saved.progress.update < OPTIONS["steps"]:
            code, said = ended(go_on(run, text))
            assert code == 0, said
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))
        assert same(load_checkpoint(run / BEST), load_checkpoint(whole / BEST))
        assert not [entry.name for entry in run.iterdir() if entry.suffix == ".tmp"]
        metrics_are_whole(run)


def signalled(count: int, folder: Path) -> None:
    """Send a run a signal, once or twice: its exit code tells which, and what it saved loads."""
    _, seconds = finished_run(folder)
    text, run, chance = folder / "tide.txt", folder / "signalled", random.Random(4)
    for number in range(count):
        shutil.rmtree(run, ignore_errors=True)
        steps = ["--steps", "100000", "--eval-every", "1000"]
        process = start("train", text, *FLAGS, *steps, "--out", run)
        while not (run / "metrics.jsonl").exists():
            assert process.poll() is None, ended(process)
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3) * seconds)
        sent = STOPS[number % len(STOPS)]
        process.send_signal(sent)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 0.002))
            process.send_signal(sent)
        code, said = ended(process)
        assert code == 128 + sent, (code, said)
        if (run / LAST).exists():
            load_checkpoint(run / LAST)


class Failure:
    """The n-th use of the disk fails, and then all is well again."""

    def __init__(self, place: int, kind: str) -> None:
        self.left, self.kind, self.failed = place, kind, False

    def due(self) -> bool:
        """Count a use of the disk; say whether it is to fail."""
        self.left -= 1
        self.failed |= self.left == 0
        return self.left == 0

    def error(self) -> OSError:
        """Return what the system would say."""
        number = errno.EIO if self.kind == "EIO" else errno.ENOSPC
        return OSError(number, os.strerror(number))

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the disk that may fail."""

        def guarded(*arguments: Any, **named: Any) -> Any:
            if self.due():
                raise self.error()
            return function(*arguments, **named)

        return guarded

    def file(self, file: Any) -> Any:
        """Return an open file whose writes may fail."""
        write = file.write

        def guarded(content: Any) -> Any:
            if self.due():
                if self.kind == "short write":
                    write(bytes(content)[: len(content) // 2])
                raise self.error()
            return write(content)

        class Guarded:
            """The file, but for `write`."""

            def __getattr__(self, name: str) -> Any:
                return guarded if name == "write" else getattr(file, name)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

        return Guarded()


@contextmanager
def failing(failure: Failure) -> Iterator[None]:
    """Let the disk fail where charnn writes."""
    fdopen = os.fdopen
    with (
        patch.object(os, "fsync", failure.guard(os.fsync)),
        patch.object(tempfile, "mkstemp", failure.guard(tempfile.mkstemp)),
        patch.object(Path, "replace", failure.guard(Path.replace)),
        patch.object(os, "fdopen", lambda *a: failure.file(fdopen(*a))),
    ):
        yield


def failing_disk(count: int, folder: Path) -> None:
    """Let each use of the disk fail, one a run, in three ways: an older checkpoint still loads."""
    text = text_in(folder)
    config_of = {**OPTIONS, "steps": 20, "eval_every": 5, "hidden_size": 3}
    config = Config.from_values(config_of)
    for kind in ("ENOSPC", "EIO", "short write"):
        for place in range(1, count + 1):
            run = folder / "failing"
            shutil.rmtree(run, ignore_errors=True)
            trainer = new_run([str(text)], config, out=run).trainer
            failure, events = Failure(place, kind), []
            with failing(failure):
                for event in trainer.run():
                    events.append(event)
                    if isinstance(event, (Saved, SaveFailed)):
                        for path in run.glob("*.npz"):
                            load_checkpoint(path)
            told = [event for event in events if isinstance(event, SaveFailed)]
            if not failure.failed:
                break
            assert told or (run / LAST).exists(), (kind, place)
            assert all(str(failure.error().strerror) in each.reason for each in told)
            newest = [run / name for name in (LAST, PREVIOUS) if (run / name).exists()]
            assert newest, (kind, place)
            assert any(loads_or_tells(path) is not None for path in newest)
            assert bool(trainer.unsaved) == (LAST in trainer.unsaved or BEST in trainer.unsaved)


def full_disk(count: int, folder: Path) -> None:
    """Limit the size of files below a checkpoint's: the run tells it, and ends with exit code 1."""
    text, chance = text_in(folder), random.Random(6)
    program = (
        "import resource, sys\n"
        "from charnn.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), -1))\n"
        "main()\n"
    )
    for _ in range(count):
        run = folder / "full"
        shutil.rmtree(run, ignore_errors=True)
        limit = chance.randrange(4_000, 8_000)
        arguments = ["train", str(text), *FLAGS, "--quiet", "--out", str(run)]
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(limit), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        code, said = ended(process)
        assert code == 1, (code, said)
        assert "cannot be written (File too large)" in said, said
        assert not [entry.name for entry in run.iterdir() if entry.name.endswith(".tmp")]


class Poison:
    """At one update, something that is not a number comes into a loss, a gradient or a weight."""

    def __init__(self, chance: random.Random) -> None:
        self.update = chance.randrange(40)
        self.where = chance.choice(["loss", "gradient", "weight"])
        self.value = chance.choice([float("nan"), float("inf"), float("-inf")])
        self.share = chance.random()
        self.given = False
        self._compute = Shard.compute

    def compute(self, shard: Shard, update: int) -> float:
        """Do what `Shard.compute` does, and poison it once."""
        loss = self._compute(shard, update)
        if update != self.update or self.given:
            return loss
        self.given = True
        if self.where == "loss":
            return self.value
        poisoned = shard.gradients if self.where == "gradient" else shard.model.parameters
        poisoned.flat[int(self.share * poisoned.flat.size)] = self.value
        return loss


def not_finite(count: int, folder: Path) -> None:
    """Put a NaN or an infinity into a run: it returns to its last good state and goes on."""
    text, chance = text_in(folder), random.Random(7)
    for _ in range(count):
        run = folder / "poisoned"
        shutil.rmtree(run, ignore_errors=True)
        config = Config.from_values({**OPTIONS, "steps": 40})
        trainer = new_run([str(text)], config, out=run).trainer
        poison = Poison(chance)
        with patch.object(Shard, "compute", lambda *a, poison=poison: poison.compute(*a)):
            events = list(trainer.run())
        assert [event for event in events if isinstance(event, RolledBack)], vars(poison)
        for name in (BEST, LAST):
            assert np.isfinite(load_checkpoint(run / name).parameters.flat).all()


def two_runs(count: int, folder: Path) -> None:
    """Start a second run on the folder of the first: it refuses, and the first is untouched."""
    whole, _ = finished_run(folder)
    text, run = folder / "tide.txt", folder / "shared"
    for number in range(count):
        shutil.rmtree(run, ignore_errors=True)
        first = start("train", text, *FLAGS, "--out", run)
        while not (run / "config.yaml").exists():
            assert first.poll() is None, ended(first)
            time.sleep(0.002)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            second = (
                ["train", text, *FLAGS, "--out", run, "--force"]
                if number % 2 or not (run / LAST).exists()
                else ["train", "--resume", run]
            )
            code, said = ended(start(*second))
        finally:
            os.kill(first.pid, signal.SIGCONT)
        assert code == 2, said
        assert "in use by another process" in said, said
        code, said = ended(first)
        assert code == 0, said
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))


def resumed(count: int, folder: Path) -> None:
    """Stop and resume runs of all kinds: each ends as one that was not stopped, bit for bit."""
    text, chance = text_in(folder), random.Random(8)
    kinds = list(
        itertools.product(
            [("rnn", "before"), ("lstm", "before"), ("gru", "before"), ("gru", "after")],
            (1, 2),
            (0.0, 0.3),
            OPTIMIZERS,
            SCHEDULES,
            ("characters", "bytes"),
        )
    )
    for kind in chance.sample(kinds, count):
        (cell, gru_reset), num_layers, dropout, optimizer, lr_schedule, tokens = kind
        config = Config.from_values(
            {
                **OPTIONS,
                "cell": cell,
                "gru_reset": gru_reset,
                "num_layers": num_layers,
                "dropout": dropout,
                "optimizer": optimizer,
                "lr_schedule": lr_schedule,
                "tokens": tokens,
                "learning_rate": 0.01,
                "lr_patience": 1,
                "lr_decay_every": 7,
                "average": chance.choice([None, 0.9]),
                "early_stopping": chance.choice([None, 2]),
                "steps": 40,
                "eval_every": 6,
            }
        )
        for name in ("kept", "parts"):
            shutil.rmtree(folder / name, ignore_errors=True)
        whole = new_run([str(text)], config, out=folder / "kept").trainer
        list(whole.run())
        parts = new_run([str(text)], config, out=folder / "parts").trainer
        stop_at = chance.randrange(1, 40)
        for _event in parts.run():
            parts.stop_requested = parts.progress.update >= stop_at
        if parts.interrupted:
            list(resume_run(folder / "parts").trainer.run())
        for name in (LAST, BEST):
            one, other = (load_checkpoint(folder / run / name) for run in ("kept", "parts"))
            assert same(one, other), (kind, stop_at, name)
            assert one.progress.best_loss == other.progress.best_loss, (kind, stop_at, name)


def two_holders(count: int, folder: Path) -> None:
    """Hold a run folder elsewhere: here it cannot be taken."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom charnn.training.run_folder import RunFolder\n"
        "RunFolder(Path(sys.argv[1])).take()\nprint(flush=True)\nsys.stdin.read()\n"
    )
    for number in range(count):
        run = folder / f"held{number}"
        run.mkdir(parents=True)
        with subprocess.Popen(
            [sys.executable, "-c", program, str(run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            try:
                RunFolder(run).take()
                taken = True
            except RunError:
                taken = False
            holder.kill()
        assert not taken


def damaged_last(count: int, folder: Path) -> None:
    """Damage the last checkpoint of a stopped run: it goes on from the one before, bit for bit."""
    whole, _ = finished_run(folder)
    chance = random.Random(9)
    for _ in range(count):
        run = folder / "damaged"
        shutil.rmtree(run, ignore_errors=True)
        trainer = new_run(
            [str(folder / "tide.txt")], Config.from_values({**OPTIONS, "eval_every": 30}), out=run
        ).trainer
        stop_at = chance.randrange(31, OPTIONS["steps"])
        for _event in trainer.run():
            trainer.stop_requested = trainer.progress.update >= stop_at
        content = bytearray((run / LAST).read_bytes())
        content[chance.randrange(len(content) // 2)] ^= 1 << chance.randrange(8)
        (run / LAST).write_bytes(content[: chance.choice([len(content), len(content) // 2])])
        if loads_or_tells(run / LAST) is None:
            resumed = resume_run(run)
            assert any("goes on from the one before" in note for note in resumed.notes)
        else:
            resumed = resume_run(run)
        for _event in resumed.trainer.run():
            pass
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))
        metrics_are_whole(run, 30)


TRIALS: dict[str, tuple[Callable[[int, Path], None], int, int]] = {  # few in the suite, and all
    "a checkpoint cut off at a random byte": (truncated, 60, 2_000),
    "files made to harm": (hostile_files, 16, len(FILES)),
    "bits flipped, of meta data and of numbers each": (flipped_bits, 150, 20_000),
    "kill -9 at a random moment, then resume": (killed, 3, 200),
    "SIGINT, SIGTERM, SIGHUP, once or twice": (signalled, 6, 100),
    "the n-th use of the disk fails (all n, 3 ways)": (failing_disk, 8, 10_000),
    "files limited to less than a checkpoint": (full_disk, 2, 20),
    "NaN or infinity in a loss, gradient or weight": (not_finite, 8, 50),
    "stopped and resumed, of all kinds": (resumed, 6, 200),
    "two runs on one folder": (two_runs, 2, 20),
    "the last checkpoint damaged": (damaged_last, 5, 50),
}
