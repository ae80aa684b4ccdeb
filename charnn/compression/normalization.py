"""Layer normalisation of integers (`charnn.nn.normalization`), by operations that are exact or
correctly rounded.

    m = round(sum x / N),    d = x - m,    s = round(2^32 / sqrt(sum d^2 / N + epsilon))
    LN(x) = round(2^(14 - 32) d s)

with x, m and d in units of 2^-p, epsilon in units of 2^-2p, and LN(x) in units of 2^-14. Sums are
exact; quotient and root are those of IEEE 754 in float64, and halves are rounded to even.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.compression.product import PLACES
from charnn.nn.normalization import EPSILON

NORMAL_PLACES = 12  # binary places p of products that are normalised
INVERSE = 32  # binary places of 1 / sqrt


def largest_normalized(N: int) -> int:
    """Return the largest |x| of N numbers whose squares can be added up exactly."""
    return int(2 ** ((51 - (N - 1).bit_length()) // 2))


def normalized(x: Array, places: int) -> Array:
    """Return LN(x) (L, N) of integers x (L, N) of some binary places."""
    N = x.shape[1]
    d = x.astype(np.float64)
    d -= np.rint(d.sum(axis=1, keepdims=True) / N)
    variance = np.square(d).sum(axis=1, keepdims=True) / N
    variance += EPSILON * 4.0**places
    d *= np.rint(2.0**INVERSE / np.sqrt(variance))
    d *= 2.0 ** (PLACES - INVERSE)
    return np.rint(d, out=d)
