"""Weight drop (Merity et al., 2018, "Regularizing and Optimizing LSTM Language Models"; AWD-LSTM).

DropConnect (Wan et al., 2013) on the recurrent weights: a mask m (G, H, H) of its own for each
window, the same for all its steps, with 0 where a weight is dropped and 1 / (1 - rate) elsewhere:

    W = W_hh m,    dW_hh = dW m
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.masks import draw_mask
from charnn.nn.parameters import Gradients, Redirected

Wrap: TypeAlias = Callable[[Gradients], Gradients]

DROPPED = "W_hh"


def drop_recurrent(
    weights: Arrays, rate: float, random: np.random.Generator, buffers: Buffers
) -> tuple[Arrays, Wrap]:
    """Drop recurrent weights of one layer for a window: 0 <= rate < 1.

    Returns the weights by name, with a dropped copy of `W_hh` (in `buffers`) in the place of the
    original, and `wrap(gradients)`, which returns the layer's gradients as the window's backward
    function should add to them: the mask is applied to what is added to `W_hh`. Raises ValueError
    for another rate, and for a cell that has no recurrent weights.
    """
    if not 0 <= rate < 1:
        raise ValueError(
            f"the rate of weight drop is {rate}; choose one from 0 up to, but not including, 1."
        )
    W = weights.get(DROPPED)
    if W is None:
        raise ValueError(
            f"weight drop needs recurrent weights {DROPPED}, but the cell has only "
            f"{', '.join(weights)}; choose another cell, or a rate of 0."
        )
    mask = draw_mask(buffers.array("weight mask", W.shape, W.dtype), rate, random)
    dropped = np.multiply(W, mask, out=buffers.array("dropped weights", W.shape, W.dtype))

    def masked(write: Callable[[Array], object], out: Array) -> None:
        write(out)
        out *= mask

    return {**weights, DROPPED: dropped}, lambda gradients: Redirected(
        gradients, {DROPPED: (DROPPED, masked)}
    )
