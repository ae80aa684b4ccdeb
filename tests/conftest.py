"""Fixtures: a test that asks for one of these runs once for each registered cell and form."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from charnn.nn.cell import Cell
from charnn.registry import CELLS

# For the tests of properties, which have no settings of their own: few examples, or, chosen by
# pytest's --hypothesis-profile=full, many.
suite = settings(max_examples=25, derandomize=True, deadline=None, database=None)
settings.register_profile("suite", suite)
settings.register_profile("full", suite, max_examples=1_000)
settings.load_profile("suite")

KINDS = [(name, form) for name in CELLS for form in CELLS[name].forms()]


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep encoded texts in a folder of the session's own."""
    before = os.environ.get("CHARNN_CACHE")
    os.environ["CHARNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["CHARNN_CACHE"]
    else:
        os.environ["CHARNN_CACHE"] = before


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
