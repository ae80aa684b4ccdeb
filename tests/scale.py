"""Memory and speed on a text larger than memory: `make scale` makes one of 4 GB.

Each command is a process of its own; its memory is the largest resident size of it and its workers
together, which on Linux is asked for every few milliseconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 1 << 20
EVALUATED = 50  # megabytes
TRAIN = (
    *("train", "large.txt", "--val-fraction", "0", "--quiet", "--force", "--out", "run"),
    *("--cell", "rnn", "--hidden-size", "64", "--shards", "2"),
)
EVAL = ("eval", "run", "part.txt", "--quiet")


class Measured(NamedTuple):
    """What a command took."""

    command: str
    seconds: float
    bytes: int


def make_text(path: Path, megabytes: int) -> None:
    """Write a text of printable ASCII."""
    random = np.random.default_rng(1)
    block = random.integers(ord(" "), ord("~") + 1, BLOCK, np.uint8)
    block[::80] = ord("\n")
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(block.tobytes())


def resident(pid: int) -> int:
    """Return the largest resident size so far of a process and its children, in bytes."""
    total = 0
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:  # it has ended
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            total += int(line.split()[1]) * 1024
    return total + sum(resident(int(child)) for child in children.split())


def measured(folder: Path, *arguments: str) -> Measured:
    """Run a charnn command in a folder and measure it."""
    began, most = time.perf_counter(), 0
    command = [sys.executable, "-m", "charnn", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(f"charnn {' '.join(arguments)}", time.perf_counter() - began, most)


def measurements(folder: Path, megabytes: int, evaluated: int) -> list[Measured]:
    """Make a text and measure the commands that read it, its encoding first."""
    make_text(folder / "large.txt", megabytes)
    make_text(folder / "part.txt", evaluated)
    return [
        measured(folder, "vocab", "large.txt", "--quiet"),
        measured(folder, *TRAIN, "--steps", "1"),
        measured(folder, *TRAIN, "--steps", "100"),
        measured(folder, *EVAL),
    ]


def main() -> None:
    """Print what a text of the size asked for takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=4096)
    parser.add_argument("--evaluated", type=int, default=EVALUATED)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="charnn-scale-") as folder:
        os.environ["CHARNN_CACHE"] = str(Path(folder) / "cache")
        found = measurements(Path(folder), asked.megabytes, asked.evaluated)
    for each in found:
        print(f"{each.seconds:8.1f} s  {each.bytes / 1e6:6.0f} MB  {each.command}")
    encoding = found[1].seconds - found[2].seconds
    print(f"counting and encoding: {asked.megabytes * BLOCK / encoding / 1e6:.0f} M characters/s")


if __name__ == "__main__":
    main()
