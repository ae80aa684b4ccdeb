"""Dynamic evaluation: the loss of a language model that goes on learning from the text it reads.

The text is read once, from beginning to end, in segments of T symbols, with its states carried. A
segment is scored with the weights p that the segments before it left behind, and only then is its
gradient used (Krause, Kahembwe, Murray and Renals, "Dynamic evaluation of neural sequence models",
2018):

    g    = gradient of the segment's mean loss at p
    r    = sqrt(mean of g^2 over segments of the training text)      by parameter, at p_0
    p   <- p - rate g / (r + epsilon m) + min(decay r / m, 1) (p_0 - p)

Here p_0 are the trained weights and m is the mean of r over all parameters, so that epsilon, unlike
theirs, does not depend on the gradients' scale: a symbol that the training text hardly has cannot
move its weights far. Without a training text r is the root mean square over the segments read so
far, to which the mean over all parameters is added as if it were `PRIOR` more segments: of a single
segment g / r would be nothing but signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from charnn.arrays import Array
from charnn.errors import ConfigError
from charnn.models.evaluation import WARM_UP
from charnn.models.language_model import LanguageModel
from charnn.models.model import LossBackward
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.optimizers import CHUNK
from charnn.nn.parameters import Gradients
from charnn.text.batches import Batch
from charnn.text.source import ignore

EPSILON = 0.1
PRIOR = 10  # segments
STRETCHES = 64  # of the training text, evenly spaced, in which gradients are gathered
SEGMENTS = 16  # of a stretch
GATHERING = 20_000  # steps of a bar that shows how far that is


class Rates(Protocol):
    """The constants of the rule; `DynamicConfig` has them."""

    @property
    def dynamic_rate(self) -> float:
        """How far a segment moves the weights."""

    @property
    def dynamic_decay(self) -> float:
        """How strongly weights are pulled back towards the trained ones."""

    @property
    def dynamic_segment(self) -> int:
        """Symbols of a segment."""


class Rule:
    """How a gradient moves the weights, and the statistics that it takes for that."""

    def __init__(self, trained: Array, rates: Rates, squares: Array | None) -> None:
        """Begin at trained weights (P,); `squares` (P,) are `mean_squares`, if there are any."""
        self._trained, self._rates = trained, rates
        self._online = squares is None
        self._total = np.zeros_like(trained) if squares is None else squares
        self._segments = 0
        if squares is not None:
            self._scale(np.sqrt(squares))

    def _scale(self, r: Array) -> None:
        """Take r (P,) as the root mean squares of the gradients from now on."""
        mean = float(r.mean(dtype=np.float64)) or 1.0  # 1: without gradients nothing moves
        self._steps = self._rates.dynamic_rate / (r + EPSILON * mean)
        self._pulls = np.minimum(r * (self._rates.dynamic_decay / mean), 1)

    def update(self, p: Array, g: Array) -> None:
        """Move p (P,) by the gradient g (P,) of the segment that was scored last; g is used up."""
        if self._online:
            self._total += g * g
            self._segments += 1
            prior = PRIOR * float(self._total.mean(dtype=np.float64)) / self._segments
            self._scale(np.sqrt((self._total + prior) / (self._segments + PRIOR)))
        for start in range(0, len(p), CHUNK):
            chunk = slice(start, start + CHUNK)
            pull = self._trained[chunk] - p[chunk]
            pull *= self._pulls[chunk]
            g[chunk] *= self._steps[chunk]
            pull -= g[chunk]
            p[chunk] += pull


def evaluate_dynamically(
    model: LanguageModel,
    ids: Array,
    rates: Rates,
    squares: Array | None = None,
    advance: Callable[[int], None] = ignore,
) -> Score:
    """Return the loss on `ids` (N,), N >= 2, of a copy of the model that learns from them.

    `squares` (P,) are `mean_squares` of the training text; without them statistics are gathered
    while the text is read. `advance` is called with the number of predictions of each segment.
    Raises ConfigError where the rate is so high that the loss is no number any more.
    """
    own = model.parameters.astype(model.parameters.flat.dtype)
    slopes = own.zeros_like()
    gradients, N = Gradients(slopes), len(ids) - 1
    nats, predictions = 0.0, 0
    # A rate that is too high is reported below, in words.
    with single_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rule = Rule(model.parameters.flat, rates, squares)
        learning, states = model.with_parameters(own), model.zero_states(1)
        for symbols, loss, backward in segments(learning, ids, rates.dynamic_segment, states):
            nats += symbols * loss
            predictions += symbols
            if not math.isfinite(nats):
                raise ConfigError(
                    f"dynamic_rate is {rates.dynamic_rate:g}, and after {predictions:,} symbols "
                    "the loss is no longer a number; give a lower one."
                )
            if predictions < N:  # nothing is left to gain from the last segment
                gradients.clear()
                backward(gradients)
                gradients.settle()
                rule.update(own.flat, slopes.flat)
            advance(symbols)
    return Score(nats, predictions)


def mean_squares(
    model: LanguageModel, ids: Array, segment: int, advance: Callable[[int], None] = ignore
) -> Array:
    """Return the mean of g^2 (P,) over segments of a training text, ids (N,), N >= 2.

    Of a long text that is a sample, in stretches that are spread evenly over it. `advance` is
    called with how many more of `GATHERING` steps are done.
    """
    slopes = model.parameters.zeros_like()
    gradients, buffers = Gradients(slopes), Buffers()
    total, count = np.zeros_like(slopes.flat), 0
    parts = stretches(len(ids) - 1, segment)
    with single_thread():
        for number, (start, end) in enumerate(parts):
            states = model.zero_states(1)
            if start:
                warm_up = ids[max(0, start - WARM_UP) : start, None]
                states = copied(model.read(warm_up, states, buffers))
            for _, _, backward in segments(model, ids[start : end + 1], segment, states, buffers):
                gradients.clear()
                backward(gradients)
                gradients.settle()
                slopes.flat *= slopes.flat
                total += slopes.flat
                count += 1
            advance(GATHERING * (number + 1) // len(parts) - GATHERING * number // len(parts))
    total /= count
    return total


def segments(
    model: LanguageModel,
    ids: Array,
    T: int,
    states: LayerStates,
    buffers: Buffers | None = None,
) -> Iterator[tuple[int, float, LossBackward]]:
    """Yield for each T predictions of ids (N,): how many, their mean loss, and `backward`.

    The last may be fewer. `backward` is to be called, if at all, before the next is asked for.
    """
    buffers = buffers or Buffers()
    for begin in range(0, len(ids) - 1, T):
        window = ids[begin : begin + T + 1, None]
        batch = Batch(window[:-1], window[1:])
        loss, final, backward = model.loss(batch, states, buffers=buffers)
        states = copied(final)
        yield len(window) - 1, loss, backward


def copied(states: LayerStates) -> LayerStates:
    """Return states that stay as they are when buffers are used again."""
    return [tuple(state.copy() for state in layer) for layer in states]


def stretches(N: int, T: int) -> list[tuple[int, int]]:
    """Return the parts of N predictions, begins and ends, from which segments of T are taken.

    Each holds whole segments, unless there is not even one.
    """
    if N // T <= STRETCHES * SEGMENTS:
        return [(0, N // T * T or N)]
    length = SEGMENTS * T
    starts = np.linspace(0, N - length, STRETCHES).astype(int).tolist()
    return [(start, start + length) for start in starts]
