"""From logits to the frequencies that the coder works with: integers that sum to 2^24 exactly.

    e_s = EXPONENTIAL(max y - y_s)
    f_s = 1 + floor(e_s (2^24 - V) / sum e)

and what is left of 2^24 goes to the likeliest symbol, the first one of several. So every symbol can
be coded. All sums are exact, and the quotient is that of IEEE 754 in float64.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.compression.product import PLACES
from charnn.compression.tables import exponential

TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS


def frequencies(logits: Array) -> Array:
    """Return the frequencies (L, V) of logits (L, V), integers in float64."""
    lanes, V = logits.shape
    likeliest = logits.argmax(axis=1)
    rows = np.arange(lanes)
    f = exponential()(logits[rows, likeliest, None] - logits, PLACES)
    total = f.sum(axis=1, keepdims=True)
    f *= TOTAL - V
    f /= total
    np.floor(f, out=f)
    f += 1
    f[rows, likeliest] += TOTAL - f.sum(axis=1)
    return f
