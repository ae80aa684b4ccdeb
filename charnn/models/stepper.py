"""A language model prepared for one time step after the other, as sampling needs it.

What does not change from step to step is computed once: the table of the input's rows, and the
recurrent weights' layout. A step allocates next to nothing.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel, layer_name
from charnn.nn.cell import RecurrentWeights, States
from charnn.nn.products import BlockedWeights


class Stepper:
    """B texts side by side, with their states; `step` reads one symbol of each."""

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        """Begin at zero states."""
        self._model, self._cell = model, model.cell
        B, H, G = batch_size, model.config.hidden_size, len(model.cell.gates)
        dtype = model.parameters.flat.dtype
        numbers = range(1, model.config.num_layers + 1)
        layers = [model.parameters.group(layer_name(number)) for number in numbers]
        rows, b_h = layers[0]["W_xh"], layers[0]["b_h"]
        if "E" in model.parameters:
            rows = model.parameters["E"] @ rows
        self._table = rows + b_h[:, None]
        self._inputs = [(BlockedWeights(w["W_xh"], B), w["b_h"][:, None]) for w in layers[1:]]
        self._weights = [RecurrentWeights(w, B) for w in layers]
        self._a = np.empty((G, B, H), dtype)
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
        a = self._table.take(ids, axis=1, out=self._a, mode="clip")
        h = self._advance(0, a)
        for number, (W_xh, b_h) in enumerate(self._inputs, 1):
            W_xh.product(h, W_xh.split(a))
            a += b_h
            h = self._advance(number, a)
        np.matmul(h, self._model.parameters["W_hy"], out=self._logits)
        self._logits += self._model.parameters["b_y"]
        return self._logits

    def _advance(self, number: int, a: Array) -> Array:
        """Make one layer's step and return its h."""
        before: States = self.states[number]
        after: States = self._spare[number]
        self._cell.step(a, before, after, self._memory, self._weights[number])
        self.states[number], self._spare[number] = after, before
        return after[0]
