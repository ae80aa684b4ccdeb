"""How much of the past a model uses: its loss by the number of symbols read since a zero state.

    l_k(T)     the loss at x_T after reading x_{T-k} ... x_{T-1} from zero states, in bits
    l(T)       the same after all of that and `WARM_UP` symbols before (`charnn.models.evaluation`)
    excess_k   the mean over T of l_k(T) - l(T): what the symbols before T - k would have told

With k = 0 nothing has been read and h is 0: the output's bias predicts alone.

Reading begins at random places of a text, and each place gives one T for each k. Both losses are of
the same symbol, so what makes a symbol easy or hard cancels out: a difference of 0.01 bits can be
seen with a few hundred places. The mean for k is over k - k // 8 ... k + k // 8 read symbols, and
the standard error is that of the places' means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charnn.analysis.positions import states_before, windows_at_random
from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.models.evaluation import WARM_UP
from charnn.models.language_model import LanguageModel
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.losses import cross_entropy

COLUMNS = 64  # places side by side
WINDOW = 64  # steps computed at once
LEAST = 8  # symbols of a text
SPREAD = 8  # the mean for k is over k - k // SPREAD ... k + k // SPREAD
NEAR = (0.1, 0.01)  # bits


@dataclass(frozen=True)
class ContextUse:
    """The losses in bits by the number k of symbols read, k = 0, 1, ...

    `loss[k]` is `full` plus `excess[k]`; `error[k]` is the standard error of the excess. `gains`
    are what reading 2k symbols saves against k, by k, with its standard error; `enough` the k from
    which on the excess is below so many bits, None where the last still is not.
    """

    places: int
    full: float
    loss: list[float]
    excess: list[float]
    error: list[float]
    gains: dict[int, tuple[float, float]]
    enough: dict[float, int | None]


def context_use(
    model: LanguageModel,
    ids: Array,
    length: int,
    places: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> ContextUse:
    """Return a model's losses on a text (N,) by the number of symbols read, at most `length`.

    Of a short text there are fewer. `advance` is told of places done. Raises CorpusError for a text
    of less than eight symbols.
    """
    N = len(ids)
    if N < LEAST:
        raise CorpusError(
            f"the text has {N} symbols that the model knows; {LEAST} are needed; give more text."
        )
    while length + length // SPREAD > (N - 1) // 2:
        length -= 1
    span = length + length // SPREAD + 1
    starts = windows_at_random(N, span, min(WARM_UP, N - span), places, seed)
    warm_up = min(WARM_UP, N - span)
    excess, full = [], []
    for first in range(0, len(starts), COLUMNS):
        group = starts[first : first + COLUMNS]
        whole = losses_after(model, ids, group, span, warm_up)
        excess.append(smoothed(losses_after(model, ids, group, span, 0) - whole, length))
        full.append(whole)
        advance(len(group))
    return summary(np.concatenate(excess, axis=1), float(np.concatenate(full, axis=1).mean()))


def losses_after(model: LanguageModel, ids: Array, starts: Array, span: int, warm_up: int) -> Array:
    """Return the losses (span, B) in bits at the symbols from `starts` (B,) on.

    `warm_up` symbols before them are read first, from zero states; without any, the first loss is
    that of zero states themselves.
    """
    targets = ids[starts + np.arange(span)[:, None]]
    found = np.empty(targets.shape)
    buffers = Buffers()
    with single_thread():
        if warm_up:
            states = states_before(model, ids, starts - 1, warm_up - 1)
            losses, states = model.losses(ids[starts - 1][None], targets[:1], states, buffers)
            found[0] = losses[0]
        else:
            states = model.zero_states(len(starts))
            zeros = np.zeros((1, len(starts), model.config.hidden_size), states[0][0].dtype)
            logits, _ = model.head.logits(model.parameters, zeros, buffers)
            found[0] = cross_entropy(logits, targets[0])[0]
        for at in range(0, span - 1, WINDOW):
            end = min(at + WINDOW, span - 1)
            losses, states = model.losses(
                targets[at:end], targets[at + 1 : end + 1], states, buffers
            )
            found[at + 1 : end + 1] = losses
    return found / math.log(2)


def smoothed(values: Array, length: int) -> Array:
    """Return the means of values (K', B) around each k = 0 ... length, (length + 1, B)."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    k = np.arange(length + 1)
    low, high = k - k // SPREAD, k + k // SPREAD + 1
    means: Array = (sums[high] - sums[low]) / (high - low)[:, None]
    return means


def summary(excess: Array, full: float) -> ContextUse:
    """Return what the excess (K + 1, places) at each place says."""
    mean = excess.mean(axis=1)
    gains = {
        k: (float((excess[k] - excess[2 * k]).mean()), standard_error(excess[k] - excess[2 * k]))
        for k in doubled(len(mean) - 1)
        if k and 2 * k < len(mean)
    }
    return ContextUse(
        excess.shape[1],
        full,
        (full + mean).tolist(),
        mean.tolist(),
        [standard_error(values) for values in excess],
        gains,
        {bits: enough(mean, bits) for bits in NEAR},
    )


def doubled(last: int) -> list[int]:
    """Return 0, 1, 2, 4, ... up to `last`."""
    return [0, *(2**n for n in range(last.bit_length()) if 2**n <= last)]


def standard_error(values: Array) -> float:
    """Return the standard error of a mean; 0 of a single value, whose spread nobody knows."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def enough(excess: Array, bits: float) -> int | None:
    """Return the number of symbols from which on the excess is below so many bits, or None."""
    above = np.flatnonzero(excess >= bits)
    first = int(above[-1]) + 1 if above.size else 0
    return first if first < len(excess) else None
