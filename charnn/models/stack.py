"""A stack: symbols in, states over time out.

x_t = one-hot or embedded symbol
h_t = recurrent layers, one over the other, with dropout between them and after the last

Of a bidirectional stack, h_t = [->h_t; <-h_t] (Schuster and Paliwal, 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.inputs import make_input
from charnn.models.layer import Layer, LayerBackward
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell, Starts
from charnn.nn.kernels.kernel import States
from charnn.nn.layers import dropout
from charnn.nn.parameters import Axis, Gradients, ParameterSpec, prefixed
from charnn.nn.recurrent_dropout import RecurrentDropout
from charnn.registry import CELLS

State = TypeVar("State")

LayerStates: TypeAlias = list[States]
StackBackward: TypeAlias = Callable[[Array, Gradients, "LayerStates | None"], LayerStates]
LevelBackward: TypeAlias = tuple[list[LayerBackward], "Callable[[Array], Array] | None"]


def make_cell(config: ModelConfig) -> Cell:
    """Return the form of the cell that a configuration names."""
    forms: dict[str, Cell] = CELLS[config.cell].forms()
    return forms[config.gru_reset if config.gru_reset in forms else ""]


def recurrent_dropout(config: ModelConfig) -> RecurrentDropout | None:
    """Return what is dropped inside the recurrence, if anything."""
    if not config.recurrent_dropout:
        return None
    return RecurrentDropout(config.recurrent_dropout_kind, config.recurrent_dropout)


def layer_name(number: int, backwards: bool = False) -> str:
    """Return the prefix of a layer's parameters; layers count from 1 at the input."""
    return f"layer{number}_backward" if backwards else f"layer{number}"


class Stack:
    """Input and recurrent layers of a configuration; the weights are passed in.

    A bidirectional stack has two layers a level, of which the second reads backwards; both read the
    states of both layers below.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocab_size: int,
        bidirectional: bool = False,
        labelled: bool = False,
    ) -> None:
        """Read V symbols; `labelled`: two at each step, of which the second is the sequence's."""
        self.cell = make_cell(config)
        self.input = make_input(vocab_size, config.embedding_size, labelled)
        self.hidden_size = config.hidden_size
        directions = (False, True) if bidirectional else (False,)
        self.output_size = config.hidden_size * len(directions)
        self.levels = [
            [
                Layer(
                    layer_name(number, backwards),
                    self.cell,
                    backwards,
                    self.input if number == 1 else None,
                    recurrent_dropout(config),
                    config.weight_drop,
                )
                for backwards in directions
            ]
            for number in range(1, config.num_layers + 1)
        ]
        self.layers = [layer.name for level in self.levels for layer in level]
        self.dropout = config.dropout
        self._starts = Starts(config.recurrent_init, config.forget_bias)

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the parameters of the input and of all layers, in their order in memory."""
        specs = self.input.parameters()
        for layer in self.layers:
            specs |= prefixed(layer, self.layer_parameters(layer))
        return specs

    def layer_parameters(self, layer: str) -> dict[str, ParameterSpec]:
        """Return the parameters of one layer, by the cell's names."""
        first = any(layer == each.name for each in self.levels[0])
        below = self.input.axis if first else Axis("H", self.output_size)
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
        parameters: Arrays,
        ids: Array,
        states: LayerStates,
        *,
        lengths: Array | None = None,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, StackBackward]:
        """Run a window: ids (T, B) -> h (T, B, H) of the last level, and all states after it.

        Where sequences are padded, `lengths` (B,) are theirs, and the states after the window are
        those at their ends; the gradient of h must be 0 behind the ends. With `random`, dropout is
        on. `backward(dh, gradients, d_final)` takes the gradient of h and of the states after the
        window (None for zeros), adds the gradients of the parameters, and returns those of the
        initial states; it can be called once. With `buffers`, what is returned is valid until they
        are used again. Of a bidirectional stack h is [->h; <-h] (T, B, 2 H).
        """
        buffers = buffers or Buffers()
        scratch = buffers.child("scratch")  # of all layers: each is done with it before the next
        final: LayerStates = []
        backwards: list[LevelBackward] = []
        x = ids
        for level in self.levels:
            outputs, backward_layers = [], []
            for layer in level:
                h, after, backward = layer.run(
                    x,
                    parameters,
                    states[len(final)],
                    lengths,
                    buffers.child(layer.name),
                    scratch,
                    random,
                )
                outputs.append(h)
                final.append(after)
                backward_layers.append(backward)
            x, backward_dropout = outputs[0] if len(outputs) == 1 else joined(outputs), None
            if random is not None and self.dropout:
                x, backward_dropout = dropout(x, self.dropout, random, buffers.child(level[0].name))
            backwards.append((backward_layers, backward_dropout))
        return x, final, partial(self._backward, backwards)

    def _backward(
        self,
        backwards: list[LevelBackward],
        dh: Array,
        gradients: Gradients,
        d_final: LayerStates | None,
    ) -> LayerStates:
        """Go down the levels: the `backward` of `run`."""
        d_initial: LayerStates = []
        d_states = list(d_final) if d_final else [None] * len(self.layers)
        for backward_layers, backward_dropout in reversed(backwards):
            if backward_dropout is not None:
                dh = backward_dropout(dh)
            below = []
            for n in reversed(range(len(backward_layers))):
                part = dh[..., n * self.hidden_size : (n + 1) * self.hidden_size]
                dx, d_before = backward_layers[n](part, gradients, d_states.pop())
                d_initial.append(d_before)
                if dx is not None:
                    below.append(dx)
            if below:
                dh = below[0] if len(below) == 1 else below[0] + below[1]
        return d_initial[::-1]


def by_layer(states: Mapping[str, State]) -> list[tuple[State, ...]]:
    """Return states that have names, `layer1/h`, ..., layer by layer."""
    layers: dict[str, list[State]] = {}
    for name, state in states.items():
        layers.setdefault(name.rpartition("/")[0], []).append(state)
    return [tuple(layer) for layer in layers.values()]


def joined(outputs: list[Array]) -> Array:
    """Return the states of a level's layers side by side, (T, B, 2 H)."""
    return np.concatenate(outputs, axis=-1)
