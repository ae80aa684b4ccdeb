"""A stack: symbols in, states over time out.

x_t = one-hot or embedded symbol
h_t = recurrent layers, one over the other, with dropout between them and after the last
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Shape
from charnn.config import ModelConfig
from charnn.models.inputs import make_input
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell, Starts
from charnn.nn.kernels.kernel import States
from charnn.nn.layers import dropout, project
from charnn.nn.parameters import Axis, Gradients, Parameters, ParameterSpec, prefixed
from charnn.nn.recurrent import unroll
from charnn.registry import CELLS

LayerStates: TypeAlias = list[States]
StackBackward: TypeAlias = Callable[[Array, Gradients, "LayerStates | None"], LayerStates]


def make_cell(config: ModelConfig) -> Cell:
    """Return the form of the cell that a configuration names."""
    forms: dict[str, Cell] = CELLS[config.cell].forms()
    return forms[config.gru_reset if config.gru_reset in forms else ""]


def layer_name(number: int) -> str:
    """Return the prefix of a layer's parameters; layers count from 1 at the input."""
    return f"layer{number}"


class Stack:
    """Input and recurrent layers of a configuration; the weights are passed in."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        self.cell = make_cell(config)
        self.input = make_input(vocab_size, config.embedding_size)
        self.hidden_size = config.hidden_size
        self.layers = [layer_name(number) for number in range(1, config.num_layers + 1)]
        self._dropout = config.dropout
        self._starts = Starts(config.recurrent_init, config.forget_bias)

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the parameters of the input and of all layers, in their order in memory."""
        specs = self.input.parameters()
        for layer in self.layers:
            specs |= prefixed(layer, self.layer_parameters(layer))
        return specs

    def layer_parameters(self, layer: str) -> dict[str, ParameterSpec]:
        """Return the parameters of one layer, by the cell's names."""
        below = self.input.axis if layer == self.layers[0] else Axis("H", self.hidden_size)
        return self.cell.parameters(below, self.hidden_size, self._starts)

    def state_shapes(self, batch_size: int) -> dict[str, Shape]:
        """Return the names and shapes of the recurrent states: `layer1/h`, ..."""
        return {
            f"{layer}/{state}": (batch_size, self.hidden_size)
            for layer in self.layers
            for state in self.cell.states
        }

    def zero_states(self, batch_size: int, dtype: npt.DTypeLike) -> LayerStates:
        """Return the states at the beginning of a text, (B, H) each."""
        shape = batch_size, self.hidden_size
        return [tuple(np.zeros(shape, dtype) for _ in self.cell.states) for _ in self.layers]

    def run(
        self,
        parameters: Parameters,
        ids: Array,
        states: LayerStates,
        *,
        lengths: Array | None = None,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, StackBackward]:
        """Run a window: ids (T, B) -> h (T, B, H) of the last layer, and all states after it.

        Where sequences are padded, `lengths` (B,) are theirs, and the states after the window are
        those at their ends; the gradient of h must be 0 behind the ends. With `random`, dropout is
        on. `backward(dh, gradients, d_final)` takes the gradient of h and of the states after the
        window (None for zeros), adds the gradients of the parameters, and returns those of the
        initial states; it can be called once. With `buffers`, what is returned is valid until they
        are used again.
        """
        buffers = buffers or Buffers()
        scratch = buffers.child("scratch")  # of all layers: each is done with it before the next
        weights = [parameters.group(layer) for layer in self.layers]
        final, backward_project, backward_unroll = [], [], []
        backward_dropout: dict[int, Callable[[Array], Array]] = {}
        scopes = [buffers.child(layer) for layer in self.layers]
        a, backward_input = self.input.project(ids, parameters, weights[0], scopes[0], scratch)
        for n, scope in enumerate(scopes):
            h, after, backward = unroll(
                self.cell, a, states[n], weights[n], scope.child("recurrent"), scratch, lengths
            )
            final.append(after)
            backward_unroll.append(backward)
            if random is not None and self._dropout:
                h, backward_dropout[n] = dropout(h, self._dropout, random, scope)
            if n + 1 < len(scopes):
                a, below = project(h, weights[n + 1], scopes[n + 1], scratch)
                backward_project.append(below)

        def backward_stack(
            dh: Array, gradients: Gradients, d_final: LayerStates | None
        ) -> LayerStates:
            d_initial = []
            for n in reversed(range(len(scopes))):
                layer = gradients.group(self.layers[n])
                if n in backward_dropout:
                    dh = backward_dropout[n](dh)
                da, d_states = backward_unroll[n](dh, layer, d_final[n] if d_final else None)
                d_initial.append(d_states)
                if n > 0:
                    dh = backward_project[n - 1](da, layer)
                else:
                    backward_input(da, gradients, layer)
            return d_initial[::-1]

        return h, final, backward_stack
