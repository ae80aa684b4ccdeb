"""Runs that torchrun starts: launching them, looking at them, and ending all of their processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint

TRIALS = int(os.environ.get("TRIALS", "50"))
FULL = TRIALS >= 10  # few trials are the short form, which leaves out some whole tests
DEADLINE = 240.0  # seconds of a launch
TEXT = "the tide comes in, the tide goes out, and the old clock counts them both.\n" * 40
OPTIONS = {
    "cell": "lstm",
    "hidden_size": 12,
    "num_layers": 2,
    "batch_size": 7,
    "seq_length": 12,
    "dropout": 0.2,
    "learning_rate": 0.01,
    "steps": 160,
    "eval_every": 20,
    "sample_length": 1,
    "save_every": 1,
}
FLAGS = [
    part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))
]
PROGRAM = Path(__file__).with_name("planted.py")


class Launch:
    """One torchrun, its ranks, and what they say."""

    def __init__(self, size: int, arguments: list[str], torchrun: list[str], **more: str) -> None:
        """Start `size` ranks of charnn; `more` are environment variables."""
        self.said = Path(os.environ["CHARNN_CACHE"]) / f"said-{time.monotonic_ns()}"
        self.said.parent.mkdir(parents=True, exist_ok=True)
        self.mark = f"CHARNN_TRIAL={time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        environment = {"OMP_NUM_THREADS": "1", "CHARNN_RANK_TIMEOUT": "20", name: value, **more}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(PROGRAM.parents[2]), os.environ.get("PYTHONPATH", "")]
        )
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size)]
        with self.said.open("wb") as file:
            self.agent = subprocess.Popen(
                [*command, *torchrun, str(PROGRAM), *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | environment,
                start_new_session=True,
            )
        self.began = time.monotonic()

    @property
    def output(self) -> str:
        """What all processes have said."""
        return self.said.read_text(encoding="utf-8", errors="replace")

    @property
    def sentences(self) -> list[str]:
        """The errors that charnn has told."""
        return re.findall(r"^Error: (.*)$", self.output, re.MULTILINE)

    @property
    def codes(self) -> list[int]:
        """The exit codes of failed ranks, as torchrun lists them."""
        return [int(code) for code in re.findall(r"exitcode  : (-?\d+)", self.output)]

    def processes(self) -> list[int]:
        """Return all processes of the launch that there are, the agent among them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if self.mark.encode() in (folder / "environ").read_bytes() and state != "Z":
                    found.append(int(folder.name))
        return found

    def ranks(self) -> list[int]:
        """Return the processes of the ranks."""
        return sorted(set(self.processes()) - {self.agent.pid})

    def wait_for(self, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
        """Wait until something is the case; fail where it is not in time, or torchrun ends."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.output
            time.sleep(0.02)

    def wait_for_update(self, run: Path, update: int) -> None:
        """Wait until a run has recorded an update."""
        self.wait_for(lambda: recorded(run) >= update or self.agent.poll() is not None)
        assert recorded(run) >= update, self.output

    def end(self, seconds: float = DEADLINE) -> int:
        """Wait for torchrun's end, return its exit code; no process may be left, and no trace."""
        code = self.agent.wait(seconds)
        self.wait_for(lambda: not self.processes(), 20)
        said = self.output.replace("torch/distributed/run.py", "")
        assert "charnn/" not in said.partition("Traceback")[2], said
        return code

    def clear(self) -> None:
        """Kill what is left."""
        for _ in range(3):
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self.agent.wait()


@contextmanager
def launched(
    size: int, *arguments: object, torchrun: tuple[str, ...] = (), **more: str
) -> Iterator[Launch]:
    """Launch ranks of charnn, and leave nothing of them."""
    launch = Launch(size, [str(argument) for argument in arguments], list(torchrun), **more)
    try:
        yield launch
    finally:
        launch.clear()


def trained(size: int, run: Path, *more: object, text: Path | None = None) -> Path:
    """Make a whole run by some ranks, and return its folder."""
    with launched(size, "train", text or text_of(run), *FLAGS, "--out", run, *more) as launch:
        assert launch.end() == 0, launch.output
    return run


def resumed(size: int, run: Path, *more: object) -> None:
    """Resume a run with some ranks to its end."""
    with launched(size, "train", "--resume", run, *more) as launch:
        assert launch.end() == 0, launch.output


def text_of(run: Path) -> Path:
    """Write the text to train on beside a run."""
    path = run.parent / "tide.txt"
    if not path.exists():
        path.write_text(TEXT, encoding="utf-8")
    return path


def recorded(run: Path) -> int:
    """Return the last update that a run has recorded."""
    with suppress(OSError):
        found = re.findall(r'"update": (\d+)', (run / "metrics.jsonl").read_text(encoding="utf-8"))
        return int(found[-1]) if found else 0
    return 0


def saved(run: Path) -> bool:
    """Return whether a run has a checkpoint to go on from."""
    return (run / LAST).exists() or (run / PREVIOUS).exists()


def arrays(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Return the bits of all arrays of a checkpoint."""
    return {name: array.tobytes() for name, array in checkpoint.named_arrays().items()}


def same_bits(one: Path, other: Path) -> bool:
    """Return whether the last and the best checkpoints of two runs are equal, bit for bit."""
    pairs = [(load_checkpoint(one / name), load_checkpoint(other / name)) for name in (LAST, BEST)]
    return all(
        arrays(first) == arrays(second) and first.progress.history == second.progress.history
        for first, second in pairs
    )


def distance(one: Path, other: Path) -> float:
    """Return the largest difference of the losses that two runs have recorded, in nats."""
    first, second = (
        np.array([row[1:] for row in load_checkpoint(run / LAST).progress.history])
        for run in (one, other)
    )
    assert first.shape == second.shape, (first.shape, second.shape)
    return float(np.abs(first - second).max())
