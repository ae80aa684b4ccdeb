"""Decoding: the likeliest target of a source, by beam search.

At each step a beam of k hypotheses is extended by every symbol, and the k likeliest stay. One that
has ended keeps its place with the probability that it has. With k = 1 this is greedy decoding: the
likeliest symbol at every step. Hypotheses of different lengths are ranked by (Wu et al., 2016)

    score = log p / ((5 + n) / 6)^a

where n counts the symbols, the end included, and a is the length penalty; a = 0 ranks by log p. A
target that has reached its greatest length has to end: only the end may follow, with the
probability that it has. So log p is always that of a whole target.

Sources side by side do not change each other's targets. One whose n best are decided may go on for
the others' sake: what still goes on is no likelier than those n (its bound divides by the greatest
length), so they keep their places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.models.transducer import Transducer
from charnn.nn.blas import single_thread
from charnn.nn.losses import log_softmax


@dataclass(frozen=True)
class Hypothesis:
    """A target: its ids without the end, its log probability in nats, its score by length.

    `attention` (T, S) are the weights of the source's symbols at each step, the end's included, or
    None without attention.
    """

    ids: list[int]
    log_probability: float
    score: float
    attention: Array | None


class Beam:
    """The hypotheses of B sources, k each, from the likeliest."""

    def __init__(self, longest: Array, width: int, end: int) -> None:
        """Begin with the empty target of each source; `longest` (B,) symbols may come."""
        B = len(longest)
        self._end, self._longest = end, longest
        self.log_p = np.full((B, width), -np.inf)
        self.log_p[:, 0] = 0  # at first there is one hypothesis, the empty one
        self.lengths = np.zeros((B, width), np.intp)  # with the end
        self.ended = np.zeros((B, width), bool)
        self._steps: list[tuple[Array, Array, Array | None]] = []

    def extend(self, log_y: Array, alpha: Array | None) -> tuple[Array, Array]:
        """Keep the likeliest extensions, given log y (B, k, V) of the next symbols.

        Returns the symbols (B, k) that were added, and the rows (B * k,) that they extend.
        """
        B, k, V = log_y.shape
        log_y[self._longest <= len(self._steps), :, : self._end] = -np.inf
        log_y[self.ended] = -np.inf
        log_y[self.ended, self._end] = 0
        candidates = (self.log_p[..., None] + log_y).reshape(B, k * V)
        best = np.argpartition(-candidates, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(candidates, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        parents, symbols = np.divmod(best, V)
        self.log_p = np.take_along_axis(candidates, best, 1)
        ended = np.take_along_axis(self.ended, parents, 1)
        self.lengths = np.take_along_axis(self.lengths, parents, 1) + ~ended
        self.ended = ended | (symbols == self._end)
        self._steps.append((symbols, parents, alpha))
        return symbols, (np.arange(B)[:, None] * k + parents).reshape(-1)

    def decided(self, n_best: int, penalty: float) -> bool:
        """Return whether no hypothesis that goes on can become one of any source's n best."""
        ended = np.sort(self.scores(penalty), axis=1)[:, -n_best]
        going = np.where(self.ended, -np.inf, self.log_p).max(axis=1)
        return bool((ended >= going / normalizer(self._longest + 1, penalty)).all())

    def scores(self, penalty: float) -> Array:
        """Return log p, normalised by length, of the targets that have ended, -inf of others."""
        return np.where(self.ended, self.log_p / normalizer(self.lengths, penalty), -np.inf)

    def hypotheses(self, n_best: int, penalty: float) -> list[list[Hypothesis]]:
        """Return the n best hypotheses of each source."""
        scores = self.scores(penalty)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]
        return [
            [
                self._hypothesis(b, int(place), float(scores[b, place]))
                for place in places
                if np.isfinite(scores[b, place])
            ]
            for b, places in enumerate(order)
        ]

    def _hypothesis(self, b: int, place: int, score: float) -> Hypothesis:
        """Follow a hypothesis back to its beginning."""
        log_p, length, k = float(self.log_p[b, place]), int(self.lengths[b, place]), place
        ids, attention = [], []
        for symbols, parents, alpha in reversed(self._steps):
            ids.append(int(symbols[b, k]))
            k = int(parents[b, k])
            if alpha is not None:
                attention.append(alpha[b, k])
        ids, attention = ids[::-1][:length], attention[::-1][:length]
        alphas = np.stack(attention) if attention else None
        return Hypothesis(ids[:-1], log_p, score, alphas)


def decode(
    model: Transducer,
    ids: Array,
    lengths: Array,
    *,
    beam: int = 1,
    n_best: int = 1,
    max_length: int | None = None,
    length_penalty: float = 0.0,
    unknown: int | None = None,
) -> list[list[Hypothesis]]:
    """Return the n best targets of each source, from the best: ids (S, B), lengths (B,).

    `beam` is at least `n_best`; a target has `max_length` symbols at most, by default twice the
    source's and 20 more. The id `unknown`, if there is one, is never predicted. There are fewer
    than n targets where there are not so many.
    """
    S, B = ids.shape
    longest = 2 * lengths + 20 if max_length is None else np.full(B, max_length)
    with single_thread():
        stepper = model.decoder_stepper(ids, lengths, beam)
        hypotheses = Beam(longest, beam, model.delimiter)
        symbols = np.full(B * beam, model.delimiter, np.intp)
        for _ in range(int(longest.max(initial=0)) + 1):
            logits, alpha = stepper.step(symbols)
            log_y = log_softmax(logits.astype(np.float64)).reshape(B, beam, -1)
            if unknown is not None:
                log_y[..., unknown] = -np.inf
            weights = None if alpha is None else alpha.reshape(B, beam, S)
            added, parents = hypotheses.extend(log_y, weights)
            if hypotheses.decided(n_best, length_penalty):
                break
            stepper.take(parents)
            symbols = added.reshape(-1)
        return hypotheses.hypotheses(n_best, length_penalty)


def normalizer(length: Array | int, penalty: float) -> Array | float:
    """Return what log p is divided by: `((5 + n) / 6)^penalty`."""
    value: Array | float = ((5 + np.asarray(length)) / 6) ** penalty
    return value
