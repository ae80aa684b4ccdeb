"""Dropout's masks: 0 where something is dropped, 1 / (1 - rate) where it is kept.

So the expectation stays what it is without dropout (inverted dropout; Srivastava et al., 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array

LEVELS = 65_536  # of the random numbers that are compared with the rate


def draw_mask(out: Array, rate: float, random: np.random.Generator) -> Array:
    """Fill `out` with a mask and return it; 16 random bits meet the rate to 1 / 65,536."""
    threshold = min(round(rate * LEVELS), LEVELS - 1)
    bits = random.integers(0, LEVELS, out.shape, np.uint16)
    scale = out.dtype.type(LEVELS / (LEVELS - threshold))
    masked: Array = np.multiply(bits >= threshold, scale, out=out)
    return masked


@dataclass(frozen=True)
class RecurrentMasks:
    """A window's masks inside the recurrence: see `charnn.nn.recurrent_dropout`.

    `state` (B, H) is for what the recurrent weights multiply, `update` (T, B, H) for the candidate.
    """

    state: Array | None = None
    update: Array | None = None
