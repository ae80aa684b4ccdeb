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
from charnn.nn.initializers import glorot, scaled_glorot, zeros
from charnn.nn.layers import affine
from charnn.nn.losses import cross_entropy
from charnn.nn.parameters import Axis, Gradients, ParameterSpec, Redirected
from charnn.text.batches import Batch

LogitsBackward: TypeAlias = Callable[[Array, Gradients], Array]
HeadBackward: TypeAlias = Callable[[float, Gradients], Array]


class Head(Protocol):
    """What stands on a stack."""

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the head's parameters."""

    def loss(
        self, weights: Arrays, h: Array, batch: Batch, buffers: Buffers, smoothing: float = 0.0
    ) -> tuple[float, float, HeadBackward]:
        """Return the summed loss of h (T, B, H) in nats, the targets' weight, and `backward`.

        `smoothing` is the share of label smoothing.
        """


class EveryStep:
    """At every time step a distribution over the outputs, `softmax(h_t W_hy + b_y)`.

    With `tied`, `W_hy` is the transpose of the input's embedding `E` (Press and Wolf, 2017): of its
    first rows, where the input has more symbols than the output.
    """

    def __init__(
        self, hidden_size: int, outputs: Axis, gain: float = 1.0, tied: bool = False
    ) -> None:
        """Give H and the axis of the outputs; `gain` is that of the initial weights."""
        self._hidden, self._outputs = Axis("H", hidden_size), outputs
        self._gain, self._tied = gain, tied

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the output's weights and bias."""
        H, V = self._hidden, self._outputs
        weights = {"W_hy": ParameterSpec((H, V), scaled_glorot(self._gain), "to the output")}
        bias = {"b_y": ParameterSpec((V,), zeros, "bias of the output", decays=False)}
        return bias if self._tied else weights | bias

    def weights(self, own: Arrays) -> Arrays:
        """Return `W_hy` and `b_y`."""
        if not self._tied:
            return own
        return {"W_hy": own["E"][: self._outputs.size].T, "b_y": own["b_y"]}

    def logits(self, weights: Arrays, h: Array, buffers: Buffers) -> tuple[Array, LogitsBackward]:
        """Return the outputs before the softmax: h (T, B, H) -> (T * B, V).

        `backward(d_logits, gradients)` returns the gradient of h.
        """
        T, B, H = h.shape
        rows = np.ascontiguousarray(h).reshape(T * B, H)
        logits, backward_affine = affine(rows, self.weights(weights), buffers)

        def backward(d_logits: Array, gradients: Gradients) -> Array:
            sums = self._tied_gradients(gradients) if self._tied else gradients
            return backward_affine(d_logits, sums).reshape(h.shape)

        return logits, backward

    def _tied_gradients(self, gradients: Gradients) -> Gradients:
        """Return gradients that add that of `W_hy` to the embedding's."""

        def add(write: Callable[[Array], object], out: Array) -> None:
            out[self._outputs.size :] = 0
            own = np.empty((self._hidden.size, self._outputs.size), out.dtype)
            write(own)
            out[: self._outputs.size] = own.T

        return Redirected(gradients, {"W_hy": ("E", add)})

    def prepared(self, weights: Arrays, batch_size: int) -> Callable[[Array], Array]:
        """Return a function of h (B, H) that computes logits (B, V), valid until its next call."""
        own = self.weights(weights)
        W, b = own["W_hy"], own["b_y"]
        out = np.empty((batch_size, len(b)), W.dtype)

        def logits(h: Array) -> Array:
            np.matmul(h, W, out=out)
            return np.add(out, b, out=out)

        return logits

    def loss(
        self, weights: Arrays, h: Array, batch: Batch, buffers: Buffers, smoothing: float = 0.0
    ) -> tuple[float, float, HeadBackward]:
        """See `Head.loss`: the cross-entropy of `batch.targets` (T, B)."""
        logits, backward_logits = self.logits(weights, h, buffers)
        losses, backward_losses = cross_entropy(logits, batch.targets.reshape(-1), smoothing)
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


class WholeSequence:
    """One distribution for a sequence, from its summary: `softmax(s W_hy + b_y)`.

    The summary s is h at the sequence's end, and where the stack has a second direction also that
    direction's h at the beginning, which is the last that it read: s = [->h_T; <-h_1].
    """

    def __init__(self, hidden_size: int, output_size: int, outputs: Axis) -> None:
        """Give H, the width of a stack's h (H, or 2 H of two directions), and the outputs."""
        self._hidden_size = hidden_size
        self._below, self._outputs = Axis("H", output_size), outputs

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the output's weights and bias."""
        return {
            "W_hy": ParameterSpec((self._below, self._outputs), glorot, "to the output"),
            "b_y": ParameterSpec((self._outputs,), zeros, "bias of the output", decays=False),
        }

    def logits(
        self, weights: Arrays, h: Array, lengths: Array | None, buffers: Buffers
    ) -> tuple[Array, LogitsBackward]:
        """Return the outputs before the softmax: h (T, B, H) -> (B, classes).

        `backward(d_logits, gradients)` returns the gradient of h.
        """
        T, B, _ = h.shape
        ends = np.full(B, T - 1) if lengths is None else lengths - 1
        rows, H = np.arange(B), self._hidden_size
        summary = buffers.array("summary", (B, h.shape[2]), h.dtype)
        summary[:, :H], summary[:, H:] = h[ends, rows, :H], h[0, :, H:]
        logits, backward_affine = affine(summary, weights, buffers)

        def backward(d_logits: Array, gradients: Gradients) -> Array:
            d_summary = backward_affine(d_logits, gradients)
            dh = buffers.array("dh", h.shape, h.dtype)
            dh[...] = 0
            dh[ends, rows, :H] = d_summary[:, :H]
            dh[0, :, H:] = d_summary[:, H:]
            return dh

        return logits, backward

    def loss(
        self, weights: Arrays, h: Array, batch: Batch, buffers: Buffers, smoothing: float = 0.0
    ) -> tuple[float, float, HeadBackward]:
        """See `Head.loss`: the cross-entropy of the classes, `batch.targets` (1, B)."""
        logits, backward_logits = self.logits(weights, h, batch.lengths, buffers)
        losses, backward_losses = cross_entropy(logits, batch.targets[0], smoothing)

        def backward(scale: float, gradients: Gradients) -> Array:
            return backward_logits(backward_losses(scale), gradients)

        return float(losses.sum(dtype=np.float64)), float(len(losses)), backward
