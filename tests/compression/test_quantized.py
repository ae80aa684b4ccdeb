"""Quantising: what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.compression.product import Product
from charnn.compression.quantized import QuantizedArray
from charnn.errors import CompressionError


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_what_is_no_number(weight: float) -> None:
    """A weight that is infinite or not a number is an error, and not some integer."""
    weights = np.array([[0.5, 1.0], [weight, 2.0]])
    with pytest.raises(CompressionError, match="not a number"):
        QuantizedArray.of(weights, 9, together=False)


def test_sums_beyond_64_bits() -> None:
    """A bound of 2^63 is not mistaken for a small one."""
    matrix = QuantizedArray(np.full((8, 3), 254, np.int16), np.zeros(3, np.int8))
    with pytest.raises(CompressionError, match="multiplied exactly"):
        Product(matrix, 1 << 52)
