"""What a state still holds of earlier symbols: probes from s_t to x_{t-k}, for s = h and c.

x_t is the symbol that the model has just read when its state is s_t. A probe is a softmax
regression (`charnn.analysis.softmax_regression`). It is fitted on one half of some stretches of a
text (a quarter of it chooses the ridge), and its loss is measured on the other half:

    I(s_t; x_{t-k})  >=  H(x) - loss          in bits, as no predictor's loss is below H(x | s)

A probe that is not good enough shows less than there is, never more: what it shows, a linear
reader can use. H(x) is the entropy of the scored symbols' own shares, which is not above the loss
of the best guess without a state, so the bound does not flatter. A bound below 0 is shown as 0.

Some of what is found is no memory: what a state holds of x_t tells of x_{t-1} what language does.
The same weights untrained are the yardstick for it.

Of large vocabularies the rare symbols count as one; of I(s; x) that is a lower bound as well.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from charnn.analysis.softmax_regression import fitted
from charnn.analysis.stretches import Stretches, stretches_of, watch
from charnn.arrays import Array
from charnn.models.language_model import LanguageModel
from charnn.nn.blas import single_thread

SYMBOLS = 24_576  # states that are looked at, or fewer where they are wide
KEPT = 1 << 24  # numbers of each state's that are kept
STRETCH = 512  # symbols
FEWEST_SYMBOLS = 64
CLASSES = 256  # symbols that are told apart
ASIDE = 4  # every so many-th stretch of the first half chooses the ridge
SMALLEST = 1e-6  # spread of a unit
MOST_THREADS = 8


@dataclass(frozen=True)
class Probe:
    """How well a state at t tells x_{t-lag}: the loss and `entropy`, H(x), in bits, and the bound.

    `ridge` is that of the weights; None where the states told nothing.
    """

    lag: int
    entropy: float
    loss: float
    bits: float
    ridge: float | None


@dataclass(frozen=True)
class StateProbes:
    """The probes of a state, by lag from 0."""

    state: str
    probes: list[Probe]


@dataclass(frozen=True)
class Probes:
    """The probes of a layer's states, and the numbers of positions that fit and score each.

    `classes` is the number of symbols that are told apart.
    """

    layer: str
    fitted: int
    scored: int
    classes: int
    states: list[StateProbes]


def lags_in(stretches: Stretches, lags: int) -> int:
    """Return how many of the lags are looked at: a short text's stretches have no room for more."""
    return min(lags, stretches.length // 2)


def probes_of(
    model: LanguageModel,
    ids: Array,
    lags: int,
    layer: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Probes:
    """Return the probes from a layer, counted from 1, to symbols 0 to `lags` steps back.

    `advance` is told of probes done. Raises CorpusError for a text (N,) that is too short.
    """
    symbols_kept = min(SYMBOLS, KEPT // model.config.hidden_size)
    stretches = stretches_of(len(ids), symbols_kept, STRETCH, seed)
    lags = lags_in(stretches, lags)
    first, second = stretches.half(second=False), stretches.half(second=True)
    aside = np.arange(len(first)) % ASIDE == ASIDE - 1
    parts = [first[~aside], first[aside], second]
    states = [states_in(model, ids, part, stretches.length, layer) for part in parts]
    symbols, classes = told_apart(ids, model.vocab_size)
    after = [start + np.arange(lags, stretches.length)[:, None] for start in parts]
    found = []
    for state in model.cell.states:
        rows = standardised([each[state][lags:] for each in states])
        found.append(StateProbes(state, probed(rows, after, symbols, classes, lags, advance)))
    fit, _, score = (places.size for places in after)
    return Probes(model.stack.layers[layer - 1], fit, score, classes, found)


def states_in(
    model: LanguageModel, ids: Array, starts: Array, length: int, layer: int
) -> dict[str, Array]:
    """Return a layer's states after each symbol of some stretches, (length, B, H) by name."""
    shape = length, len(starts), model.config.hidden_size
    found = {state: np.empty(shape, model.parameters.flat.dtype) for state in model.cell.states}
    for window in watch(model, ids, starts, length):
        for state, values in window.trace.layers[layer - 1].states.items():
            found[state][window.steps, window.columns] = values[1:]
    return found


def standardised(parts: list[Array]) -> list[Array]:
    """Return states (T, B, H) as rows, each unit's mean 0 and spread 1 in the first part."""
    rows = [part.reshape(-1, part.shape[-1]) for part in parts]
    mean, spread = rows[0].mean(axis=0), rows[0].std(axis=0)
    spread = np.where(spread > SMALLEST, spread, 1)
    return [(row - mean) / spread for row in rows]


def told_apart(ids: Array, V: int) -> tuple[Array, int]:
    """Return ids (N,) as classes, and their number: of many symbols, the rarest are one class."""
    if V <= CLASSES:
        return ids.astype(np.intp), V
    common = np.argsort(-np.bincount(ids, minlength=V), kind="stable")[: CLASSES - 1]
    table = np.full(V, CLASSES - 1)
    table[common] = np.arange(len(common))
    return table[ids], CLASSES


def probed(
    rows: list[Array],
    places: list[Array],
    symbols: Array,
    classes: int,
    lags: int,
    advance: Callable[[int], None],
) -> list[Probe]:
    """Return the probes of one state by lag.

    `rows` (n, H) and `places` (T, B) are those that fit, that choose the ridge, and that score.
    Lags are independent of each other, so threads share them without changing a number.
    """
    fit, aside, score = rows

    def at_lag(lag: int) -> Probe:
        y_fit, y_aside, y_score = (symbols[at - lag].reshape(-1) for at in places)
        regression = fitted(fit, y_fit, (aside, y_aside), classes)
        loss = float(regression.losses(score, y_score).mean(dtype=np.float64)) / math.log(2)
        entropy = entropy_of(y_score)
        return Probe(lag, entropy, loss, max(entropy - loss, 0.0), regression.ridge)

    found = []
    with single_thread(), ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        for probe in pool.map(at_lag, range(lags + 1)):
            found.append(probe)
            advance(1)
    return found


def entropy_of(symbols: Array) -> float:
    """Return the entropy in bits of the shares of symbols (N,)."""
    counts = np.bincount(symbols)
    shares = counts[counts > 0] / len(symbols)
    return float(-(shares * np.log2(shares)).sum())
