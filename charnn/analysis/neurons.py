"""What single units do: how saturated they are, and what in the text they follow.

A unit follows a feature of the text (`charnn.analysis.features`) as far as its state s_t correlates
with the feature's value f_t. Of several hundred units some do so by chance, so the best are chosen
on one half of the text's stretches (`charnn.analysis.stretches`), and judged on the other one:

    r      Pearson's correlation; r^2 is the share of f's variance that a straight line explains
    AUC    for features that are true or not: the probability that the state is larger (or, of a
           unit whose r on the first half is negative, smaller) where the feature is true than where
           it is not; 0.5 is chance

The first half's states are only summed up, and of the second half's those of the chosen units are
kept, so that memory does not grow with the number of units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from charnn.analysis.correlation import Sums, area, correlation
from charnn.analysis.features import FEATURES, YES_OR_NO, Alphabet, features_of
from charnn.analysis.saturation import GateCounts, Saturation
from charnn.analysis.stretches import Stretches, watch
from charnn.analysis.trace import Trace
from charnn.arrays import Array
from charnn.models.language_model import LanguageModel

STRETCH = 1_024  # symbols


@dataclass(frozen=True)
class Follower:
    """A unit that follows a feature: layer and number count from 1.

    `chosen_r` is its correlation on the half that chose it; `r` and `auc` are the other half's,
    None where that half cannot say, and `auc` for features that are not just true or false.
    """

    feature: str
    layer: int
    unit: int
    state: str
    chosen_r: float
    r: float | None
    auc: float | None


@dataclass(frozen=True)
class Neurons:
    """A model's gates, and for each feature of the text the units that follow it, the best first.

    `absent` are the features that do not vary in the text.
    """

    symbols: int
    saturation: list[Saturation]
    followers: dict[str, list[Follower]]
    absent: list[str]


@dataclass(frozen=True)
class Column:
    """One of the columns in which all states of a model stand side by side."""

    layer: int
    unit: int
    state: str


def columns_of(model: LanguageModel) -> list[Column]:
    """Return the columns: layer by layer, state by state, unit by unit; from 1."""
    return [
        Column(layer, unit, state)
        for layer in range(1, len(model.stack.layers) + 1)
        for state in model.cell.states
        for unit in range(1, model.stack.hidden_size + 1)
    ]


def neurons(
    model: LanguageModel,
    ids: Array,
    alphabet: Alphabet,
    stretches: Stretches,
    top: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Neurons:
    """Return what a model's units do on stretches of a text (N,), with `top` for each feature.

    `advance` is told of symbols done.
    """
    counts, sums = GateCounts(), Sums()

    def observations(second: bool) -> Iterator[tuple[Array, Array]]:
        starts = stretches.half(second)
        features = features_at(ids, alphabet, starts, stretches.length)
        for window in watch(model, ids, starts, stretches.length):
            counts.add(window.trace)
            yield rows(features[window.steps, window.columns]), rows(states_in(window.trace))
            advance(window.at.size)

    for features, states in observations(second=False):
        sums.add(features, states)
    chosen_r = sums.correlations()
    best = [
        (feature, int(column))
        for feature, found in enumerate(chosen_r)
        for column in best_of(found, top)
    ]
    kept = [
        (features, states[:, [column for _, column in best]])
        for features, states in observations(second=True)
    ]
    features, states = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    columns = columns_of(model)
    followers: dict[str, list[Follower]] = {}
    for place, (feature, column) in enumerate(best):
        name, r = FEATURES[feature], float(chosen_r[feature, column])
        held = judged(name, features[:, feature], states[:, place], r)
        where = columns[column]
        follower = Follower(name, where.layer, where.unit, where.state, r, *held)
        followers.setdefault(name, []).append(follower)
    absent = [name for name in FEATURES if name not in followers]
    return Neurons(stretches.symbols, counts.found(), followers, absent)


def features_at(ids: Array, alphabet: Alphabet, starts: Array, length: int) -> Array:
    """Return the features of some stretches, (length, stretches, features)."""
    every = [features_of(ids, alphabet, int(start), length) for start in starts]
    return np.stack(every, axis=1)


def states_in(trace: Trace) -> Array:
    """Return all states after each symbol side by side, as `columns_of` names them, (T, B, U)."""
    every = [values[1:] for layer in trace.layers for values in layer.states.values()]
    return np.concatenate(every, axis=-1)


def rows(values: Array) -> Array:
    """Return values (T, B, n) as rows in float64, (T B, n)."""
    return values.reshape(-1, values.shape[-1]).astype(np.float64)


def best_of(r: Array, top: int) -> Array:
    """Return the columns with the largest |r|, the largest first; none where there is no r."""
    size = np.where(np.isnan(r), -1.0, np.abs(r))
    order = np.argsort(-size, kind="stable")[:top]
    found: Array = order[size[order] >= 0]
    return found


def judged(
    name: str, feature: Array, states: Array, chosen_r: float
) -> tuple[float | None, float | None]:
    """Return r and the AUC of a unit's states (n,) on a half that did not choose it."""
    if name not in YES_OR_NO:
        return correlation(feature, states), None
    sign = 1 if chosen_r >= 0 else -1
    return correlation(feature, states), area(sign * states, feature > 0)
