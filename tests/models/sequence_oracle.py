"""The naive oracle of sequence models: one sequence at a time, without padding, a loop over time.

Written from the papers' equations and not from charnn's code. A function returns the summed loss of
one example in nats, and how many predictions it has.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from reference import REFERENCES

Array = np.ndarray


def under(prefix: str, parameters: dict[str, Array]) -> dict[str, Array]:
    """Return the parameters below a prefix."""
    start = f"{prefix}/"
    return {name[len(start) :]: p for name, p in parameters.items() if name.startswith(start)}


def vectors(ids: list[int], parameters: dict[str, Array]) -> list[Array]:
    """Return what the first layer reads for each symbol: a row of E, or a one-hot vector."""
    rows = parameters.get("E")
    if rows is None:
        rows = np.eye(parameters["layer1/W_xh"].shape[1])
    return [rows[number] for number in ids]


def direction(
    model: Any, x: list[Array], weights: dict[str, Array], initial: list[Array] | None
) -> tuple[list[Array], list[Array]]:
    """Return h after each step of one layer that reads x in its order, and the states after it."""
    config = model.config
    form = config.gru_reset if config.cell == "gru" else ""
    step = REFERENCES[config.cell, form].step
    states = initial or [np.zeros(config.hidden_size) for _ in model.cell.states]
    rows, h = tuple(state[None] for state in states), []
    for x_t in x:
        rows = step(x_t[None], rows, weights)
        h.append(rows[0][0])
    return h, [state[0] for state in rows]


def layers(
    model: Any,
    x: list[Array],
    parameters: dict[str, Array],
    bidirectional: bool = False,
    initial: list[list[Array]] | None = None,
) -> tuple[list[Array], list[list[Array]]]:
    """Return the states over time of the last level, and each level's final states.

    With two directions, a final state is [->s; <-s]: <-s is that after the first symbol.
    """
    finals = []
    for level in range(model.config.num_layers):
        name = f"layer{level + 1}"
        begin = None if initial is None else initial[level]
        h, final = direction(model, x, under(name, parameters), begin)
        if bidirectional:
            back, back_final = direction(
                model, x[::-1], under(f"{name}_backward", parameters), None
            )
            h = [np.concatenate(pair) for pair in zip(h, back[::-1], strict=True)]
            final = [np.concatenate(pair) for pair in zip(final, back_final, strict=True)]
        x = h
        finals.append(final)
    return x, finals


def nats(logits: Array, target: int, smoothing: float) -> float:
    """Return the cross-entropy of logits (V,) and a target that is smoothed."""
    log_y = [float(z) - math.log(sum(math.exp(float(other)) for other in logits)) for z in logits]
    even = sum(log_y) / len(log_y)
    return -(1 - smoothing) * log_y[target] - smoothing * even


def output(parameters: dict[str, Array], h: Array, tied: int | None = None) -> Array:
    """Return the logits of a state; `tied` is the number of outputs if the embedding is used."""
    W = parameters["W_hy"] if tied is None else parameters["E"][:tied].T
    return h @ W + parameters["b_y"]


def classifier(
    model: Any, source: list[int], target: list[int], smoothing: float
) -> tuple[float, int]:
    """Return the loss of a sequence's class."""
    p, both = model.parameters, model.config.bidirectional
    _, finals = layers(model, vectors(source, p), p, both)
    return nats(output(p, finals[-1][0]), target[0], smoothing), 1


def tagger(model: Any, source: list[int], target: list[int], smoothing: float) -> tuple[float, int]:
    """Return the loss of all tags of a sequence."""
    p = model.parameters
    h, _ = layers(model, vectors(source, p), p, model.config.bidirectional)
    losses = [nats(output(p, h_t), tag, smoothing) for h_t, tag in zip(h, target, strict=True)]
    return sum(losses), len(losses)


def labelled(
    model: Any, source: list[int], target: list[int], smoothing: float
) -> tuple[float, int]:
    """Return the loss of a sequence and its end, given its label."""
    p, V = model.parameters, model.sizes.outputs
    (label,) = vectors([V + 1 + source[0]], p)
    x = [x_t + label for x_t in vectors([V, *target], p)]
    h, _ = layers(model, x, p)
    tied = V + 1 if model.config.tie_weights else None
    losses = [
        nats(output(p, h_t, tied), symbol, smoothing)
        for h_t, symbol in zip(h, [*target, V], strict=True)
    ]
    return sum(losses), len(losses)


def context(name: str, query: Array, keys: list[Array], W: dict[str, Array]) -> Array:
    """Return the mean of the keys by their weights for a query."""
    scores = []
    for key in keys:
        if name == "dot":
            parts = key.reshape(-1, len(query))
            scores.append(sum(float(query @ part) for part in parts))
        elif name == "general":
            scores.append(float(query @ W["W_a"] @ key))
        else:
            scores.append(float(np.tanh(query @ W["W_q"] + key @ W["W_k"]) @ W["v_a"]))
    total = sum(math.exp(score) for score in scores)
    return sum(math.exp(score) / total * key for score, key in zip(scores, keys, strict=True))


def transducer(
    model: Any, source: list[int], target: list[int], smoothing: float
) -> tuple[float, int]:
    """Return the loss of a target and its end, given its source."""
    p, V, config = dict(model.parameters), model.sizes.outputs, model.config
    encoder, decoder, attention = (under(part, p) for part in ("encoder", "decoder", "attention"))
    keys, finals = layers(model, vectors(source, encoder), encoder, config.bidirectional)
    initial = []
    for level, final in enumerate(finals, 1):
        states = []
        for name, state in zip(model.cell.states, final, strict=True):
            bridge = under(f"bridge/layer{level}/{name}", p)
            states.append(np.tanh(state @ bridge["W_s"] + bridge["b_s"]))
        initial.append(states)
    h, _ = layers(model, vectors([V, *target], decoder), decoder, initial=initial)
    tied = V + 1 if config.tie_weights else None
    total = 0.0
    for h_t, symbol in zip(h, [*target, V], strict=True):
        seen = h_t
        if config.attention is not None:
            c_t = context(config.attention, h_t, keys, attention)
            seen = np.tanh(np.concatenate([c_t, h_t]) @ attention["W_c"])
        total += nats(output(decoder, seen, tied), symbol, smoothing)
    return total, len(target) + 1


ORACLES = {
    "classify": classifier,
    "tag": tagger,
    "generate": labelled,
    "transduce": transducer,
}
