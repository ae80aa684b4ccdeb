"""Layer normalisation (Ba et al., 2016): numbers lose their mean, and get a variance of 1.

    LN(v) = (v - mean v) / sqrt(var v + epsilon)

Its gradient, with v' = LN(v) and the means over what was normalised together:

    dv = (dv' - mean dv' - v' mean(dv' v')) / sqrt(var v + epsilon)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from charnn.arrays import Array

EPSILON = 1e-5
BY_EXAMPLE = (0, 2)  # the axes of (G, B, H) that are normalised together


def layer_norm(v: Array, axes: tuple[int, ...]) -> tuple[Array, Callable[[Array], Array]]:
    """`(v - mean v) / sqrt(var v + epsilon)` over some axes, and `backward(d_out) -> dv`.

    Written with few temporary arrays: a step normalises several times.
    """
    count = math.prod([v.shape[axis] for axis in axes])

    def mean(x: Array) -> Array:
        means: Array = np.add.reduce(x, axis=axes, keepdims=True)
        means /= count
        return means

    out: Array = v - mean(v)
    scale = 1 / np.sqrt(mean(out * out) + EPSILON)
    out *= scale

    def backward(d_out: Array) -> Array:
        dv: Array = d_out - mean(d_out)
        along = d_out * out
        dv -= np.multiply(out, mean(along), out=along)
        dv *= scale
        return dv

    return out, backward
