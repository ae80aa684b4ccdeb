"""Where in a text a model is looked at: random positions, and its states before them.

A long text is not read from beginning to end for a few positions in it. The model begins at zero
states some symbols before each of them, as the evaluation does (`charnn.models.evaluation`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from charnn.arrays import Array
from charnn.models.evaluation import WARM_UP, WINDOW
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers


def windows_at_random(N: int, span: int, warm_up: int, count: int, seed: int) -> Array:
    """Return where windows of `span` symbols begin in a text of N, in order, at most `count`.

    They may overlap, and `warm_up` symbols stand before each. The text must have room for one.
    """
    room = N - span - warm_up + 1
    random = np.random.default_rng(seed)
    drawn = random.choice(room, min(count, room), replace=False)
    starts: Array = np.sort(drawn) + warm_up
    return starts


def states_before(
    model: LanguageModel, ids: Array, starts: Array, warm_up: int = WARM_UP
) -> LayerStates:
    """Return the states before some places (B,) of a text, after `warm_up` symbols each.

    Where fewer stand before a place, those are read, from zero states on.
    """
    before = starts + np.arange(-warm_up, 0)[:, None]
    begins = [warm_up - int(start) for start in starts if start < warm_up]  # where the text does
    cuts = sorted({*range(0, warm_up, WINDOW), warm_up, *begins})
    states, buffers = model.zero_states(len(starts)), Buffers()
    with single_thread():
        for start, end in pairwise(cuts):
            states = model.read(ids[before[start:end].clip(0)], states, buffers)
            states = model.begun_again(states, starts - warm_up + end == 0)
    return states
