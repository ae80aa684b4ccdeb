"""Fixtures: a test that asks for one of these runs once for each registered cell and form."""

from __future__ import annotations

import pytest

from charnn.nn.cell import Cell
from charnn.registry import CELLS

KINDS = [(name, form) for name in CELLS for form in CELLS[name].forms()]


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(filter(None, kind)))
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return a cell's registered name and the name of one of its forms."""
    return request.param


@pytest.fixture
def cell(kind: tuple[str, str]) -> Cell:
    """Return the cell itself."""
    name, form = kind
    return CELLS[name].forms()[form]


@pytest.fixture
def cell_options(kind: tuple[str, str]) -> dict[str, str]:
    """Return the options of `ModelConfig` that choose the cell."""
    name, form = kind
    return {"cell": name, "gru_reset": form} if form else {"cell": name}
