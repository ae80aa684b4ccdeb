"""One unit at close sight: its values, its gates, what it follows, and what drives it.

    drive of a symbol    the mean of s_t - s_{t-1} over all t at which the model reads the symbol

The value that stands for "neither" is the median; `spread` is the distance from it within which 99
of 100 values lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charnn.analysis.correlation import correlation
from charnn.analysis.features import FEATURES, Alphabet
from charnn.analysis.neurons import Follower, features_at, judged
from charnn.analysis.saturation import OPEN, SHUT, gates_of
from charnn.analysis.stretches import Stretches, watch
from charnn.arrays import Array
from charnn.models.language_model import LanguageModel

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
SELDOM = 5  # times: how a symbol drives that is read less often is not said


@dataclass(frozen=True)
class Drive:
    """How a symbol, by its id, moves a unit: the mean change when it is read, and how often."""

    symbol: int
    change: float
    times: int


@dataclass(frozen=True)
class Portrait:
    """A unit's values on some stretches of a text, and its values at the text's beginning.

    `gates` are the shares of time below 0.1 and above 0.9 of its gates and of |h|; `follows` are
    features, what it follows best first; `drives` are symbols, what raises it most first.
    """

    layer: int
    unit: int
    state: str
    symbols: int
    mean: float
    deviation: float
    quantiles: dict[str, float]
    spread: float
    gates: dict[str, tuple[float, float]]
    follows: list[Follower]
    drives: list[Drive]
    beginning: list[float]


def portrait(
    model: LanguageModel,
    ids: Array,
    alphabet: Alphabet,
    stretches: Stretches,
    place: tuple[int, int, str],
    length: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Portrait:
    """Return a unit, given by its layer, its number (both from 1) and the name of its state.

    Its values at the first `length` symbols of the text (N,) are among what is returned.
    """
    layer, unit, state = place
    shape = stretches.length, len(stretches.starts)
    values, changes = np.empty(shape), np.empty(shape)
    gates: dict[str, list[Array]] = {}
    for window in watch(model, ids, stretches.starts, stretches.length):
        found = window.trace.layers[layer - 1]
        course = found.states[state][..., unit - 1].astype(np.float64)
        values[window.steps, window.columns] = course[1:]
        changes[window.steps, window.columns] = np.diff(course, axis=0)
        for name, gate in gates_of(found):
            gates.setdefault(name, []).append(gate[..., unit - 1].ravel())
        advance(window.at.size)
    read = ids[stretches.starts + np.arange(stretches.length)[:, None]]
    quantiles = np.quantile(values, QUANTILES)
    median = float(quantiles[QUANTILES.index(0.5)])
    return Portrait(
        layer,
        unit,
        state,
        values.size,
        float(values.mean()),
        float(values.std()),
        {f"{q:.0%}": float(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
        float(np.quantile(np.abs(values - median), 0.99)),
        {name: shares(np.concatenate(parts)) for name, parts in gates.items()},
        followed(features_at(ids, alphabet, stretches.starts, shape[0]), values, stretches, place),
        drives(read.ravel(), changes.ravel()),
        beginning(model, ids[:length], place),
    )


def shares(values: Array) -> tuple[float, float]:
    """Return the shares of values below 0.1 and above 0.9."""
    return float((values < SHUT).mean()), float((values > OPEN).mean())


def followed(
    features: Array, values: Array, stretches: Stretches, place: tuple[int, int, str]
) -> list[Follower]:
    """Return what values (T, B) follow of features (T, B, F), by the first half's |r|."""
    layer, unit, state = place
    found = []
    second = stretches.second
    for name, feature in zip(FEATURES, np.moveaxis(features, -1, 0), strict=True):
        r = correlation(feature[:, ~second].ravel(), values[:, ~second].ravel())
        if r is not None:
            held = judged(name, feature[:, second].ravel(), values[:, second].ravel(), r)
            found.append(Follower(name, layer, unit, state, r, *held))
    return sorted(found, key=lambda each: -abs(each.chosen_r))


def drives(symbols: Array, changes: Array) -> list[Drive]:
    """Return the mean changes (n,) by the symbol (n,) that was read, the largest first."""
    times = np.bincount(symbols)
    means = np.bincount(symbols, changes) / np.maximum(times, 1)
    known = np.flatnonzero(times >= SELDOM)
    order = known[np.argsort(-means[known], kind="stable")]
    return [Drive(int(each), float(means[each]), int(times[each])) for each in order]


def beginning(model: LanguageModel, ids: Array, place: tuple[int, int, str]) -> list[float]:
    """Return a unit's values after each symbol of a text (n,), read from zero states."""
    layer, unit, state = place
    values: list[float] = []
    for window in watch(model, ids, np.zeros(1, np.intp), len(ids)):
        values += window.trace.layers[layer - 1].states[state][1:, 0, unit - 1].tolist()
    return values
