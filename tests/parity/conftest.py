"""Parity with PyTorch: collected only where torch is installed, run by `make parity`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from charnn.nn.blas import single_thread

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Hold charnn's BLAS to one thread, as its trainer does; torch_twin.py holds PyTorch."""
    with single_thread():
        yield
