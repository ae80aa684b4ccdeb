"""Each test in this folder runs in an empty folder of its own; one tiny model serves them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import TINY, forget_options, succeed
from trained import VERSE, Trained


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without the options of the environment."""
    monkeypatch.chdir(tmp_path)
    forget_options(monkeypatch)
    return tmp_path


@pytest.fixture
def verse(work_folder: Path) -> Path:
    """Return the name of a text in the folder."""
    Path("verse.txt").write_text(VERSE, encoding="utf-8")
    return Path("verse.txt")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a run that must not be changed."""
    folder = tmp_path_factory.mktemp("trained")
    corpus = folder / "verse.txt"
    corpus.write_text(VERSE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        forget_options(patch)
        result = succeed("train", corpus, *TINY, "--out", folder / "run")
    return Trained(folder / "run", result, corpus)


@pytest.fixture
def model(trained: Trained) -> Path:
    """Return the folder of a run that must not be changed."""
    return trained.folder


@pytest.fixture
def copied(trained: Trained, work_folder: Path) -> Path:
    """Return the name of a run's copy in the folder, which may be changed."""
    shutil.copytree(trained.folder, "run")
    return Path("run")
