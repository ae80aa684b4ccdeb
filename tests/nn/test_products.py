"""Products in blocks: how many blocks, and that they change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.nn.products import NARROWEST_BLOCK, SMALL_PRODUCT, BlockedWeights, number_of_blocks

SIZES = st.integers(1, 300), st.integers(1, 1100), st.integers(1, 1100)


@settings(derandomize=True, deadline=None)
@given(*SIZES)
def test_blocks_are_equal_and_not_too_narrow(rows, inner, columns):
    """Blocks divide the columns evenly; where there are several, each has 32 columns or more."""
    blocks = number_of_blocks(rows, inner, columns)
    assert columns % blocks == 0
    assert blocks == 1 or columns // blocks >= NARROWEST_BLOCK


@settings(derandomize=True, deadline=None)
@given(*SIZES)
def test_a_cut_product_is_small(rows, inner, columns):
    """Where a product is cut, its blocks are within the bound, and the whole was not."""
    blocks = number_of_blocks(rows, inner, columns)
    whole = rows * inner * columns
    assert blocks == 1 or whole // blocks <= SMALL_PRODUCT < whole


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "blocks"),
    [
        (16, 128, 128, 1),  # small as it is
        (10, 100, 1000, 1),  # at the bound
        (16, 256, 256, 2),
        (32, 256, 256, 4),  # two blocks are above the bound still
        (16, 512, 96, 1),
        (16, 512, 192, 2),
        (16, 256, 257, 1),  # a prime number of columns
        (64, 512, 512, 1),  # no block is small enough
        (1, 4096, 4096, 1),  # a vector times a matrix
    ],
)
def test_number_of_blocks(rows, inner, columns, blocks):
    """The fewest equal blocks within the bound, or one where there is no such number."""
    assert number_of_blocks(rows, inner, columns) == blocks


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "blocks"), [(3, 5, 7, 1), (16, 256, 256, 2), (16, 1000, 192, 4)]
)
@pytest.mark.parametrize(
    "gates", [slice(None), slice(0, 2), slice(2, 3)], ids=["all", "two", "one"]
)
class TestBlockedWeights:
    """Blocked products equal plain ones, for all gates and for some."""

    @pytest.fixture
    def W(self, inner, columns):
        """Return weights of three gates."""
        return np.random.default_rng(1).standard_normal((3, inner, columns))

    def test_product(self, W, rows, inner, columns, blocks, gates):
        """`out[g] = x W[g]`, also where x has a leading axis of time."""
        x = np.random.default_rng(2).standard_normal((2, rows, inner))
        weights = BlockedWeights(W, rows)
        assert weights.blocks.shape == (3, blocks, inner, columns // blocks)
        expected = np.array([[x_t @ W_g for W_g in W[gates]] for x_t in x])
        out = np.full_like(expected, np.nan)
        assert weights.product(x, out, gates) is out
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12 * np.abs(expected).max())

    def test_product_of_gates(self, W, rows, inner, columns, blocks, gates):
        """`sum over g of x[g] W[g]`."""
        x = np.random.default_rng(2).standard_normal((len(W[gates]), rows, inner))
        scratch = np.full((len(x), rows, columns), np.nan)
        total = BlockedWeights(W, rows).product_of_gates(x, scratch, gates)
        expected = sum(x_g @ W_g for x_g, W_g in zip(x, W[gates], strict=True))
        np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
