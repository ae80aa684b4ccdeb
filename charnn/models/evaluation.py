"""The loss of a model on a whole text, its states carried from beginning to end.

A long text is cut into streams that are computed side by side. Each stream but the first reads the
`WARM_UP` symbols before its cut first, unscored, so that its states at the cut are the carried
ones: what a state remembers of symbols further back than that is nearly nothing. With one stream
there is no cut.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel
from charnn.models.score import Score
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers

STREAMS = 64
WARM_UP = 256  # symbols
SHORTEST_STREAM = 4 * WARM_UP
WINDOW = 64  # time steps computed at once
LARGEST_LOGITS = 1 << 22  # elements


def evaluate(
    model: LanguageModel,
    ids: Array,
    streams: int = STREAMS,
    advance: Callable[[int], None] | None = None,
    share: tuple[int, int] = (0, 1),
) -> Score:
    """Return the loss on `ids` (N,), N >= 2: the N - 1 symbols after the first are predicted.

    Memory does not grow with N. `advance` is called with the number of predictions of each window.
    `share` k of n scores only the k-th n-th of the streams: the shares add up to the whole score.
    """
    N = len(ids) - 1
    cut = max(1, min(streams, N // SHORTEST_STREAM))
    length = -(-N // cut)
    number, shares = share
    first, last = (cut * n // shares for n in (number, number + 1))
    starts = np.arange(first, last) * length
    B = len(starts)
    if B == 0:
        return Score(0.0, 0)
    ends = np.minimum(starts + length, N)
    T = max(1, min(WINDOW, LARGEST_LOGITS // (B * model.vocab_size)))
    states = model.zero_states(B)
    buffers = Buffers()
    nats = 0.0
    with single_thread():
        if cut > 1:
            warm_up = starts + np.arange(-WARM_UP, 0)[:, None]
            for window in np.split(warm_up.clip(0, N - 1), range(T, WARM_UP, T)):
                states = model.read(ids[window], states, buffers)
            states = model.begun_again(states, starts == 0)  # this stream is the text's beginning
        for begin in range(0, length, T):
            at = starts + np.arange(begin, min(begin + T, length))[:, None]
            scored = at < ends
            at = np.minimum(at, N - 1)
            losses, states = model.losses(ids[at], ids[at + 1], states, buffers)
            nats += float(losses.sum(where=scored, dtype=np.float64))
            if advance is not None:
                advance(int(scored.sum()))
    return Score(nats, int((ends - starts).clip(0).sum()))
