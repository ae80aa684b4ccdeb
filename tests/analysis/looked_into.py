"""What the tests of the analysis look into: small random models, and naive float64 oracles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from reference import REFERENCES, gate, normalised, sigma

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates

V, H, B = 5, 4, 3


class Nudge(NamedTuple):
    """A state that is moved: by `amount` in one unit, of all texts, after step t of a layer."""

    layer: int
    state: str
    t: int
    unit: int
    amount: float


def small_model(dtype: str = "float64", seed: int = 1, **options: Any) -> LanguageModel:
    """Return a model of two layers with random weights, large enough to matter."""
    config = ModelConfig(**({"num_layers": 2, "hidden_size": H, "dropout": 0.3} | options))
    model = LanguageModel.initialized(config, V, seed, dtype)
    random = np.random.default_rng(seed)
    model.parameters.flat[:] = 0.6 * random.standard_normal(model.parameters.flat.size)
    return model


def random_ids(T: int, seed: int = 2) -> Array:
    """Return the symbols of B texts, (T, B)."""
    return np.random.default_rng(seed).integers(0, V, (T, B))


def random_states(model: LanguageModel, seed: int = 3) -> LayerStates:
    """Return states to begin with."""
    random = np.random.default_rng(seed)
    dtype = model.parameters.flat.dtype
    return [
        tuple((0.5 * random.standard_normal(state.shape)).astype(dtype) for state in layer)
        for layer in model.zero_states(B)
    ]


def group(model: LanguageModel, prefix: str) -> dict[str, Array]:
    """Return the parameters of a part by their names in it."""
    start = f"{prefix}/"
    found = {n: p for n, p in model.parameters.items() if n.startswith(start)}
    return {name.removeprefix(start): array for name, array in found.items()}


def naive(
    model: LanguageModel, ids: Array, states: LayerStates, nudge: Nudge | None = None
) -> tuple[Array, list[dict[str, Array]]]:
    """Return logits (T, B, V) and all layers' states (T + 1, B, H), step by step.

    With a nudge one state is moved, and with c the h of its step.
    """
    config, parameters = model.config, model.parameters
    step = REFERENCES[config.cell, config.gru_reset if config.cell == "gru" else ""].step
    x = np.eye(V)[ids]
    if "E" in parameters:
        x = x @ parameters["E"]
    names, every = model.cell.states, []
    for layer in range(config.num_layers):
        weights = group(model, f"layer{layer + 1}")
        now, course = states[layer], [states[layer]]
        for t, x_t in enumerate(x):
            before, now = now, step(x_t, now, weights)
            if nudge is not None and (nudge.layer, nudge.t) == (layer, t):
                now = moved(config.cell, x_t, before, now, weights, nudge)
            course.append(now)
        every.append({name: np.array([each[n] for each in course]) for n, name in enumerate(names)})
        x = every[-1]["h"][1:]
    if config.attention is not None:
        x = attentional(x, states[-1][0], group(model, "attention"))
    W_hy = parameters["E"].T if config.tie_weights else parameters["W_hy"]
    return x @ W_hy + parameters["b_y"], every


def moved(
    cell: str, x: Array, before: tuple[Array, ...], now: tuple[Array, ...], W: Any, nudge: Nudge
) -> tuple[Array, ...]:
    """Return the states after a step with one of them moved; h follows c."""
    if nudge.state == "h":
        h = now[0].copy()
        h[:, nudge.unit] += nudge.amount
        return (h, *now[1:])
    c = now[1].copy()
    c[:, nudge.unit] += nudge.amount
    return H_OF_C[cell](x, before[0], c, W), c


def shares(x: Array, h_prev: Array, W: Any) -> tuple[Array, Array]:
    """Return the normalised shares of the input and of the state, with their gains: (B, G, H)."""
    x_share = normalised(np.stack([x @ W_x for W_x in W["W_xh"]], axis=1))
    h_share = normalised(np.stack([h_prev @ W_h for W_h in W["W_hh"]], axis=1))
    return W["gain_x"] * x_share + W["b"], W["gain_h"] * h_share


def lstm_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates i, f, o, g."""
    a = [gate(number, x, before[0], W) for number in range(4)]
    return {"i": sigma(a[0]), "f": sigma(a[1]), "o": sigma(a[2]), "g": np.tanh(a[3])}


def peephole_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates i, f, o, g: i and f see the cell state before, o the one after."""
    a = [gate(number, x, before[0], W) for number in range(4)]
    i, f = sigma(a[0] + W["p_i"] * before[1]), sigma(a[1] + W["p_f"] * before[1])
    return {"i": i, "f": f, "o": sigma(a[2] + W["p_o"] * after[1]), "g": np.tanh(a[3])}


def layernorm_lstm_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates i, f, o, g."""
    v, u = shares(x, before[0], W)
    i, f, o = (sigma(v[:, n] + u[:, n]) for n in range(3))
    return {"i": i, "f": f, "o": o, "g": np.tanh(v[:, 3] + u[:, 3])}


def gru_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates r, z, n, the reset before the product or, with b_hn, after it."""
    (h,) = before
    r, z = sigma(gate(0, x, h, W)), sigma(gate(1, x, h, W))
    if "b_hn" not in W:
        return {"r": r, "z": z, "n": np.tanh(gate(2, x, r * h, W))}
    m = h @ W["W_hh"][2] + W["b_hn"]
    return {"r": r, "z": z, "n": np.tanh(x @ W["W_xh"][2] + W["b_h"][2] + r * m)}


def layernorm_gru_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates r, z, n."""
    v, u = shares(x, before[0], W)
    r, z = sigma(v[:, 0] + u[:, 0]), sigma(v[:, 1] + u[:, 1])
    return {"r": r, "z": z, "n": np.tanh(v[:, 2] + r * (u[:, 2] + W["b_hn"]))}


def mingru_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """Gates z, n."""
    a = [x @ W["W_xh"][number] + W["b_h"][number] for number in range(2)]
    return {"z": sigma(a[0]), "n": a[1]}


def rnn_gates(x: Array, before: Any, after: Any, W: Any) -> dict[str, Array]:
    """The one gate is h."""
    return {"h": after[0]}


GATES: dict[tuple[str, str], Callable[..., dict[str, Array]]] = {  # by the cell's name and form
    ("rnn", ""): rnn_gates,
    ("lstm", ""): lstm_gates,
    ("gru", "before"): gru_gates,
    ("gru", "after"): gru_gates,
    ("mingru", ""): mingru_gates,
    ("peephole-lstm", ""): peephole_gates,
    ("layernorm-lstm", ""): layernorm_lstm_gates,
    ("layernorm-gru", ""): layernorm_gru_gates,
    ("layernorm-rnn", ""): rnn_gates,
}


def lstm_h(x: Array, h_prev: Array, c: Array, W: Any) -> Array:
    """`h = o tanh(c)`."""
    return lstm_gates(x, (h_prev,), (), W)["o"] * np.tanh(c)


def peephole_h(x: Array, h_prev: Array, c: Array, W: Any) -> Array:
    """`h = o tanh(c)`, and o sees c."""
    return sigma(gate(2, x, h_prev, W) + W["p_o"] * c) * np.tanh(c)


def layernorm_h(x: Array, h_prev: Array, c: Array, W: Any) -> Array:
    """`h = o tanh(gain LN(c) + b)`."""
    o = layernorm_lstm_gates(x, (h_prev,), (), W)["o"]
    return o * np.tanh(W["gain_c"] * normalised(c) + W["b_c"])


H_OF_C: dict[str, Callable[..., Array]] = {
    "lstm": lstm_h,
    "peephole-lstm": peephole_h,
    "layernorm-lstm": layernorm_h,
}


def attentional(h: Array, memory: Array, W: dict[str, Array]) -> Array:
    """Return `tanh([c_t; h_t] W_c)` with dot scores over the M states before: memory (B, M, H)."""
    M, out = memory.shape[1], np.empty_like(h)
    for b in range(h.shape[1]):
        keys = np.concatenate([memory[b], h[:, b]])
        for t, query in enumerate(h[:, b]):
            seen = keys[t : t + M]
            scores = np.exp(seen @ query)
            context = scores @ seen / scores.sum()
            out[t, b] = np.tanh(np.concatenate([context, query]) @ W["W_c"])
    return out


def last_losses(logits: Array, targets: Array) -> Array:
    """Return the losses (B,) at the last step."""
    scores = np.exp(logits[-1])
    return -np.log(scores[np.arange(len(targets)), targets] / scores.sum(axis=1))


def central_differences(
    model: LanguageModel, ids: Array, states: LayerStates, lags: int, eps: float = 1e-5
) -> list[dict[str, Array]]:
    """Return the gradients of the last step's loss by all states, by lag: (K + 1, B, H)."""
    T = len(ids) - 1
    found = []
    for layer in range(model.config.num_layers):
        by_state = {}
        for state in model.cell.states:
            array = np.empty((lags + 1, B, H))
            for lag in range(lags + 1):
                for unit in range(H):
                    up, down = (
                        naive(
                            model, ids[:-1], states, Nudge(layer, state, T - 1 - lag, unit, amount)
                        )[0]
                        for amount in (eps, -eps)
                    )
                    difference = last_losses(up, ids[-1]) - last_losses(down, ids[-1])
                    array[lag, :, unit] = difference / (2 * eps)
            by_state[state] = array
        found.append(by_state)
    return found
