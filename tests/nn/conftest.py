"""What the tests of cells and layers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charnn.nn import products


@pytest.fixture(scope="module", autouse=True)
def small_kernel() -> Iterator[None]:
    """Cut products into blocks, whatever this machine's BLAS has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "has_small_kernel", lambda: True)
        yield
