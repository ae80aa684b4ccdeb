"""One recurrent layer of a stack, in one direction: what it reads in, its states over time out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.models.inputs import Input
from charnn.nn.bidirectional import reversed_in_time
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.kernels.kernel import States
from charnn.nn.layers import project
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients, group
from charnn.nn.recurrent import unroll
from charnn.nn.recurrent_dropout import RecurrentDropout
from charnn.nn.weight_drop import Wrap, drop_recurrent

LayerBackward: TypeAlias = Callable[
    [Array, Gradients, "States | None"], "tuple[Array | None, States]"
]
InputBackward: TypeAlias = Callable[[Array, Gradients], "Array | None"]


@dataclass(frozen=True)
class Layer:
    """A layer's name, its cell, and the direction in which it reads.

    The first layer reads symbols through `input`; the others read the states of the layer below.
    """

    name: str
    cell: Cell
    backwards: bool
    input: Input | None
    dropout: RecurrentDropout | None = None
    weight_drop: float = 0.0

    def run(
        self,
        x: Array,
        parameters: Arrays,
        states: States,
        lengths: Array | None,
        buffers: Buffers,
        scratch: Buffers,
        random: np.random.Generator | None = None,
    ) -> tuple[Array, States, LayerBackward]:
        """Run a window: x (T, B, D), or ids (T, B), -> h (T, B, H), and the states after it.

        With `random`, whatever is dropped inside the recurrence is dropped.
        `backward(dh, gradients, d_final)` adds the gradients of the parameters and returns those of
        x (None for ids) and of the initial states; it can be called once.
        """
        weights = group(parameters, self.name)
        a, backward_input = self._project(
            self._in_order(x, lengths), parameters, weights, buffers, scratch
        )
        recurrent: Arrays = weights
        masks = None
        wrap: Wrap = unwrapped
        if random is not None:
            recurrent, masks, wrap = self._dropped(weights, a, random, buffers)
        h, final, backward_unroll = unroll(
            self.cell, a, states, recurrent, buffers.child("recurrent"), scratch, lengths, masks
        )

        def backward(
            dh: Array, gradients: Gradients, d_final: States | None
        ) -> tuple[Array | None, States]:
            own = wrap(gradients.group(self.name))
            da, d_initial = backward_unroll(self._in_order(dh, lengths), own, d_final)
            dx = backward_input(da, gradients)
            return None if dx is None else self._in_order(dx, lengths), d_initial

        return self._in_order(h, lengths), final, backward

    def _dropped(
        self, weights: Arrays, a: Array, random: np.random.Generator, buffers: Buffers
    ) -> tuple[Arrays, RecurrentMasks | None, Wrap]:
        """Return a window's weights, its masks, and what gradients go through: see `nn`."""
        masks: RecurrentMasks | None = None
        wrap: Wrap = unwrapped
        if self.dropout is not None:
            T, _, B, H = a.shape
            masks = self.dropout.masks(random, T, B, H, a.dtype, buffers)
        if self.weight_drop:
            weights, wrap = drop_recurrent(weights, self.weight_drop, random, buffers)
        return weights, masks, wrap

    def _in_order(self, x: Array, lengths: Array | None) -> Array:
        """Return steps in the order in which the layer reads them, or back in that of time."""
        return reversed_in_time(x, lengths) if self.backwards else x

    def _project(
        self, x: Array, parameters: Arrays, weights: Arrays, buffers: Buffers, scratch: Buffers
    ) -> tuple[Array, InputBackward]:
        """Return the input's share of the pre-activations, and `backward(da, gradients) -> dx`."""
        if self.input is None:
            a, backward_project = project(x, weights, buffers, scratch)
            return a, lambda da, gradients: backward_project(da, gradients.group(self.name))
        a, backward_rows = self.input.project(x, parameters, weights, buffers, scratch)

        def backward_symbols(da: Array, gradients: Gradients) -> None:
            backward_rows(da, gradients, gradients.group(self.name))

        return a, backward_symbols


def unwrapped(gradients: Gradients) -> Gradients:
    """Return gradients as they are."""
    return gradients
