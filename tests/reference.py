"""The naive oracle: the equations of cells and language model, transcribed without a trick.

Written from the papers' equations and not from charnn's code, in float64: a gate is a line, time is
a loop, a symbol is a one-hot vector. Rows are examples, so a product is written `x W`. Weights are
`W_xh` (G, D, H), `W_hh` (G, H, H) and `b_h` (G, H); gates count in the order in which they are
listed here.

A new cell needs an entry in `REFERENCES`: its equations, and how many parameters it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Weights = Mapping[str, Array]
States = tuple[Array, ...]
Step = Callable[[Array, States, Weights], States]


def sigma(a: Array) -> Array:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-a))


def gate(number: int, x: Array, h: Array, W: Weights) -> Array:
    """Return `x W_x + h W_h + b` of one gate."""
    return x @ W["W_xh"][number] + h @ W["W_hh"][number] + W["b_h"][number]


def rnn(x: Array, previous: States, W: Weights) -> States:
    """Elman, 1990."""
    (h_prev,) = previous
    return (np.tanh(gate(0, x, h_prev, W)),)


def lstm(x: Array, previous: States, W: Weights) -> States:
    """Gates i, f, o, g: Hochreiter and Schmidhuber, 1997, with forget gate."""
    h_prev, c_prev = previous
    i = sigma(gate(0, x, h_prev, W))
    f = sigma(gate(1, x, h_prev, W))
    o = sigma(gate(2, x, h_prev, W))
    g = np.tanh(gate(3, x, h_prev, W))
    c = f * c_prev + i * g
    return o * np.tanh(c), c


def gru_reset_before(x: Array, previous: States, W: Weights) -> States:
    """Gates r, z, n: Cho et al., 2014."""
    (h_prev,) = previous
    r = sigma(gate(0, x, h_prev, W))
    z = sigma(gate(1, x, h_prev, W))
    n = np.tanh(gate(2, x, r * h_prev, W))
    return ((1 - z) * h_prev + z * n,)


def gru_reset_after(x: Array, previous: States, W: Weights) -> States:
    """Gates r, z, n: the form of cuDNN, with z in the place of 1 - z."""
    (h_prev,) = previous
    r = sigma(gate(0, x, h_prev, W))
    z = sigma(gate(1, x, h_prev, W))
    recurrent = h_prev @ W["W_hh"][2] + W["b_hn"]
    n = np.tanh(x @ W["W_xh"][2] + W["b_h"][2] + r * recurrent)
    return ((1 - z) * h_prev + z * n,)


def mingru(x: Array, previous: States, W: Weights) -> States:
    """Gates z, n: Feng et al., 2024."""
    (h_prev,) = previous
    z = sigma(x @ W["W_xh"][0] + W["b_h"][0])
    n = x @ W["W_xh"][1] + W["b_h"][1]
    return ((1 - z) * h_prev + z * n,)


def peephole_lstm(x: Array, previous: States, W: Weights) -> States:
    """Gates i, f, o, g: Gers and Schmidhuber, 2000; o sees the new cell state."""
    h_prev, c_prev = previous
    i = sigma(gate(0, x, h_prev, W) + W["p_i"] * c_prev)
    f = sigma(gate(1, x, h_prev, W) + W["p_f"] * c_prev)
    g = np.tanh(gate(3, x, h_prev, W))
    c = f * c_prev + i * g
    o = sigma(gate(2, x, h_prev, W) + W["p_o"] * c)
    return o * np.tanh(c), c


def normalised(v: Array) -> Array:
    """Return each example's numbers with mean 0 and variance 1: v (B, ...)."""
    rows = v.reshape(len(v), -1)
    rows = (rows - rows.mean(axis=1)[:, None]) / np.sqrt(rows.var(axis=1)[:, None] + 1e-5)
    return rows.reshape(v.shape)


def layernorm_lstm(x: Array, previous: States, W: Weights) -> States:
    """Gates i, f, o, g: Ba et al., 2016; the shares of all gates are normalised together."""
    h_prev, c_prev = previous
    x_share = normalised(np.stack([x @ W_x for W_x in W["W_xh"]], axis=1))
    h_share = normalised(np.stack([h_prev @ W_h for W_h in W["W_hh"]], axis=1))
    a = W["gain_x"] * x_share + W["gain_h"] * h_share + W["b"]
    i, f, o = sigma(a[:, 0]), sigma(a[:, 1]), sigma(a[:, 2])
    c = f * c_prev + i * np.tanh(a[:, 3])
    return o * np.tanh(W["gain_c"] * normalised(c) + W["b_c"]), c


def layernorm_gru(x: Array, previous: States, W: Weights) -> States:
    """Gates r, z, n: after Ba et al., 2016; the shares of all gates are normalised together."""
    (h_prev,) = previous
    x_share = normalised(np.stack([x @ W_x for W_x in W["W_xh"]], axis=1))
    h_share = normalised(np.stack([h_prev @ W_h for W_h in W["W_hh"]], axis=1))
    r = sigma(W["gain_x"][0] * x_share[:, 0] + W["gain_h"][0] * h_share[:, 0] + W["b"][0])
    z = sigma(W["gain_x"][1] * x_share[:, 1] + W["gain_h"][1] * h_share[:, 1] + W["b"][1])
    recurrent = W["gain_h"][2] * h_share[:, 2] + W["b_hn"]
    n = np.tanh(W["gain_x"][2] * x_share[:, 2] + W["b"][2] + r * recurrent)
    return ((1 - z) * h_prev + z * n,)


def layernorm_rnn(x: Array, previous: States, W: Weights) -> States:
    """Ba et al., 2016, equation 4: the sum of both shares is normalised."""
    (h_prev,) = previous
    a = normalised(x @ W["W_xh"][0] + h_prev @ W["W_hh"][0])
    return (np.tanh(W["gain"][0] * a + W["b"][0]),)


class Reference(NamedTuple):
    """A cell's equations and its number of parameters for D inputs and H hidden units."""

    step: Step
    count: Callable[[int, int], int]


REFERENCES: dict[tuple[str, str], Reference] = {  # by the cell's name and form
    ("rnn", ""): Reference(rnn, lambda D, H: H * H + H * D + H),
    ("lstm", ""): Reference(lstm, lambda D, H: 4 * (H * H + H * D + H)),
    ("gru", "before"): Reference(gru_reset_before, lambda D, H: 3 * (H * H + H * D + H)),
    ("gru", "after"): Reference(gru_reset_after, lambda D, H: 3 * (H * H + H * D + H) + H),
    ("mingru", ""): Reference(mingru, lambda D, H: 2 * (H * D + H)),
    ("peephole-lstm", ""): Reference(peephole_lstm, lambda D, H: 4 * (H * H + H * D + H) + 3 * H),
    ("layernorm-lstm", ""): Reference(
        layernorm_lstm, lambda D, H: 4 * (H * H + H * D + 3 * H) + 2 * H
    ),
    ("layernorm-gru", ""): Reference(layernorm_gru, lambda D, H: 3 * (H * H + H * D + 3 * H) + H),
    ("layernorm-rnn", ""): Reference(layernorm_rnn, lambda D, H: H * H + H * D + 2 * H),
}


def sequence(step: Step, x: Array, initial: States, W: Weights) -> tuple[Array, States]:
    """Run a cell over x (T, B, D): return h (T, B, H) and the states after the last step."""
    states, h = initial, []
    for x_t in x:
        states = step(x_t, states, W)
        h.append(states[0])
    return np.array(h), states


def language_model(
    step: Step,
    parameters: Weights,
    inputs: Array,
    targets: Array,
    states: Sequence[States],
    masks: Sequence[Array] | None = None,
) -> tuple[Array, list[States]]:
    """Return `-log p(target)` of each prediction, (T, B), and each layer's states at the end.

    `states` holds the layers' initial states; `masks` multiply the layers' outputs, (T, B, H) each.
    """
    one_hot = np.eye(len(parameters["b_y"]))
    x = one_hot[inputs]
    if "E" in parameters:
        x = x @ parameters["E"]
    final = []
    for layer, initial in enumerate(states):
        prefix = f"layer{layer + 1}/"
        weights = {
            name.removeprefix(prefix): W
            for name, W in parameters.items()
            if name.startswith(prefix)
        }
        x, after = sequence(step, x, initial, weights)
        final.append(after)
        if masks is not None:
            x = x * masks[layer]
    scores = np.exp(x @ parameters["W_hy"] + parameters["b_y"])
    p = scores / scores.sum(axis=2, keepdims=True)
    return -np.log((p * one_hot[targets]).sum(axis=2)), final
