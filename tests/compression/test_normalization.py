"""Layer normalisation of integers against the naive one, on many vectors."""

from __future__ import annotations

import naive_parts
import numpy as np
import pytest

from charnn.compression import normalization

SIZES = 1, 3, 7, 20


def differing_rows(size: int) -> int:
    """Return how many vectors of some size are normalised otherwise than naively.

    They are large and small, of a few values, constant, and as large as is allowed.
    """
    random = np.random.default_rng(size)
    largest = normalization.largest_normalized(size)
    different = 0
    for places in (12, 15):
        for scale in (1, 3, 900, 50_000, largest):
            x = np.rint(random.uniform(-scale, scale, (100, size)))
            x[0], x[1] = scale, np.where(np.arange(size) % 2, scale, -scale)
            found = normalization.normalized(x, places).tolist()
            expected = [naive_parts.normalized([int(v) for v in row], places) for row in x.tolist()]
            different += sum(a != b for a, b in zip(found, expected, strict=True))
    return different


@pytest.mark.parametrize("size", SIZES)
def test_equals_naive(size: int) -> None:
    """Each number is the same, of float32 and of float64."""
    assert differing_rows(size) == 0
    x = np.rint(np.random.default_rng(size).uniform(-9000, 9000, (5, size)))
    as_single = normalization.normalized(x.astype(np.float32), 12)
    assert as_single.tolist() == normalization.normalized(x, 12).tolist()


def test_sums_of_squares_are_exact() -> None:
    """Of the largest numbers that are allowed, of any count that a layer may have."""
    for N in (1, 2, 3, 100, 512, 513, 4096, 16384):
        largest = normalization.largest_normalized(N)
        assert largest == naive_parts.largest_normalized(N)
        assert N * (2 * largest) ** 2 <= 2**53


def test_argument_is_kept() -> None:
    """The vector that is normalised is not written on."""
    x = np.array([[1.0, 2.0, 4.0]])
    normalization.normalized(x, 12)
    assert x.tolist() == [[1.0, 2.0, 4.0]]
