"""Products in blocks: how many blocks, and that they change nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from charnn.nn.blas import has_small_kernel
from charnn.nn.buffers import Buffers
from charnn.nn.products import (
    CACHE,
    FEWEST_ROWS,
    NARROWEST_BLOCK,
    SMALL_PRODUCT,
    WIDEST_BLOCK,
    BlockedWeights,
    VectorWeights,
    number_of_blocks,
    worth_blocks,
)

SIZES = st.integers(1, 300), st.integers(1, 1100), st.integers(1, 1100)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(*SIZES)
def test_blocks_are_equal_and_neither_too_large_nor_too_small(rows, inner, columns):
    """Blocks divide rows and columns evenly; where a product is cut, they are in the bounds."""
    row_blocks, column_blocks = number_of_blocks(rows, inner, columns)
    assert rows % row_blocks == columns % column_blocks == 0
    if (row_blocks, column_blocks) != (1, 1):
        height, width = rows // row_blocks, columns // column_blocks
        assert NARROWEST_BLOCK <= width <= WIDEST_BLOCK
        assert height >= FEWEST_ROWS or row_blocks == 1
        assert height * inner * width <= SMALL_PRODUCT


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "blocks"),
    [
        (8, 256, 64, (1, 1)),  # one block
        (8, 256, 256, (1, 4)),
        (25, 128, 128, (1, 2)),
        (12, 384, 384, (1, 6)),
        (10, 100, 100, (1, 2)),  # 64 does not divide 100, 50 does
        (32, 512, 512, (2, 8)),  # rows cut, too
        (64, 512, 512, (4, 8)),
        (31, 512, 512, (1, 16)),  # a prime number of rows: narrower blocks
        (8, 256, 257, (1, 1)),  # a prime number of columns
        (97, 4096, 4096, (1, 1)),  # no block is small enough
        (1, 4096, 4096, (1, 1)),  # a vector times a matrix
    ],
)
def test_number_of_blocks(rows, inner, columns, blocks):
    """The widest columns up to 64, then the most rows, or one block where there are none."""
    assert number_of_blocks(rows, inner, columns) == blocks


def test_nothing_is_cut_where_blas_has_no_kernel_for_blocks(monkeypatch):
    """Without the kernel blocks are slower than the whole."""
    monkeypatch.setattr("charnn.nn.products.has_small_kernel", lambda: False)
    assert number_of_blocks(32, 512, 512) == (1, 1)


@pytest.mark.parametrize(
    ("architecture", "expected"), [("SkylakeX", True), ("Haswell", False), (None, False)]
)
def test_which_blas_has_a_kernel_for_small_products(monkeypatch, architecture, expected):
    """OpenBLAS on a processor with AVX-512; other libraries name no architecture."""
    library = {} if architecture is None else {"architecture": architecture}
    found = SimpleNamespace(info=lambda: [{"internal_api": "x"}, library])
    monkeypatch.setattr("charnn.nn.blas._libraries", lambda: found)
    has_small_kernel.cache_clear()
    try:
        assert has_small_kernel() is expected
    finally:
        has_small_kernel.cache_clear()


@pytest.mark.parametrize(("rows", "inner", "columns"), [(3, 5, 7), (16, 256, 256), (64, 600, 192)])
@pytest.mark.parametrize(
    "gates", [slice(None), slice(0, 2), slice(2, 3)], ids=["all", "two", "one"]
)
@pytest.mark.parametrize("cache", [0, CACHE], ids=["there and back", "at once"])
class TestBlockedWeights:
    """Blocked products equal plain ones, for all gates and for some, however often they are made.

    Weights larger than a cache are read there and back.
    """

    @pytest.fixture(autouse=True)
    def size_of_cache(self, monkeypatch, cache):
        """Set the size up to which weights count as cached."""
        monkeypatch.setattr("charnn.nn.products.CACHE", cache)

    @pytest.fixture
    def W(self, inner, columns):
        """Return weights of three gates."""
        return np.random.default_rng(1).standard_normal((3, inner, columns))

    @pytest.mark.parametrize("own_x", [False, True], ids=["one x", "an x for each gate"])
    def test_product(self, W, rows, inner, columns, gates, own_x):
        """`out[g] = x W[g]`, and `out[g] = x[g] W[g]` with an x of its own for each gate."""
        random = np.random.default_rng(2)
        x = random.standard_normal((len(W[gates]), rows, inner) if own_x else (rows, inner))
        weights, expected = BlockedWeights(W, rows, Buffers()), x @ W[gates]
        out = np.empty_like(expected)
        multiply = weights.products(out, gates) if own_x else weights.product(out, gates)
        for _ in range(3):
            out[...] = np.nan
            multiply(x)
            np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(("rows", "inner", "columns"), [(16, 256, 256), (64, 600, 192)])
def test_product_over_time(rows, inner, columns):
    """`out[t, g] = x[t] W[g]`."""
    random = np.random.default_rng(1)
    W, x = random.standard_normal((3, inner, columns)), random.standard_normal((2, rows, inner))
    expected = np.array([[x_t @ W_g for W_g in W] for x_t in x])
    out = np.full_like(expected, np.nan)
    BlockedWeights(W, rows, Buffers()).product_over_time(x, out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_what_is_worth_blocks(monkeypatch):
    """Weights that are cached, where the products of a time step are cut."""
    small, large = np.empty((4, 256, 256), np.float32), np.empty((4, 512, 512), np.float32)
    assert worth_blocks(small, 8)
    assert not worth_blocks(large, 8)
    assert not worth_blocks(small, 1)
    monkeypatch.setattr("charnn.nn.products.has_small_kernel", lambda: False)
    assert not worth_blocks(small, 8)


@pytest.mark.parametrize("own_x", [False, True], ids=["one x", "an x for each gate"])
def test_large_weights_are_read_there_and_back(monkeypatch, own_x):
    """Each product begins with the gate that the one before ended with, which is still cached."""
    W = np.random.default_rng(1).standard_normal((3, 5, 7))
    read = []

    def matmul(x, part, out):
        read.append(next(g for g in range(3) if np.shares_memory(part, W[g])))
        return np.multiply(1, x @ part, out=out)

    monkeypatch.setattr("charnn.nn.products.CACHE", W.nbytes - 1)
    monkeypatch.setattr("charnn.nn.products.np.matmul", matmul)
    weights, out = BlockedWeights(W, 2, Buffers()), np.empty((3, 2, 7))
    multiply = weights.products(out) if own_x else weights.product(out)
    for _ in range(3):
        multiply(np.ones((3, 2, 5)) if own_x else np.ones((2, 5)))
    assert read == [0, 1, 2, 2, 1, 0, 0, 1, 2]


def test_weights_are_those_of_the_time_they_were_made():
    """A transposed view, too, is a contiguous copy in the buffers given."""
    W = np.arange(24.0).reshape(2, 3, 4)
    buffers = Buffers()
    first = BlockedWeights(W.swapaxes(1, 2), 2, buffers)
    assert first._blocks.flags.c_contiguous
    second = BlockedWeights(W.swapaxes(1, 2), 2, buffers)
    assert np.shares_memory(first._blocks, second._blocks)


@pytest.mark.parametrize(
    "gates", [slice(None), slice(0, 2), slice(2, 3)], ids=["all", "two", "one"]
)
def test_vector_times_the_weights_of_gates(gates):
    """One row times the weights of all gates, or of some."""
    random = np.random.default_rng(1)
    W, x = random.standard_normal((3, 5, 7)), random.standard_normal((1, 5))
    weights = VectorWeights(W, Buffers())
    out = np.full((3, 1, 7), np.nan)
    weights.product(out[gates], gates)(x)
    np.testing.assert_allclose(out[gates], x @ W[gates], rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [(128, 512), (512, 2048)])
def test_threads_do_not_change_a_vectors_product(size):
    """Each number of a matrix-vector product is summed by one thread, so its bits are the same."""
    D, N = size
    random = np.random.default_rng(1)
    W = VectorWeights(random.standard_normal((4, D, N // 4)).astype(np.float32), Buffers())
    x = random.standard_normal((1, D)).astype(np.float32)
    results = []
    for threads in (1, 2):
        out = np.empty((4, 1, N // 4), np.float32)
        with threadpool_limits(threads, user_api="blas"):
            W.product(out)(x)
        results.append(out.tobytes())
    assert results[0] == results[1]
