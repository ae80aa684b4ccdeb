"""A stack that tells what its cells compute: every gate, every state, and every state's gradient.

It runs the cells' readable steps (`Cell.step`), which tell their gates as they act; what it returns
is what any stack returns. Of a window's backward pass it notes, for each step, the gradients of the
states *after* the step with all that follows from them:

    dL/dh_t    with c_t held: through the layers above at t, and through step t + 1
    dL/dc_t    through h_t = o tanh(c_t) at t too, as in dc_t <- dc_t + dh_t [o (1 - tanh(c_t)^2)]

The weights' own gradients are not computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

from charnn.arrays import Array, Arrays
from charnn.models.language_model import LanguageModel
from charnn.models.stack import Stack
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.kernels.kernel import RecurrentWeights, States, Views
from charnn.nn.kernels.readable import ReadableKernel, RecordingWeights
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients
from charnn.nn.products import ALL_GATES


class Notes:
    """What one layer's steps told: lists of (B, H), gates and states by time step.

    `states` begin with those before the first step; `gradients` are by lag, the last step's first.
    """

    def __init__(self) -> None:
        self.gates: defaultdict[str, list[Array]] = defaultdict(list)
        self.states: list[States] = []
        self.gradients: defaultdict[str, list[Array]] = defaultdict(list)


class TellingWeights(RecordingWeights):
    """Weights that pass on what steps tell, and remember nothing for their own gradients."""

    def __init__(self, notes: Notes, weights: Arrays, batch_size: int, buffers: Buffers) -> None:
        super().__init__(weights, batch_size, buffers)
        self._notes = notes

    def multiply(
        self, h: Array, gates: slice = ALL_GATES
    ) -> tuple[Array, Callable[[Array], Array]]:
        """See `StepWeights.multiply`."""
        product = self.product(h, gates).copy()
        return product, lambda du: self.product_transposed(du, gates).copy()

    def note(self, **gates: Array) -> None:
        """Keep a step's gates."""
        for name, gate in gates.items():
            self._notes.gates[name].append(gate)

    def note_gradients(self, **states: Array) -> None:
        """Keep the gradients of a step's states."""
        for name, gradient in states.items():
            self._notes.gradients[name].append(gradient)


class TellingKernel(ReadableKernel):
    """Runs a cell's readable step, and keeps what it tells."""

    def __init__(self, cell: Cell, notes: Notes) -> None:
        super().__init__(cell)
        self._notes, self._h = notes, cell.states[0]

    def weights(
        self,
        weights: Arrays,
        batch_size: int,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> RecordingWeights:
        """Return weights that pass on what steps tell; nothing is masked."""
        return TellingWeights(self._notes, weights, batch_size, buffers)

    def step(
        self, a: Views, previous: States, states: States, memory: Any, W: RecurrentWeights
    ) -> None:
        """One step: see `Cell.step`."""
        super().step(a, previous, states, memory, W)
        if not self._notes.states:
            self._notes.states.append(previous)
        self._notes.states.append(states)

    def step_backward(
        self,
        d_states: States,
        a: Views,
        memory: Any,
        da: Views,
        local: States,
        W: RecurrentWeights,
    ) -> States:
        """One step's gradient; that of h is complete when it comes in."""
        self._notes.gradients[self._h].append(d_states[0].copy())
        return super().step_backward(d_states, a, memory, da, local, W)

    def weight_gradients(
        self, h_prev: Array, da: Array, memory: States, W: RecurrentWeights, gradients: Gradients
    ) -> None:
        """Nothing: nobody asks for them."""


class Unwanted(Gradients):
    """Gradients of parameters that nobody asks for: they are not computed."""

    def __init__(self) -> None:
        super().__init__({})

    def add(self, name: str, write: Callable[[Array], object]) -> None:
        """Leave the sum alone."""

    def group(self, prefix: str) -> Gradients:
        """Return the same for all arrays."""
        return self


def observed(model: LanguageModel) -> tuple[Stack, list[Notes]]:
    """Return a model's stack for one window, and what its layers will have told then."""
    stack = model.stack_of(model.config, model.sizes)
    told: list[Notes] = []
    for number, level in enumerate(stack.levels):
        layers = []
        for layer in level:
            notes = Notes()
            told.append(notes)
            layers.append(replace(layer, cell=telling(layer.cell, notes)))
        stack.levels[number] = layers
    return stack, told


def telling(cell: Cell, notes: Notes) -> Cell:
    """Return a cell whose steps tell what they compute."""
    made = copy(cell)
    vars(made)["kernel"] = TellingKernel(cell, notes)  # in place of its class's
    return made
