"""Batches of examples of similar length, padded: a source of batches for sequence tasks.

In each epoch, examples are shuffled, sorted by length within pools of some batches, and cut into
batches, which are shuffled again. So padding is a small part of a batch, and no two epochs have the
same batches. The order is a function of (seed, epoch), and a batch of (seed, update): a run that
goes on in the middle of an epoch needs no further state.

A curriculum (Bengio et al., "Curriculum learning", 2009) begins with the shortest examples: while
the update is below `growth`, batches are drawn from those whose longer side, source or target, does
not exceed a cap, which grows linearly from the length of the shortest tenth to that of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from charnn.arrays import Array
from charnn.text.batches import WHOLE, Batch, Share
from charnn.text.pairs import Pairs

POOL = 64  # batches whose examples are sorted by length
SHORTEST = 0.1  # share of the examples that a curriculum begins with


class Buckets:
    """Batches of one part's examples, without end: `update` counts from the run's beginning.

    `ends` is the number of symbols that a model scores behind each target: 1 where it has to end a
    target itself, or else 0.
    """

    def __init__(
        self, pairs: Pairs, batch_size: int, seed: int, ends: int = 0, growth: int | None = None
    ) -> None:
        """Keep what the batches are made from; the first epoch is ordered when it is asked for."""
        self.pairs = pairs
        self.batch_size = batch_size
        self.seed = seed
        self.ends = ends
        self.growth = growth
        self._epoch: tuple[int, Array, Array] | None = None
        self._drawn_last: tuple[int, Array] | None = None  # asked for by `batch` and by `weight`
        if growth is not None:
            self._by_length = np.argsort(pairs.lengths, kind="stable")
            self._sorted_lengths = pairs.lengths[self._by_length]

    @property
    def count(self) -> int:
        """Batches of an epoch; the last of them to be cut may be smaller than the others."""
        return -(-len(self.pairs) // self.batch_size)

    def batch(self, update: int, share: Share = WHOLE) -> Batch:
        """Return an update's batch, or share (k, n) of it: its k-th of n, from 0.

        Rows are dealt out in turn, sorted by length, so that shares take equally long. A share of a
        batch of fewer than n rows may have none.
        """
        k, n = share
        return batch_of(self.pairs, self.rows(update)[k::n])

    def weight(self, update: int) -> float:
        """Return how many targets of an update's whole batch are scored, by any share."""
        rows = self.rows(update)
        return float(self.pairs.targets.lengths[rows].sum() + self.ends * len(rows))

    @property
    def mean_weight(self) -> float:
        """Targets of a batch that are scored, on average."""
        scored = int(self.pairs.targets.starts[-1]) + self.ends * len(self.pairs)
        return scored / self.count

    @property
    def mean_symbols(self) -> float:
        """Symbols of a batch's sources or targets, whichever are more, on average."""
        sides = self.pairs.sources, self.pairs.targets
        return max(int(side.starts[-1]) for side in sides) / self.count

    def begins(self, update: int) -> bool:
        """Return True: every example is a sequence of its own."""
        return True

    def epochs(self, updates: int) -> float:
        """Return how many passes over the examples some updates are."""
        return updates / self.count

    def updates(self, epochs: float) -> int:
        """Return how many updates some passes over the examples take, at least one."""
        return max(1, round(epochs * self.count))

    def rows(self, update: int) -> Array:
        """Return the numbers of the examples in an update's batch, sorted by length."""
        if self.growth is not None and update < self.growth:
            if self._drawn_last is None or self._drawn_last[0] != update:
                self._drawn_last = update, self._drawn(update)
            return self._drawn_last[1]
        epoch, number = divmod(update, self.count)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, *self._order(epoch)
        _, order, batches = self._epoch
        start = int(batches[number]) * self.batch_size
        rows: Array = order[start : start + self.batch_size]
        return rows

    def cap(self, update: int) -> int:
        """Return the greatest length that a curriculum allows in an update."""
        lengths = self._sorted_lengths
        first, last = int(lengths[int(SHORTEST * (len(lengths) - 1))]), int(lengths[-1])
        return first + (last - first) * update // (self.growth or 1)

    def _order(self, epoch: int) -> tuple[Array, Array]:
        """Return an epoch's examples (M,), batch by batch, and the order of its batches."""
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(len(self.pairs))
        pools = np.arange(len(order)) // (POOL * self.batch_size)
        order = order[np.lexsort((*self._lengths(order), pools))]
        return order, rng.permutation(self.count)

    def _drawn(self, update: int) -> Array:
        """Return the rows of a batch that is drawn from the examples within the cap."""
        allowed = int(np.searchsorted(self._sorted_lengths, self.cap(update), side="right"))
        rng = np.random.default_rng((self.seed, update))
        size = min(self.batch_size, allowed)
        rows = self._by_length[rng.choice(allowed, size, replace=False)]
        return rows[np.lexsort(self._lengths(rows))]

    def _lengths(self, rows: Array) -> tuple[Array, Array]:
        """Return what rows are sorted by, the more important last: source, then target."""
        return self.pairs.targets.lengths[rows], self.pairs.sources.lengths[rows]


def in_order(pairs: Pairs, batch_size: int) -> Iterator[tuple[Array, Batch]]:
    """Yield all examples once, from the shortest: the numbers of a batch's rows, and the batch."""
    order = np.lexsort((pairs.targets.lengths, pairs.sources.lengths))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield rows, batch_of(pairs, rows)


def batch_of(pairs: Pairs, rows: Array) -> Batch:
    """Return examples as a batch, padded with the id 0 behind each source's and target's end.

    No side is without a step, so that a model has something to read of empty sequences alone.
    """
    sources, targets = pairs.sources, pairs.targets
    lengths, target_lengths = sources.lengths[rows], targets.lengths[rows]
    return Batch(
        inputs=sources.padded(rows, steps=int(lengths.max(initial=1))),
        targets=targets.padded(rows, steps=int(target_lengths.max(initial=1))),
        lengths=lengths,
        target_lengths=target_lengths,
    )
