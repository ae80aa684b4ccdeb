"""Trials of what may happen to a run and to its files, each as often as one likes.

`test_torture.py` makes a few of each, `python tests/torture/run.py` (`make torture`) many.
A trial that does not hold raises AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from compressed_trials import damaged_compressed, lost_worker, stopped_compression
from courses import not_finite, resumed
from damage import damaged_last, flipped_bits, flipped_meta_bits, hostile_files, truncated
from disks import failing_disk, full_disk, limited_files, power_cut, read_only
from hostile import FILES
from processes import killed, signalled, two_runs
from task_trials import FILES as TASK_FILES
from task_trials import damaged_task, hostile_task, killed_task, resumed_task

EVERY = 1_000_000  # more than there are
TRIALS: dict[str, tuple[Callable[[int, Path], None], int, int]] = {  # few in the suite, and all
    "checkpoint truncated at a random byte": (truncated, 12, 2_000),
    "malicious checkpoint files": (hostile_files, 3, len(FILES)),
    "bits flipped outside array data": (flipped_meta_bits, 15, EVERY),
    "bits flipped in weights, optimiser memory and recurrent states": (flipped_bits, 15, 20_000),
    "last checkpoint damaged": (damaged_last, 1, 50),
    "kill -9 at a random moment, then resume": (killed, 1, 200),
    "power cut: everything that was not synced is lost": (power_cut, 1, 500),
    "n-th disk operation fails, in 3 ways": (failing_disk, 1, EVERY),
    "disk full, before a run and during one": (full_disk, 1, 20),
    "file size limited to less than a checkpoint": (limited_files, 1, 20),
    "run folder read-only for a while": (read_only, 1, 20),
    "SIGINT, SIGTERM or SIGHUP, once or twice": (signalled, 1, 100),
    "NaN or infinity in a loss, gradient or weight": (not_finite, 2, 50),
    "run stopped and resumed, with varied options": (resumed, 1, 200),
    "two processes using one run folder": (two_runs, 1, 20),
    "sequence tasks: kill -9 at a random moment, then resume": (killed_task, 1, 60),
    "sequence tasks: stopped and resumed, with varied options": (resumed_task, 1, 60),
    "sequence tasks: checkpoint truncated, and any bit flipped": (damaged_task, 4, 1_000),
    "sequence tasks: malicious checkpoint files": (hostile_task, 6, len(TASK_FILES)),
    "compressed files: every bit flipped, cut at every byte": (damaged_compressed, 40, EVERY),
    "compressing or decompressing stopped by a signal": (stopped_compression, 1, 60),
    "compressing or decompressing, and a worker killed": (lost_worker, 1, 40),
}
