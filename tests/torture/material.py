"""What the trials work on: a run that nothing happens to, and ways to look at what is left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from charnn.errors import CheckpointError
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import Checkpoint

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
MAIN = "from charnn.cli.main import main\nmain()\n"
MADE: list[tuple[Path, float]] = []  # the run that nothing happens to, once there is one
STARTING = 0.3  # seconds that a process takes to start, at most


def text_in(folder: Path) -> Path:
    """Write the text to train on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tide.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def command(*arguments: object) -> list[str]:
    """Return the command line of a charnn process; what `CHARNN_PLANTED` holds is run before."""
    program = "import os\nexec(os.environ.get('CHARNN_PLANTED', ''))\n" + MAIN
    return [sys.executable, "-c", program, *map(str, arguments)]


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
    """Make a run that nothing happens to; return its folder and how long it took.

    It is made once; in other folders there are copies of it.
    """
    text, run = text_in(folder), folder / "whole"
    if MADE:
        first, seconds = MADE[0]
        shutil.copytree(first, run)
        return run, seconds
    began = time.perf_counter()
    code, said = ended(start("train", text, *FLAGS, "--out", run))
    assert code == 0, said
    MADE.append((run, time.perf_counter() - began))
    return MADE[0]


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


def metrics_are_whole(run: Path, eval_every: int = 10) -> None:
    """Check that no update is missing from the metrics, or there twice."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    steps = [entry["update"] for entry in entries if entry["event"] == "step"]
    evaluations = [entry["update"] for entry in entries if entry["event"] == "evaluation"]
    assert steps == list(range(20, OPTIONS["steps"] + 1, 20)), steps
    expected = list(range(eval_every, OPTIONS["steps"] + 1, eval_every))
    assert evaluations == expected, evaluations
