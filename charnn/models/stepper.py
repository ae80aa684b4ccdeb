"""A language model prepared for one time step after the other, as sampling needs it.

What does not change from step to step is computed once: the table of the input's rows, and the
recurrent weights' layout. A step allocates next to nothing.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.models.language_model import LanguageModel, layer_name
from charnn.nn.cell import RecurrentWeights, States
from charnn.nn.products import ALL_GATES, weights_for


class SeparateWeights(RecurrentWeights):
    """The weights of a layer over another one: `begin` takes its input, the cell adds `h W_hh`.

    The pre-activations lie in `a` (G, B, H).
    """

    def __init__(self, weights: Arrays, a: Array) -> None:
        batch_size = a.shape[1]
        super().__init__(weights, batch_size)
        self._multiply = weights_for(weights["W_xh"], batch_size).product(a)
        self._a, self._b_h = a, weights["b_h"][:, None]

    def begin(self, x: Array) -> None:
        """`a = x W_xh + b_h`: x (B, D)."""
        self._multiply(x)
        self._a += self._b_h


class JoinedWeights(RecurrentWeights):
    """The same with one product, `[x h] [W_xh; W_hh]`, for cells that just add `h W_hh`."""

    def __init__(self, weights: Arrays, a: Array) -> None:
        batch_size = a.shape[1]
        joined = np.concatenate([weights["W_xh"], weights["W_hh"]], axis=1)
        super().__init__({"W_hh": joined}, batch_size)
        self._a, self._b_h = a, weights["b_h"][:, None]
        self._x_h = np.empty((batch_size, joined.shape[1]), joined.dtype)
        self._x, self._h = np.split(self._x_h, [weights["W_xh"].shape[1]], axis=1)

    def begin(self, x: Array) -> None:
        """`a = b_h`, and x is multiplied together with h: x (B, D)."""
        self._x[...] = x
        self._a[...] = self._b_h

    def product(self, h: Array, gates: slice = ALL_GATES) -> Array:
        """`x W_xh + h W_hh`: h (B, H), returns (G, B, H)."""
        self._h[...] = h
        return super().product(self._x_h, gates)


class Stepper:
    """B texts side by side, with their states; `step` reads one symbol of each."""

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        """Begin at zero states."""
        self._model, self._cell = model, model.cell
        B, H, G = batch_size, model.config.hidden_size, len(model.cell.gates)
        dtype = model.parameters.flat.dtype
        numbers = range(1, model.config.num_layers + 1)
        first, *others = (model.parameters.group(layer_name(number)) for number in numbers)
        rows = first["W_xh"]
        if "E" in model.parameters:
            rows = model.parameters["E"] @ rows
        self._table = rows + first["b_h"][:, None]
        self._first = RecurrentWeights(first, B)
        upper = JoinedWeights if self._cell.joinable else SeparateWeights
        self._a = np.empty((G, B, H), dtype)
        self._others = [upper(weights, self._a) for weights in others]
        self._gates = self._cell.views(self._a)
        self._memory = tuple(np.empty((B, H), dtype) for _ in self._cell.memory)
        self.states = model.zero_states(B)
        self._spare = model.zero_states(B)
        self._logits = np.empty((B, model.vocab_size), dtype)

    def read(self, ids: Array) -> Array:
        """Read a window of symbols, (T, B) with T >= 1; return the last logits, (B, V)."""
        for symbols in ids:
            logits = self.step(symbols)
        return logits

    def step(self, ids: Array) -> Array:
        """Read one symbol of each text, (B,); the logits (B, V) are good until the next step."""
        self._table.take(ids, axis=1, out=self._a, mode="clip")
        h = self._advance(0, self._first)
        for number, weights in enumerate(self._others, 1):
            weights.begin(h)
            h = self._advance(number, weights)
        np.matmul(h, self._model.parameters["W_hy"], out=self._logits)
        self._logits += self._model.parameters["b_y"]
        return self._logits

    def _advance(self, number: int, weights: RecurrentWeights) -> Array:
        """Make one layer's step and return its h."""
        before: States = self.states[number]
        after: States = self._spare[number]
        self._cell.step(self._gates, before, after, self._memory, weights)
        self.states[number], self._spare[number] = after, before
        return after[0]
