"""Layer normalisation (Ba et al., 2016): numbers lose their mean, and get a variance of 1.

    LN(v) = (v - mean v) / sqrt(var v + epsilon)

Its gradient, with v' = LN(v) and the means over what was normalised together:

    dv = (dv' - mean dv' - v' mean(dv' v')) / sqrt(var v + epsilon)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charnn.arrays import Array

EPSILON = 1e-5
BY_EXAMPLE = (0, 2)  # the axes of (G, B, H) that are normalised together


def layer_norm(v: Array, axes: tuple[int, ...]) -> tuple[Array, Callable[[Array], Array]]:
    """`(v - mean v) / sqrt(var v + epsilon)` over some axes, and `backward(d_out) -> dv`."""
    deviation = v - v.mean(axis=axes, keepdims=True)
    scale = 1 / np.sqrt((deviation**2).mean(axis=axes, keepdims=True) + EPSILON)
    out = deviation * scale

    def backward(d_out: Array) -> Array:
        mean = d_out.mean(axis=axes, keepdims=True)
        along = (d_out * out).mean(axis=axes, keepdims=True)
        dv: Array = (d_out - mean - out * along) * scale
        return dv

    return out, backward
