"""Stretches of a text in which a model is watched: all of a short one, a part of a long one.

A stretch is some symbols that follow each other. Before each of them the model reads up to
`WARM_UP` symbols from zero states, as the evaluation does (`charnn.models.evaluation`), so its
states are those of a model that has read the text. Several stretches are read side by side.

What is found on one half of the stretches is judged on the other. Which are in which half is drawn
at random: neighbouring states are alike, so halves are made of stretches and not of symbols.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charnn.analysis.positions import states_before
from charnn.analysis.trace import Trace, trace_windows
from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.models.evaluation import WARM_UP
from charnn.models.language_model import LanguageModel

COLUMNS = 16  # stretches side by side
WINDOW = 16  # steps of them that are traced at once
FEWEST = 8  # stretches of a text, so that both halves have several
SHORTEST = 8  # symbols of a stretch


@dataclass(frozen=True)
class Stretches:
    """Stretches of `length` symbols: where they begin in the text, in order, and their halves.

    `second` says for each whether it is in the half on which findings are judged.
    """

    starts: Array
    length: int
    second: Array

    @property
    def symbols(self) -> int:
        """Number of symbols in all stretches."""
        return len(self.starts) * self.length

    def half(self, second: bool) -> Array:
        """Return where the stretches of a half begin."""
        found: Array = self.starts[self.second == second]
        return found


@dataclass(frozen=True)
class Watched:
    """A window of some stretches: the places of its symbols in the text, and the trace, (T, B).

    `steps` are the window's in each stretch, and `columns` say which of the stretches they are.
    """

    at: Array
    trace: Trace
    steps: slice
    columns: slice


def stretches_of(N: int, symbols: int, length: int, seed: int) -> Stretches:
    """Return stretches of about `length` symbols in a text of N: all of it, or about `symbols`.

    Where there are few symbols, the stretches are shorter. Raises CorpusError for a text of less
    than 64 symbols.
    """
    if N < FEWEST * SHORTEST:
        raise CorpusError(
            f"the text has {N} symbols that the model knows, and {FEWEST * SHORTEST} are needed to "
            "find something in one half and judge it on the other; give more text."
        )
    length = min(length, max(min(N, symbols) // FEWEST, SHORTEST))
    count = max(-(-N // length), FEWEST)
    length = N // count
    random = np.random.default_rng(seed)
    kept = min(count, max(FEWEST, -(-symbols // length)))
    starts = np.sort(random.choice(count, kept, replace=False)) * length
    second = np.arange(kept) % 2 == 1
    random.shuffle(second)
    return Stretches(starts, length, second)


def watch(
    model: LanguageModel, ids: Array, starts: Array, length: int, warm_up: int = WARM_UP
) -> Iterator[Watched]:
    """Yield the traces of some stretches of a text (N,), window after window."""
    for first in range(0, len(starts), COLUMNS):
        group = starts[first : first + COLUMNS]
        places = group + np.arange(length)[:, None]
        states = states_before(model, ids, group, warm_up)
        windows = trace_windows(model, ids[places], states, WINDOW)
        columns = slice(first, first + len(group))
        for begin, trace in zip(range(0, length, WINDOW), windows, strict=True):
            steps = slice(begin, begin + len(trace.ids))
            yield Watched(places[steps], trace, steps, columns)
