"""A few of each of the trials that `make torture` makes in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trials import TRIALS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all trials share."""
    return tmp_path_factory.mktemp("torture")


@pytest.mark.parametrize(
    ("trial", "count"), [(trial, few) for trial, few, _ in TRIALS.values()], ids=list(TRIALS)
)
def test_trials_hold(trial: Callable[[int, Path], None], count: int, folder: Path) -> None:
    """Whatever happens, nothing is lost and nothing wrong is let in."""
    trial(count, folder)
