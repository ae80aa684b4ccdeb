"""Trials of what may happen to a run and to its files, each as often as one likes.

`test_torture.py` makes a few of each, `python tests/torture/run.py` (`make torture`) many.
A trial that does not hold raises AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from courses import not_finite, resumed
from damage import damaged_last, flipped_bits, flipped_meta_bits, hostile_files, truncated
from disks import failing_disk, full_disk, limited_files, power_cut, read_only
from hostile import FILES
from processes import killed, signalled, two_runs

EVERY = 1_000_000  # more than there are
TRIALS: dict[str, tuple[Callable[[int, Path], None], int, int]] = {  # few in the suite, and all
    "a checkpoint cut off at a random byte": (truncated, 30, 2_000),
    "files made to harm": (hostile_files, 6, len(FILES)),
    "bits flipped of all that is no number of an array": (flipped_meta_bits, 80, EVERY),
    "bits flipped of weights, memory and states": (flipped_bits, 80, 20_000),
    "the last checkpoint damaged": (damaged_last, 3, 50),
    "kill -9 at a random moment, then resume": (killed, 2, 200),
    "a power cut: what was not synced is gone": (power_cut, 4, 500),
    "the n-th use of the disk fails, in 3 ways": (failing_disk, 5, EVERY),
    "a full disk, before a run and in the middle": (full_disk, 2, 20),
    "files limited to less than a checkpoint": (limited_files, 1, 20),
    "a folder that is read-only for a while": (read_only, 1, 20),
    "SIGINT, SIGTERM, SIGHUP, once or twice": (signalled, 3, 100),
    "NaN or infinity in a loss, gradient or weight": (not_finite, 5, 50),
    "stopped and resumed, of all kinds": (resumed, 3, 200),
    "two runs on one folder": (two_runs, 2, 20),
}
