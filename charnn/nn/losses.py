"""Softmax and its cross-entropy.

y = softmax(logits),    L = -log y[target]        in nats
dL / d logits = y - one_hot(target)

With label smoothing (Szegedy et al., 2016) the target is a distribution,
p = (1 - e) one_hot(target) + e / V, so that no logit is driven to infinity:

L = -sum_v p[v] log y[v] = log sum exp(logits) - (1 - e) logits[target] - e mean(logits)
dL / d logits = y - p
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array
from charnn.nn.single_use import single_use

LossBackward: TypeAlias = Callable[["float | Array"], Array]


def softmax(logits: Array) -> Array:
    """Return `exp(logits) / sum exp(logits)` over the last axis, safe from overflow."""
    y: Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def log_softmax(logits: Array) -> Array:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    out: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


def cross_entropy(
    logits: Array, targets: Array, smoothing: float = 0.0
) -> tuple[Array, LossBackward]:
    """Loss of each row: logits (N, V), which is overwritten; targets (N,) -> losses (N,) in nats.

    `smoothing`, from 0 to 1, is the share of the target that goes to all symbols alike.
    `backward(scale)` returns the gradient of `(scale * losses).sum()` by the logits, (N, V), for a
    number or a vector (N,), in the same memory; it can be called once.
    """
    rows = np.arange(len(targets))
    logits -= logits.max(axis=1, keepdims=True)
    losses = -logits[rows, targets]
    if smoothing:
        losses *= 1 - smoothing
        losses -= smoothing * logits.mean(axis=1)
    y = np.exp(logits, out=logits)
    total = y.sum(axis=1, keepdims=True)
    losses += np.log(total[:, 0])

    @single_use
    def backward(scale: float | Array) -> Array:
        by_row = scale[:, None] if isinstance(scale, np.ndarray) else scale
        d_logits: Array = np.multiply(y, by_row / total, out=y)
        if smoothing:
            d_logits -= by_row * (smoothing / y.shape[1])
        d_logits[rows, targets] -= scale * (1 - smoothing) if smoothing else scale
        return d_logits

    return losses, backward
