"""A cell unrolled over time: backpropagation through time, written once for all cells.

    states_t = step(a_t, states_{t-1}),    a_t = x_t W_xh + b_h,    t = 1 .. T

The window's gradient runs the steps' gradients from T to 1. At each step the gradient of h_t is
the sum of what comes from the output at t and from step t + 1 (Werbos, 1990):

    dh_t <- dh_t(output) + dh_t(step t + 1)

The weights are shared by all steps, so their gradients are sums over time. The gradient stops at
the window's beginning (truncated backpropagation); the states are handed to the next window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.kernels.kernel import Kernel, States
from charnn.nn.kernels.readable import kernel_of
from charnn.nn.layers import project
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients, gradients_in
from charnn.nn.single_use import single_use

CACHED = 262_144  # numbers whose local derivatives are computed at once: they stay in the cache

UnrollBackward: TypeAlias = Callable[[Array, Gradients, "States | None"], tuple[Array, States]]
Backward: TypeAlias = Callable[[Array, Gradients | Arrays, "States | None"], tuple[Array, States]]
Entering: TypeAlias = Sequence[tuple[Any, Array]]  # rows and what to add, for each state
StepGradient: TypeAlias = Callable[[States], tuple[Array, States, dict[str, Array]]]


def unroll(
    cell: Cell,
    a: Array,
    initial: States,
    weights: Arrays,
    buffers: Buffers,
    scratch: Buffers,
    lengths: Array | None = None,
    masks: RecurrentMasks | None = None,
) -> tuple[Array, States, UnrollBackward]:
    """Run a cell over a window of T steps.

    `a` (T, G, B, H) holds the input's share of the pre-activations and is overwritten; `initial`
    are the states before the window, (B, H) each. Returns h (T, B, H), the states after the window,
    and `backward(dh, gradients, d_final)`, which takes the gradient of h (T, B, H) and of the
    states after the window (None for zeros), adds the recurrent weights' gradients to `gradients`,
    and returns `da` (G, T, B, H) and the gradients of the initial states. It uses up what the
    forward pass kept, so it can be called once; `da` lies in `scratch`, as
    `charnn.nn.layers` has it. With `lengths` (B,) a sequence's state after the window is that at
    its end; where dh is 0 behind the ends, nothing there has a gradient. `masks` are those of
    `charnn.nn.recurrent_dropout`; ValueError for a kind that is not among the cell's `dropouts`.
    """
    T, _, B, _ = a.shape
    kernel = kernel_of(cell)
    window = WindowMemory(cell, kernel, a, buffers, masks)
    states, memory, rows = window.states, window.memory, window.rows
    begin(states, initial)
    W, gates, kept = kernel.weights(weights, B, buffers, masks), window.gates, window.kept
    for t in range(T):
        kernel.step(gates[t], rows[t], rows[t + 1], kept[t], W)

    @single_use
    def backward(dh: Array, gradients: Gradients, d_final: States | None) -> tuple[Array, States]:
        d_window = GradientMemory(kernel, a, scratch)
        d_states: States = tuple([np.zeros_like(state) for state in rows[T]])
        entering = entering_after(T, lengths, d_final)
        add_entering(d_states, entering.pop(T, ()))
        for end in range(T, 0, -d_window.span):
            start = max(0, end - d_window.span)
            before, after = slice(start, end), slice(start + 1, end + 1)
            kernel.local_gradients(
                a[before],
                tuple([state[before] for state in states]),
                tuple([state[after] for state in states]),
                tuple([array[before] for array in memory]),
                d_window.da[:, before],
                tuple([array[: end - start] for array in d_window.local]),
            )
            for t in reversed(range(start, end)):
                d_h = d_states[0]
                d_h += dh[t]
                d_states = kernel.step_backward(
                    d_states, gates[t], kept[t], d_window.gates[t], d_window.rows[t - start], W
                )
                if t in entering:
                    add_entering(d_states, entering[t])
        kernel.weight_gradients(states[0][:T], d_window.da, tuple(memory), W, gradients)
        return d_window.da, d_states

    return states[0][1:], states_after(T, states, lengths), backward


def check_masks(cell: Cell, masks: RecurrentMasks) -> None:
    """Raise ValueError for masks of a kind that the cell cannot have."""
    for kind, mask in (("state", masks.state), ("update", masks.update)):
        if mask is not None and kind not in cell.dropouts:
            raise ValueError(
                f"recurrent dropout of the kind {kind} is not defined for {cell}; "
                f"choose {' or '.join(cell.dropouts) or 'another cell'}."
            )


def begin(states: list[Array], initial: States) -> None:
    """Copy the initial states (B, H) into a window's states (T + 1, B, H)."""
    for state, before in zip(states, initial, strict=True):
        shape = state.shape[1:]
        if before.shape != shape:
            raise ValueError(f"an initial state has shape {before.shape}, but (B, H) is {shape}")
        state[0] = before


def states_after(T: int, states: list[Array], lengths: Array | None) -> States:
    """Return copies of the states after T steps, or after each sequence's own number of steps."""
    if lengths is None:
        return tuple([state[T].copy() for state in states])
    return tuple([state[lengths, np.arange(len(lengths))] for state in states])


def entering_after(T: int, lengths: Array | None, d_final: States | None) -> dict[int, Entering]:
    """Return which final states' gradients enter after how many steps.

    Without `lengths` all of them enter after T steps, else each sequence's at its end.
    """
    if d_final is None:
        return {}
    if lengths is None:
        return {T: [(slice(None), d) for d in d_final]}
    rows = {int(steps): np.flatnonzero(lengths == steps) for steps in np.unique(lengths)}
    return {steps: [(at, d[at]) for d in d_final] for steps, at in rows.items()}


def add_entering(d_states: States, entering: Entering) -> None:
    """Add gradients to some rows of each state's."""
    for d_state, (rows, d) in zip(d_states, entering, strict=False):
        d_state[rows] += d


class WindowMemory:
    """Where a window is computed: `states` (T + 1, B, H), of which [t + 1] is the state after t,
    and the `memory` (T, B, H) that the kernel keeps, with the candidate's masks behind it, if any.

    `rows` are the states, `kept` the memory and `gates` the views of the pre-activations by step.
    """

    def __init__(
        self,
        cell: Cell,
        kernel: Kernel,
        a: Array,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> None:
        """Take the memory for pre-activations a (T, G, B, H) out of `buffers`.

        Raises ValueError for masks that the cell cannot have.
        """
        if masks is not None:
            check_masks(cell, masks)
        T, _, B, H = a.shape
        self.states = [buffers.array(name, (T + 1, B, H), a.dtype) for name in cell.states]
        self.memory = [buffers.array(name, (T, B, H), a.dtype) for name in kernel.memory]
        if masks is not None and masks.update is not None:
            self.memory.append(masks.update)
        self.rows = buffers.once(
            "rows", lambda *arrays: list(zip(*arrays, strict=True)), *self.states
        )
        self.kept = (
            buffers.once("kept", lambda *arrays: kernel.rows(arrays, T), *self.memory)
            if kernel.memory
            else kernel.rows(self.memory, T)
        )
        self.gates = buffers.once("gates", lambda a: list(map(kernel.views, a)), a)


class GradientMemory:
    """Where a window's gradients are computed: `da` (G, T, B, H), and `local` for `span` steps.

    `gates` are the views of each step's `da`, `rows` each step's part of `local`.
    """

    def __init__(self, kernel: Kernel, a: Array, scratch: Buffers) -> None:
        """Take the memory for the gradients of pre-activations a (T, G, B, H) out of `scratch`."""
        T, G, B, H = a.shape
        self.span = span = min(T, max(1, CACHED // (G * B * H)))
        self.da = scratch.array("da", (G, T, B, H), a.dtype)
        self.gates = scratch.once(
            f"views by {type(kernel).__name__}",
            lambda da: list(map(kernel.views, da.swapaxes(0, 1))),
            self.da,
        )
        self.local = [scratch.array(name, (span, B, H), a.dtype) for name in kernel.local]
        self.rows = list(zip(*self.local, strict=True)) if self.local else [()] * span


def recurrent(
    cell: Cell,
    x: Array,
    initial: States,
    weights: Arrays,
    masks: RecurrentMasks | None = None,
) -> tuple[Array, States, Backward]:
    """Run one recurrent layer over a batch of sequences: x (T, B, D) -> h (T, B, H).

    `weights` are the cell's parameters by name (see `Cell.shapes`), `initial` its states before
    the sequences, (B, H) each, and `masks` what `unroll` takes. Returns h, the states after the
    sequences, and `backward(dh, gradients, d_final)`, which takes the gradient of h and of the
    states after the sequences (None for zeros), adds the gradients of the weights to the arrays in
    `gradients`, and returns those of x (T, B, D) and of the initial states. It can be called once;
    a second call raises RuntimeError.
    """
    buffers = Buffers()
    scratch = buffers.child("scratch")
    a, backward_input = project(x, weights, buffers.child("input"), scratch)
    h, final, backward_time = unroll(
        cell, a, initial, weights, buffers.child("recurrent"), scratch, masks=masks
    )

    def backward(
        dh: Array, gradients: Gradients | Arrays, d_final: States | None
    ) -> tuple[Array, States]:
        sums = gradients_in(gradients)
        da, d_initial = backward_time(dh, sums, d_final)
        return backward_input(da, sums), d_initial

    return h, final, backward


def step(cell: Cell, x: Array, previous: States, weights: Arrays) -> tuple[States, StepGradient]:
    """Run one time step: x (B, D) and the previous states (B, H) -> the states (B, H).

    `backward(d_states)` takes the gradients of the states and returns those of x, of the previous
    states, and of every weight by its name. It can be called once; a second call raises
    RuntimeError.
    """
    _, states, backward_window = recurrent(cell, x[None], previous, weights)

    def backward(d_states: States) -> tuple[Array, States, dict[str, Array]]:
        gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
        no_output = np.zeros_like(states[0])[None]
        dx, d_previous = backward_window(no_output, gradients, d_states)
        return dx[0], d_previous, gradients

    return states, backward
