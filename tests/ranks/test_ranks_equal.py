"""The number of ranks changes nothing: gradients, losses, and runs that go on elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from launches import (
    FLAGS,
    FULL,
    TEXT,
    distance,
    launched,
    recorded,
    resumed,
    same_bits,
    saved,
    text_of,
)

FIRST = Path(__file__).with_name("first_updates.py")
Whole = Callable[[int], tuple[Path, float]]


def run_alone(*arguments: object) -> None:
    """Run Python on a program without torchrun."""
    subprocess.run([sys.executable, *map(str, arguments)], check=True, timeout=120)


@pytest.fixture(scope="module")
def first_updates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """Return the text, and what the NumPy engine computes on it."""
    folder = tmp_path_factory.mktemp("first")
    text = folder / "tide.txt"
    text.write_text(TEXT, encoding="utf-8")
    run_alone(FIRST, text, "shards", folder / "numpy.npz")
    return text, dict(np.load(folder / "numpy.npz"))


@pytest.mark.parametrize("size", [1, 2, 3, 4] if FULL else [1, 3])
def test_first_gradient_and_losses(
    size: int, first_updates: tuple[Path, dict[str, np.ndarray]]
) -> None:
    """Batch 7 on 1 to 4 ranks, with dropout: first gradient to 1e-6, 40 losses to 1e-4."""
    text, theirs = first_updates
    output = text.parent / f"ranks{size}.npz"
    planted = f"sys.argv = ['', {str(text)!r}, 'torch', {str(output)!r}]\n"
    planted += f"sys.path.insert(0, {str(FIRST.parent)!r})\n"
    planted += "import first_updates\nfirst_updates.main()\n"
    with launched(size, CHARNN_PLANTED=planted) as launch:
        assert launch.end() == 0, launch.output
    ours = dict(np.load(output))
    assert np.abs(theirs["gradient"]).max() > 1e-3
    assert np.abs(ours["gradient"] - theirs["gradient"]).max() < 1e-6
    assert len(ours["losses"]) == 42
    assert np.abs(ours["losses"] - theirs["losses"]).max() < 1e-4


def test_a_stopped_rank_stops_all_and_the_rest_is_the_same(whole: Whole, tmp_path: Path) -> None:
    """SIGTERM to any one rank: all stop, saved, with exit code 0; then the same bits on 2 ranks."""
    for number in range(2 if FULL else 1):
        run = tmp_path / f"run{number}"
        with launched(2, "train", text_of(run), *FLAGS, "--out", run) as launch:
            launch.wait_for_update(run, 40)
            os.kill(launch.ranks()[1 - number], signal.SIGTERM)
            assert launch.end() == 0, launch.output
            assert "(interrupted)" in launch.output
            assert not launch.sentences
        assert 40 <= recorded(run) < 160
        resumed(2, run)
        assert same_bits(run, whole(2)[0])


def test_other_numbers_of_ranks_and_engines_go_on(whole: Whole, tmp_path: Path) -> None:
    """4 ranks, SIGTERM to torchrun, 2 ranks, then one process, then NumPy: losses to 1e-4."""
    run = tmp_path / "run"
    with launched(4, "train", text_of(run), *FLAGS, "--out", run) as launch:
        launch.wait_for_update(run, 20)
        launch.agent.send_signal(signal.SIGTERM)
        assert launch.end() != 0  # torchrun itself, which does not restart then
        assert "(interrupted)" in launch.output
    for size, update in ((2, 60), (1, 100)):
        assert saved(run)
        with launched(size, "train", "--resume", run) as launch:
            launch.wait_for_update(run, update)
            os.kill(launch.ranks()[0], signal.SIGTERM)
            assert launch.end() == 0, launch.output
    run_alone("-m", "charnn", "train", "--resume", run, "--engine", "shards", "--quiet")
    assert distance(run, whole(2)[0]) < 1e-4


def test_a_run_of_numpy_goes_on_with_ranks(whole: Whole, tmp_path: Path) -> None:
    """NumPy, then 2 ranks of PyTorch: losses to 1e-4 of the whole run."""
    run = tmp_path / "run"
    command = ["-m", "charnn", "train", text_of(run), *FLAGS, "--engine", "shards", "--out", run]
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        while recorded(run) < 60:
            assert process.poll() is None, process.communicate()
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    resumed(2, run)
    assert distance(run, whole(2)[0]) < 1e-4
