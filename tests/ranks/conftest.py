"""Fixtures: runs that nothing happens to."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from launches import trained

if not Path("/proc/self/environ").exists():  # where trials find the processes that they started
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[Path, float]]:
    """Return what gives the folder of a whole run by some ranks, and its seconds."""

    @cache
    def run_of(size: int) -> tuple[Path, float]:
        began = time.monotonic()
        run = trained(size, tmp_path_factory.mktemp(f"whole{size}") / "run")
        return run, time.monotonic() - began

    return run_of
