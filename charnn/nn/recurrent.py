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
from charnn.nn.cell import Cell, RecurrentWeights, States
from charnn.nn.layers import project

CACHED = 262_144  # numbers whose local derivatives are computed at once: they stay in the cache

Backward: TypeAlias = Callable[[Array, Arrays, "States | None"], tuple[Array, States]]
StepGradient: TypeAlias = Callable[[States], tuple[Array, States, dict[str, Array]]]


def unroll(
    cell: Cell, a: Array, initial: States, weights: Arrays, buffers: Buffers, name: str = ""
) -> tuple[Array, States, Backward]:
    """Run a cell over a window of T steps.

    `a` (T, G, B, H) holds the input's share of the pre-activations and becomes the gates;
    `initial` are the states before the window, (B, H) each. Returns h (T, B, H), the states after
    the window, and `backward(dh, gradients, d_final)`, which takes the gradient of h (T, B, H) and
    of the states after the window (None for zeros), fills in the recurrent weights' gradients, and
    returns `da` (G, T, B, H) and the gradients of the initial states. It uses up what the forward
    pass kept, so it can be called once. `name` keeps the buffers of several layers apart.
    """
    T, G, B, H = a.shape

    def window(quantity: str, *shape: int) -> Array:
        return buffers.array(f"{name}{quantity}", shape, a.dtype)

    states = [window(state, T + 1, B, H) for state in cell.states]  # [t + 1] is the state after t
    memory = [window(kept, T, B, H) for kept in cell.memory]
    for state, before in zip(states, initial, strict=True):
        if before.shape != (B, H):
            raise ValueError(f"an initial state has shape {before.shape}, but (B, H) is {(B, H)}")
        state[0] = before
    W = RecurrentWeights(weights, B, buffers, name)
    rows = buffers.once(f"{name}rows", by_step, *states)
    kept = buffers.once(f"{name}kept", by_step, *memory) if memory else [()] * T
    gates = buffers.once(f"{name}gates", lambda a: list(map(cell.views, a)), a)
    for t in range(T):
        cell.step(gates[t], rows[t], rows[t + 1], kept[t], W)

    def backward(dh: Array, gradients: Arrays, d_final: States | None) -> tuple[Array, States]:
        da = buffers.array("da", (G, T, B, H), a.dtype)  # one for all layers
        d_gates = buffers.once("d_gates", lambda da: list(map(cell.views, da.swapaxes(0, 1))), da)
        d_states = tuple(state.copy() for state in d_final or map(np.zeros_like, rows[T]))
        span = max(1, CACHED // (G * B * H))
        for end in range(T, 0, -span):
            start = max(0, end - span)
            before, after = slice(start, end), slice(start + 1, end + 1)
            cell.local_gradients(
                a[before],
                tuple(state[before] for state in states),
                tuple(state[after] for state in states),
                tuple(array[before] for array in memory),
                da[:, before],
            )
            for t in reversed(range(start, end)):
                d_h = d_states[0]
                d_h += dh[t]
                d_states = cell.step_backward(d_states, gates[t], kept[t], d_gates[t], W)
        cell.recurrent_gradients(states[0][:T], da, tuple(memory), gradients)
        return da, d_states

    return states[0][1:], tuple(state.copy() for state in rows[T]), backward


def by_step(*arrays: Array) -> list[States]:
    """Return the arrays' rows (B, H) at each step: arrays (T, B, H)."""
    return list(zip(*arrays, strict=True))


def recurrent(
    cell: Cell, x: Array, initial: States, weights: Arrays
) -> tuple[Array, States, Backward]:
    """Run one recurrent layer over a batch of sequences: x (T, B, D) -> h (T, B, H).

    `weights` are the cell's parameters by name (see `Cell.shapes`), `initial` its states before
    the sequences, (B, H) each. Returns h, the states after the sequences, and
    `backward(dh, gradients, d_final)`, which takes the gradient of h and of the states after the
    sequences (None for zeros), fills `gradients` with those of the weights, and returns those
    of x (T, B, D) and of the initial states.
    """
    buffers = Buffers()
    a, backward_input = project(x, weights["W_xh"], weights["b_h"], buffers)
    h, final, backward_time = unroll(cell, a, initial, weights, buffers)

    def backward(dh: Array, gradients: Arrays, d_final: States | None) -> tuple[Array, States]:
        da, d_initial = backward_time(dh, gradients, d_final)
        return backward_input(da, gradients), d_initial

    return h, final, backward


def step(cell: Cell, x: Array, previous: States, weights: Arrays) -> tuple[States, StepGradient]:
    """Run one time step: x (B, D) and the previous states (B, H) -> the states (B, H).

    `backward(d_states)` takes the gradients of the states and returns those of x, of the previous
    states, and of every weight by its name.
    """
    _, states, backward_window = recurrent(cell, x[None], previous, weights)

    def backward(d_states: States) -> tuple[Array, States, dict[str, Array]]:
        gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
        no_output = np.zeros_like(states[0])[None]
        dx, d_previous = backward_window(no_output, gradients, d_states)
        return dx[0], d_previous, gradients

    return states, backward
