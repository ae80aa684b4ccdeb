"""Fixtures: a finished small run, and a folder to make others in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_runs import finish, small_config, small_corpus

from charnn.training.run_folder import RunFolder
from charnn.training.setup import prepared


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of 17 updates, not to be changed: last.npz, best.npz, ..."""
    folder = tmp_path_factory.mktemp("finished")
    config = small_config()
    run_folder = RunFolder(folder / "run")
    run_folder.create(config)
    finish(prepared(config, small_corpus(folder, config), run_folder))
    return folder / "run"


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run, to be changed at will."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))
