"""A language model prepared for one time step after the other, as sampling needs it.

What does not change from step to step is computed once: the table of the input's rows, and the
recurrent weights' layout. A step of a cell that has a kernel allocates next to nothing.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.models.language_model import LanguageModel
from charnn.nn.buffers import Buffers
from charnn.nn.kernels.kernel import Kernel, RecurrentWeights, States
from charnn.nn.kernels.readable import kernel_of
from charnn.nn.products import weights_for


class FirstLayer:
    """The layer that reads symbols: a table has what each symbol contributes to `a` (G, B, H)."""

    def __init__(self, table: Array, weights: Arrays, kernel: Kernel, a: Array) -> None:
        b_h = weights.get("b_h")
        self._table = table if b_h is None else table + b_h[:, None]
        self._a = a
        self.recurrent = kernel.weights(weights, a.shape[1], Buffers())

    def begin(self, ids: Array) -> None:
        """`a = x W_xh + b_h`: ids (B,)."""
        self._table.take(ids, axis=1, out=self._a, mode="clip")


class UpperLayer:
    """A layer over another one: `begin` computes its input's share of `a` (G, B, H)."""

    def __init__(self, weights: Arrays, kernel: Kernel, a: Array) -> None:
        batch_size, b_h = a.shape[1], weights.get("b_h")
        self._multiply = weights_for(weights["W_xh"], batch_size, Buffers()).product(a)
        self._a, self._b_h = a, 0 if b_h is None else b_h[:, None]
        self.recurrent = kernel.weights(weights, batch_size, Buffers())

    def begin(self, x: Array) -> None:
        """`a = x W_xh + b_h`: x (B, D)."""
        self._multiply(x)
        self._a += self._b_h


class JoinedWeights(RecurrentWeights):
    """Weights for one product, `[x h] [W_xh; W_hh]`, instead of two.

    They fulfil `complete` alone, and are for kernels that need nothing else.
    """

    def __init__(self, weights: Arrays, batch_size: int) -> None:
        joined = np.concatenate([weights["W_xh"], weights["W_hh"]], axis=1)
        super().__init__({"W_hh": joined}, batch_size, Buffers())
        self._x_h = np.empty((batch_size, joined.shape[1]), joined.dtype)
        self.x, self._h = np.split(self._x_h, [weights["W_xh"].shape[1]], axis=1)

    def complete(self, a: Array, h: Array) -> None:
        """Add what a (G, B, H) still lacks: `x W_xh + h W_hh`, with the input `x` (B, D) set."""
        self._h[...] = h
        a += self.product(self._x_h)


class JoinedLayer:
    """An upper layer whose input and state are multiplied at once."""

    def __init__(self, weights: Arrays, a: Array) -> None:
        b_h = weights.get("b_h")
        self._a, self._b_h = a, 0 if b_h is None else b_h[:, None]
        self.recurrent = JoinedWeights(weights, a.shape[1])

    def begin(self, x: Array) -> None:
        """`a = b_h`; the rest comes with the state: x (B, D)."""
        self.recurrent.x[...] = x
        self._a[...] = self._b_h


class Stepper:
    """B texts side by side, with their states; `step` reads one symbol of each."""

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        """Begin at zero states."""
        stack, parameters = model.stack, model.parameters
        self._kernel = kernel_of(stack.cell)
        B, H, G = batch_size, stack.hidden_size, len(stack.cell.gates)
        dtype = parameters.flat.dtype
        self._a = a = np.empty((G, B, H), dtype)
        first, *upper = (parameters.group(layer) for layer in stack.layers)
        table = stack.input.table(parameters, first["W_xh"])
        self._first = FirstLayer(table, first, self._kernel, a)
        self._upper = [
            JoinedLayer(weights, a)
            if self._kernel.completes
            else UpperLayer(weights, self._kernel, a)
            for weights in upper
        ]
        self._gates = self._kernel.views(a)
        self._memory = self._kernel.step_memory((B, H), dtype)
        self.states = model.zero_states(B)
        self._spare = model.zero_states(B)
        self._logits = model.head.prepared(parameters, B)

    def read(self, ids: Array) -> Array:
        """Read a window of symbols, (T, B) with T >= 1; return the last logits, (B, V)."""
        for symbols in ids:
            logits = self.step(symbols)
        return logits

    def step(self, ids: Array) -> Array:
        """Read one symbol of each text, (B,); the logits (B, V) are valid until the next step."""
        self._first.begin(ids)
        h = self._advance(0, self._first.recurrent)
        for number, layer in enumerate(self._upper, 1):
            layer.begin(h)
            h = self._advance(number, layer.recurrent)
        return self._logits(h)

    def _advance(self, number: int, weights: RecurrentWeights) -> Array:
        """Make one layer's step and return its h."""
        before: States = self.states[number]
        after: States = self._spare[number]
        self._kernel.step(self._gates, before, after, self._memory, weights)
        self.states[number], self._spare[number] = after, before
        return after[0]
