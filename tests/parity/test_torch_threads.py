"""What the engine on PyTorch does with a CPU: threads as updates are worth, memory that is kept."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from charnn.bench.engines import Setting, run_of
from charnn.bench.workload import Point
from charnn.engines.torch import library
from charnn.engines.torch.library import LEAST_WORK, threads_for

pytestmark = pytest.mark.parity

SMALL, LARGE = Point("rnn", "before", 1, 8, 2, 3), Point("lstm", "before", 1, 256, 16, 20)


@pytest.fixture(autouse=True)
def _three_threads_on_eight_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with a number that the rule does not give; nothing in the environment."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(library, "usable_cores", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("shares", "threads"), [(0.1, 1), (1.9, 1), (2.1, 2), (99.0, 8)])
def test_the_rule(shares: float, threads: int) -> None:
    """One thread for each share of work that is worth it, at least one, at most all cores."""
    assert threads_for(shares * LEAST_WORK) == threads


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user, or torchrun, has said stays."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with run_of(SMALL, Setting(), "torch") as run:
        run.step()
        assert torch.get_num_threads() == 3


def test_each_engine_has_its_own_number() -> None:
    """Two engines side by side do not disturb each other; closing leaves what was there."""
    with run_of(LARGE, Setting(), "torch") as large:
        with run_of(SMALL, Setting(), "torch") as small:
            for run, threads in ((small, 1), (large, 2), (small, 1)):
                run.step()
                assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("platform", "library_has", "calls"),
    [
        ("linux", True, [(-1, 2**31 - 1), (-3, 2**25)]),
        ("linux", False, []),
        ("darwin", True, []),
    ],
)
def test_glibc_is_told_to_keep_memory(
    platform: str,
    library_has: bool,
    calls: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is a glibc, and nowhere else."""
    told: list[tuple[int, int]] = []
    found = {"mallopt": lambda *call: told.append(call)} if library_has else {}
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(**found))
    library.keep_memory()
    assert told == calls
