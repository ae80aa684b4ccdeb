"""A language model prepared for one time step after the other, as sampling needs it.

What does not change from step to step is computed once: the table of the input's rows, and the
recurrent weights' layout. A step of a cell that has a kernel allocates next to nothing.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.models.attentive_stack import SCOPE, AttentiveStack
from charnn.models.heads import EveryStep
from charnn.models.model import StackModel
from charnn.models.stack import LayerStates, Stack
from charnn.nn.buffers import Buffers
from charnn.nn.kernels.kernel import Kernel, RecurrentWeights, States
from charnn.nn.kernels.readable import kernel_of
from charnn.nn.parameters import group
from charnn.nn.products import weights_for


class FirstLayer:
    """The layer that reads symbols: a table has what each symbol contributes to `a` (G, B, H)."""

    def __init__(
        self, table: Array, weights: Arrays, kernel: Kernel, a: Array, labels: Array | None
    ) -> None:
        b_h = weights.get("b_h")
        self._table = table if b_h is None else table + b_h[:, None]
        self._a = a
        self._label_share = None if labels is None else table.take(labels, axis=1)
        self.recurrent = kernel.weights(weights, a.shape[1], Buffers())

    def begin(self, ids: Array) -> None:
        """`a = x W_xh + b_h`: ids (B,)."""
        self._table.take(ids, axis=1, out=self._a, mode="clip")
        if self._label_share is not None:
            self._a += self._label_share


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


class StackStepper:
    """B sequences side by side, with their states; `step` reads one symbol of each."""

    def __init__(
        self,
        stack: Stack,
        parameters: Arrays,
        states: LayerStates,
        labels: Array | None = None,
    ) -> None:
        """Begin at some states, (B, H) each; the ids of `labels` (B,) are read at every step."""
        self._kernel = kernel_of(stack.cell)
        (B, H), G, dtype = states[0][0].shape, len(stack.cell.gates), states[0][0].dtype
        self._a = a = np.empty((G, B, H), dtype)
        first, *upper = (group(parameters, layer) for layer in stack.layers)
        table = stack.input.table(parameters, first["W_xh"])
        self._first = FirstLayer(table, first, self._kernel, a, labels)
        self._upper = [
            JoinedLayer(weights, a)
            if self._kernel.completes
            else UpperLayer(weights, self._kernel, a)
            for weights in upper
        ]
        self._gates = self._kernel.views(a)
        self._memory = self._kernel.step_memory((B, H), dtype)
        self.states = [tuple(state.copy() for state in layer) for layer in states]
        self._spare = [tuple(np.empty_like(state) for state in layer) for layer in states]

    def step(self, ids: Array) -> Array:
        """Read one symbol of each, (B,); the last h (B, H) is valid until the next step."""
        self._first.begin(ids)
        h = self._advance(0, self._first.recurrent)
        for number, layer in enumerate(self._upper, 1):
            layer.begin(h)
            h = self._advance(number, layer.recurrent)
        return h

    def take(self, rows: Array) -> None:
        """Go on from the states of these rows (B,), one for each sequence."""
        for layer in self.states:
            for state in layer:
                state[...] = state[rows]

    def _advance(self, number: int, weights: RecurrentWeights) -> Array:
        """Make one layer's step and return its h."""
        before: States = self.states[number]
        after: States = self._spare[number]
        self._kernel.step(self._gates, before, after, self._memory, weights)
        self.states[number], self._spare[number] = after, before
        return after[0]


class AttentiveStepper:
    """B texts side by side, with the past states that a stack's attention looks back at."""

    def __init__(self, stack: AttentiveStack, parameters: Arrays, states: LayerStates) -> None:
        """Begin at some states, of which the past ones (B, M, H) are the last."""
        *recurrent, (memory,) = states
        self._stepper = StackStepper(stack, parameters, recurrent)
        self._attention, self._weights = stack.attention, group(parameters, SCOPE)
        self._W_c = np.split(self._weights["W_c"], 2)
        self._memory = memory.copy()

    @property
    def states(self) -> LayerStates:
        """The states after the last step."""
        return [*self._stepper.states, (self._memory,)]

    def step(self, ids: Array) -> Array:
        """Read one symbol of each text, (B,), and return what the head reads (B, H)."""
        h = self._stepper.step(ids)
        keys = self._memory.swapaxes(0, 1)
        context, _ = self._attention.prepared(keys, None, self._weights)(h)
        by_context, by_state = self._W_c
        out: Array = np.tanh(context @ by_context + h @ by_state)
        self._memory[:, :-1] = self._memory[:, 1:]
        self._memory[:, -1] = h
        return out


def make_stack_stepper(
    stack: Stack, parameters: Arrays, states: LayerStates, labels: Array | None
) -> StackStepper | AttentiveStepper:
    """Return what steps through a stack."""
    if isinstance(stack, AttentiveStack):
        return AttentiveStepper(stack, parameters, states)
    return StackStepper(stack, parameters, states, labels)


class Stepper:
    """B texts side by side, read symbol by symbol by a model with a stack and a head."""

    def __init__(
        self,
        model: StackModel[EveryStep],
        batch_size: int,
        states: LayerStates | None = None,
        labels: Array | None = None,
    ) -> None:
        """Begin at some states, or at zeros."""
        if states is None:
            states = model.stack.zero_states(batch_size, model.parameters.flat.dtype)
        self._stack = make_stack_stepper(model.stack, model.parameters, states, labels)
        self._logits = model.head.prepared(model.parameters, batch_size)

    @property
    def states(self) -> LayerStates:
        """The states after the last step, (B, H) each."""
        return self._stack.states

    def read(self, ids: Array) -> Array:
        """Read a window of symbols, (T, B) with T >= 1; return the last logits, (B, V)."""
        for symbols in ids:
            logits = self.step(symbols)
        return logits

    def step(self, ids: Array) -> Array:
        """Read one symbol of each text, (B,); the logits (B, V) are valid until the next step."""
        return self._logits(self._stack.step(ids))
