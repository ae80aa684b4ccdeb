"""A cell unrolled over time: backpropagation through time, written once for all cells.

    states_t = step(a_t, states_{t-1}),    a_t = x_t W_xh + b_h,    t = 1 .. T

The window's gradient runs the steps' gradients from T to 1. At each step the gradient of h_t is
the sum of what comes from the output at t and from step t + 1 (Werbos, 1990):

    dh_t <- dh_t(output) + dh_t(step t + 1)

The weights are shared by all steps, so their gradients are sums over time. The gradient stops at
the window's beginning (truncated backpropagation); the states are handed to the next window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.kernels.kernel import States
from charnn.nn.kernels.readable import kernel_of
from charnn.nn.layers import project
from charnn.nn.parameters import Gradients, gradients_in
from charnn.nn.single_use import single_use

CACHED = 262_144  # numbers whose local derivatives are computed at once: they stay in the cache

UnrollBackward: TypeAlias = Callable[[Array, Gradients, "States | None"], tuple[Array, States]]
Backward: TypeAlias = Callable[[Array, Gradients | Arrays, "States | None"], tuple[Array, States]]
StepGradient: TypeAlias = Callable[[States], tuple[Array, States, dict[str, Array]]]


def unroll(
    cell: Cell,
    a: Array,
    initial: States,
    weights: Arrays,
    buffers: Buffers,
    scratch: Buffers,
) -> tuple[Array, States, UnrollBackward]:
    """Run a cell over a window of T steps.

    `a` (T, G, B, H) holds the input's share of the pre-activations and is overwritten; `initial`
    are the states before the window, (B, H) each. Returns h (T, B, H), the states after the window,
    and `backward(dh, gradients, d_final)`, which takes the gradient of h (T, B, H) and of the
    states after the window (None for zeros), adds the recurrent weights' gradients to `gradients`,
    and returns `da` (G, T, B, H) and the gradients of the initial states. It uses up what the
    forward pass kept, so it can be called once; `da` lies in `scratch`, as
    `charnn.nn.layers` has it.
    """
    T, G, B, H = a.shape
    kernel = kernel_of(cell)

    def window(name: str, steps: int) -> Array:
        return buffers.array(name, (steps, B, H), a.dtype)

    states = tuple(window(name, T + 1) for name in cell.states)  # [t + 1] is the state after t
    memory = tuple(window(name, T) for name in kernel.memory)
    for state, before in zip(states, initial, strict=True):
        if before.shape != (B, H):
            raise ValueError(f"an initial state has shape {before.shape}, but (B, H) is {(B, H)}")
        state[0] = before
    W = kernel.weights(weights, B, buffers)
    rows = buffers.once("rows", lambda *arrays: list(zip(*arrays, strict=True)), *states)
    kept = (
        buffers.once("kept", lambda *arrays: kernel.rows(arrays, T), *memory)
        if memory
        else kernel.rows(memory, T)
    )
    gates = buffers.once("gates", lambda a: list(map(kernel.views, a)), a)
    for t in range(T):
        kernel.step(gates[t], rows[t], rows[t + 1], kept[t], W)

    @single_use
    def backward(dh: Array, gradients: Gradients, d_final: States | None) -> tuple[Array, States]:
        da = scratch.array("da", (G, T, B, H), a.dtype)
        d_gates = scratch.once(
            f"views by {type(kernel).__name__}",
            lambda da: list(map(kernel.views, da.swapaxes(0, 1))),
            da,
        )
        span = min(T, max(1, CACHED // (G * B * H)))
        local = tuple(scratch.array(name, (span, B, H), a.dtype) for name in kernel.local)
        local_rows = list(zip(*local, strict=True)) if local else [()] * span
        d_states = tuple(state.copy() for state in d_final or map(np.zeros_like, rows[T]))
        for end in range(T, 0, -span):
            start = max(0, end - span)
            before, after = slice(start, end), slice(start + 1, end + 1)
            kernel.local_gradients(
                a[before],
                tuple(state[before] for state in states),
                tuple(state[after] for state in states),
                tuple(array[before] for array in memory),
                da[:, before],
                tuple(array[: end - start] for array in local),
            )
            for t in reversed(range(start, end)):
                d_h = d_states[0]
                d_h += dh[t]
                d_states = kernel.step_backward(
                    d_states, gates[t], kept[t], d_gates[t], local_rows[t - start], W
                )
        kernel.weight_gradients(states[0][:T], da, memory, W, gradients)
        return da, d_states

    return states[0][1:], tuple(state.copy() for state in rows[T]), backward


def recurrent(
    cell: Cell, x: Array, initial: States, weights: Arrays
) -> tuple[Array, States, Backward]:
    """Run one recurrent layer over a batch of sequences: x (T, B, D) -> h (T, B, H).

    `weights` are the cell's parameters by name (see `Cell.shapes`), `initial` its states before
    the sequences, (B, H) each. Returns h, the states after the sequences, and
    `backward(dh, gradients, d_final)`, which takes the gradient of h and of the states after the
    sequences (None for zeros), adds the gradients of the weights to the arrays in `gradients`, and
    returns those of x (T, B, D) and of the initial states. It can be called once; a second call
    raises RuntimeError.
    """
    buffers = Buffers()
    scratch = buffers.child("scratch")
    a, backward_input = project(x, weights, buffers.child("input"), scratch)
    h, final, backward_time = unroll(cell, a, initial, weights, buffers.child("recurrent"), scratch)

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
