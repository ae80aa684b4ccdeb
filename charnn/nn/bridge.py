"""The bridge from an encoder to its decoder: the first state out of the final ones.

    s = tanh(x W_s + b_s)

x is a final state of the encoder, of both directions if it has two: x = [->h; <-h], ->h at the
sequence's last step and <-h at its first. (Bahdanau et al., 2015, take <-h alone and no bias.) Each
state of each layer of the decoder has a bridge of its own. The gradients, with da = ds (1 - s^2):

    dx = da W_s^T,    dW_s = x^T da,    db_s = the sum of da over the rows
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.activations import tanh_derivative
from charnn.nn.buffers import Buffers
from charnn.nn.initializers import glorot, zeros
from charnn.nn.parameters import Axis, Gradients, ParameterSpec

BridgeBackward: TypeAlias = Callable[[Array, Gradients], Array]


def bridge_parameters(inputs: int, hidden: int) -> dict[str, ParameterSpec]:
    """Return `W_s` (K, H) and `b_s` (H,) for K units of the encoder and H of the decoder."""
    K, H = Axis("K", inputs), Axis("H", hidden)
    return {
        "W_s": ParameterSpec((K, H), glorot, "from the encoder's final state"),
        "b_s": ParameterSpec((H,), zeros, "bias of the first state", decays=False),
    }


def tanh_affine(x: Array, weights: Arrays, buffers: Buffers) -> tuple[Array, BridgeBackward]:
    """`s = tanh(x W_s + b_s)`: x (N, K), W_s (K, H), b_s (H,) -> s (N, H).

    `backward(ds, gradients)` adds the gradients of W_s and b_s and returns that of x.
    """
    W, b = weights["W_s"], weights["b_s"]
    s: Array = np.matmul(x, W, out=buffers.array("s", (len(x), W.shape[1]), x.dtype))
    s += b
    np.tanh(s, out=s)

    def backward(ds: Array, gradients: Gradients) -> Array:
        da = buffers.array("da", s.shape, s.dtype)
        tanh_derivative(s, out=da)
        da *= ds
        gradients.add("W_s", lambda out: np.matmul(x.T, da, out=out))
        gradients.add("b_s", lambda out: np.sum(da, axis=0, out=out))
        dx: Array = np.matmul(da, W.T, out=buffers.array("dx", x.shape, x.dtype))
        return dx

    return s, backward
