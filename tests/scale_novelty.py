"""What `charnn novelty` takes on 100 MB of training text: `make scale` runs it.

The text is the lines of the play in `data/`, shuffled anew for each repetition. The samples are one
that is drawn from an untrained model, the play itself, and a piece of the training text.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from scale import Measured, measured

PLAY = Path(__file__).parent.parent / "data" / "the-tide-clock.txt"
SECONDS, BYTES = 30, 300e6  # what it may take
TRAIN = (
    *("train", "large.txt", "--hidden-size", "8", "--steps", "1", "--batch-size", "2"),
    *("--seq-length", "16", "--val-fraction", "0.001", "--shards", "1", "--quiet", "--out", "run"),
)


def make_text(path: Path, size: int) -> None:
    """Write at least `size` bytes: the same lines again and again, each time in another order."""
    random = np.random.default_rng(1)
    lines = PLAY.read_bytes().splitlines(keepends=True)
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(b"".join(lines[at] for at in random.permutation(len(lines))))


def timed(folder: Path, *arguments: str) -> tuple[Measured, float]:
    """Measure a command, and the time that it had a core for, on a machine that may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = measured(folder, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measurements(folder: Path, size: int) -> list[tuple[Measured, float]]:
    """Make a text and a model, and measure the search for samples of several kinds."""
    text = folder / "large.txt"
    make_text(text, size)
    with text.open("rb") as file:
        file.seek(size // 2)
        piece = file.read(20_000).decode("utf-8", "ignore")
    (folder / "copied.txt").write_text(piece, encoding="utf-8")
    (folder / "play.txt").write_bytes(PLAY.read_bytes()[:20_000])
    measured(folder, *TRAIN)
    return [
        timed(folder, "novelty", "run", "--quiet"),
        timed(folder, "novelty", "run", "--quiet", "--sample", "play.txt"),
        timed(folder, "novelty", "run", "--quiet", "--sample", "copied.txt"),
    ]


def main() -> None:
    """Print what each search took, and fail where one took more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="charnn-scale-") as folder:
        os.environ["CHARNN_CACHE"] = str(Path(folder) / "cache")
        found = measurements(Path(folder), asked.megabytes * 1_000_000)
    print("       s   s of a core   MB")
    for each, core in found:
        print(f"{each.seconds:8.1f} {core:13.1f} {each.bytes / 1e6:4.0f}  {each.command}")
    if any(core > SECONDS or each.bytes > BYTES for each, core in found):
        sys.exit(f"more than {SECONDS} s or {BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
