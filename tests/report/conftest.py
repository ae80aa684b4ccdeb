"""One tiny run serves all tests in this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from reported import TEXT, TINY

import charnn
from charnn.report.material import Material, read_material


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny run; its text lies beside it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "tide.txt").write_text(TEXT, encoding="utf-8")
    list(charnn.train(folder / "tide.txt", **TINY, out=folder / "run"))
    return folder / "run"


@pytest.fixture(scope="session")
def material(run: Path) -> Material:
    """Return what a report is made of."""
    return read_material(run, [str(run.parent / "tide.txt")], 1, "utf-8")
