"""Heads: what turns a stack's states into a loss.

A head's `loss(weights, h, batch)` returns the summed loss of a batch and the weight of its targets,
so that parts of a batch can be computed apart and added up, and `backward(scale, gradients)`, which
takes what the sum is multiplied by (1 over the whole batch's weight makes it a mean) and returns
the gradient of h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.initializers import scaled_glorot, zeros
from charnn.nn.layers import affine
from charnn.nn.losses import cross_entropy
from charnn.nn.parameters import SYMBOLS, Axis, Gradients, ParameterSpec
from charnn.text.batches import Batch

LogitsBackward: TypeAlias = Callable[[Array, Gradients], Array]
HeadBackward: TypeAlias = Callable[[float, Gradients], Array]


class Head(Protocol):
    """What stands on a stack."""

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the head's parameters."""

    def logits(self, weights: Arrays, h: Array, buffers: Buffers) -> tuple[Array, LogitsBackward]:
        """Return the outputs before the softmax: h (T, B, H) -> (T * B, outputs).

        `backward(d_logits, gradients)` returns the gradient of h.
        """

    def loss(
        self, weights: Arrays, h: Array, batch: Batch, buffers: Buffers
    ) -> tuple[float, float, HeadBackward]:
        """Return the summed loss of h (T, B, H) in nats, the targets' weight, and `backward`."""


class NextSymbol:
    """At every time step a distribution over the next symbol, `softmax(h_t W_hy + b_y)`."""

    def __init__(self, hidden_size: int, vocab_size: int, gain: float = 1.0) -> None:
        """Give H and V; `gain` is that of the initial weights."""
        self._hidden, self._symbols = Axis("H", hidden_size), Axis(SYMBOLS, vocab_size)
        self._gain = gain

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the output's weights and bias."""
        H, V = self._hidden, self._symbols
        return {
            "W_hy": ParameterSpec((H, V), scaled_glorot(self._gain), "to the output"),
            "b_y": ParameterSpec((V,), zeros, "bias of the output", decays=False),
        }

    def logits(self, weights: Arrays, h: Array, buffers: Buffers) -> tuple[Array, LogitsBackward]:
        """See `Head.logits`; the outputs are the V symbols."""
        T, B, H = h.shape
        logits, backward_affine = affine(h.reshape(T * B, H), weights, buffers)

        def backward(d_logits: Array, gradients: Gradients) -> Array:
            return backward_affine(d_logits, gradients).reshape(h.shape)

        return logits, backward

    def prepared(self, weights: Arrays, batch_size: int) -> Callable[[Array], Array]:
        """Return a function of h (B, H) that computes logits (B, V), valid until its next call."""
        W, b = weights["W_hy"], weights["b_y"]
        out = np.empty((batch_size, len(b)), W.dtype)

        def logits(h: Array) -> Array:
            np.matmul(h, W, out=out)
            return np.add(out, b, out=out)

        return logits

    def loss(
        self, weights: Arrays, h: Array, batch: Batch, buffers: Buffers
    ) -> tuple[float, float, HeadBackward]:
        """See `Head.loss`: the cross-entropy of `batch.targets` (T, B)."""
        logits, backward_logits = self.logits(weights, h, buffers)
        losses, backward_losses = cross_entropy(logits, batch.targets.reshape(-1))
        weight, by_target = float(batch.targets.size), None
        weights_of_targets = batch.target_weights
        if weights_of_targets is not None:
            by_target = weights_of_targets.reshape(-1).astype(h.dtype)
            weight = float(by_target.sum(dtype=np.float64))
            losses *= by_target

        def backward(scale: float, gradients: Gradients) -> Array:
            d_logits = backward_losses(scale if by_target is None else scale * by_target)
            return backward_logits(d_logits, gradients)

        return float(losses.sum(dtype=np.float64)), weight, backward
