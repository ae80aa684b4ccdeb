"""Batches: what an update learns from, and where batches come from.

A source makes the batch of each update, or some of its columns (`batch`), and says whether
sequences begin with it or go on from the last one (`begins`). Contiguous streams of one text are a
source; padded examples of similar length are another (`charnn.text.buckets`). A batch depends on
the number of its update alone, so a run that is resumed needs to know nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np

from charnn.arrays import Array
from charnn.errors import CorpusError

Share: TypeAlias = tuple[int, int]

WHOLE: Share = (0, 1)
SHORTEST_WINDOW = 8  # steps that a curriculum begins with
BOTH = frozenset({"batch_size", "seq_length"})


@dataclass(frozen=True)
class Batch:
    """Inputs and targets, (T, B) each: B sequences side by side.

    `lengths` (B,) are the sequences' lengths where they are padded to T; None stands for T
    everywhere. `target_lengths` (B,) are those of the targets where they are sequences of their
    own, padded to a T of their own; None stands for `lengths`. `weights` (T, B) say what each
    target counts; None stands for 1 up to the sequence's end. `fed` (T + 1, B) is what is read
    while the targets are predicted, where it is not the targets themselves.
    """

    inputs: Array
    targets: Array
    lengths: Array | None = None
    weights: Array | None = None
    target_lengths: Array | None = None
    fed: Array | None = None

    def columns(self, columns: slice) -> Batch:
        """Return some of the batch's sequences, padded as they are here."""

        def some(array: Array | None) -> Array | None:
            return None if array is None else array[..., columns]

        return Batch(
            self.inputs[:, columns],
            self.targets[:, columns],
            *map(some, (self.lengths, self.weights, self.target_lengths, self.fed)),
        )

    @property
    def ends(self) -> Array:
        """The inputs' lengths, (B,)."""
        return self.lengths if self.lengths is not None else full_lengths(self.inputs)

    @property
    def target_ends(self) -> Array:
        """The targets' lengths, (B,)."""
        lengths = self.lengths if self.target_lengths is None else self.target_lengths
        return lengths if lengths is not None else full_lengths(self.targets)

    @property
    def target_weights(self) -> Array | None:
        """What each target counts, (T, B), 0 behind a sequence's end; None where all count 1."""
        lengths = self.lengths if self.target_lengths is None else self.target_lengths
        if lengths is None:
            return self.weights
        inside = np.arange(len(self.targets))[:, None] < lengths
        return inside if self.weights is None else inside * self.weights


def full_lengths(steps: Array) -> Array:
    """Return the lengths of sequences that are not padded: (T, B) -> (B,), T each."""
    return np.full(steps.shape[1], len(steps))


class Source(Protocol):
    """Where the batches of a run come from, one for each update, counted from 0."""

    @property
    def count(self) -> int:
        """Batches of an epoch."""

    @property
    def mean_weight(self) -> float:
        """The weight of all targets of a batch, on average."""

    @property
    def mean_symbols(self) -> float:
        """Symbols of a batch's inputs or targets, whichever are more, on average: its work."""

    def batch(self, update: int, share: Share = WHOLE) -> Batch:
        """Return the batch of an update, or share (k, n) of its columns: the k-th of n, from 0."""

    def weight(self, update: int) -> float:
        """Return the weight of all targets of a whole batch, by which its loss is divided."""

    def begins(self, update: int) -> bool:
        """Return whether sequences begin with the batch; else its states are the last one's."""

    def epochs(self, updates: int) -> float:
        """Return how many passes over the data some updates are."""

    def updates(self, epochs: float) -> int:
        """Return how many updates some passes over the data take, at least one."""


@dataclass(frozen=True)
class Streams:
    """A text (N,) cut into B contiguous streams of equal length S, read side by side.

    A batch is a window of T steps of all streams, and its targets are its inputs shifted by one.
    An epoch's last window is shorter where T does not divide S. With a curriculum, the windows of
    the first `growth` updates grow from `SHORTEST_WINDOW` steps to T.
    """

    ids: Array
    batch_size: int
    seq_length: int
    growth: int | None = None

    @property
    def length(self) -> int:
        """Steps of a stream: S = (N - 1) // B; fewer than B symbols at the end are left out."""
        return (len(self.ids) - 1) // self.batch_size

    @property
    def count(self) -> int:
        """Windows of an epoch."""
        return -(-self.length // self.seq_length)

    @property
    def mean_weight(self) -> float:
        """Symbols of a whole window: T x B."""
        return self.batch_size * self.seq_length

    @property
    def mean_symbols(self) -> float:
        """Symbols of a whole window."""
        return self.mean_weight

    def weight(self, update: int) -> int:
        """Return how many symbols a window predicts: T x B."""
        _, steps = self._window(update)
        return self.batch_size * steps

    def begins(self, update: int) -> bool:
        """Return whether an epoch begins with the window."""
        start, _ = self._window(update)
        return start == 0

    def epochs(self, updates: int) -> float:
        """Return how many passes over the text some updates are."""
        if self.growth is None:
            return updates / self.count
        _, passed = self._grown
        steps = int(passed[min(updates, self.growth)])
        return steps / self.length + max(0, updates - self.growth) / self.count

    def updates(self, epochs: float) -> int:
        """Return how many updates some passes over the text take."""
        if self.growth is None:
            return max(1, round(epochs * self.count))
        while_growing = self.epochs(self.growth)
        if epochs > while_growing:
            return self.growth + round((epochs - while_growing) * self.count)
        _, passed = self._grown
        return max(1, int(np.searchsorted(passed / self.length, epochs)))

    def batch(self, update: int, share: Share = WHOLE) -> Batch:
        """Return the window of an update, or share (k, n) of its B streams."""
        start, steps = self._window(update)
        number, shares = share
        first, last = (self.batch_size * n // shares for n in (number, number + 1))
        at = np.arange(first, last) * self.length + start + np.arange(steps)[:, None]
        return Batch(self.ids[at], self.ids[at + 1])

    def _window(self, update: int) -> tuple[int, int]:
        """Return where a window begins in its streams, and its steps."""
        if self.growth is None:
            return self._after(0, update)
        starts, passed = self._grown
        if update < self.growth:
            return int(starts[update]), int(passed[update + 1] - passed[update])
        return self._after(int(starts[-1]), update - self.growth)

    def _after(self, place: int, number: int) -> tuple[int, int]:
        """Return window `number` from a place in an epoch on: where it begins, and its steps."""
        rest = -(-(self.length - place) // self.seq_length)  # windows of the same epoch
        if number >= rest:
            place, number = 0, (number - rest) % self.count
        start = place + number * self.seq_length
        return start, min(self.seq_length, self.length - start)

    @cached_property
    def _grown(self) -> tuple[Array, Array]:
        """The windows of the curriculum, as it grows: where each begins in its streams, (N + 1,).

        Beside that stand the steps of all windows before it, (N + 1,).
        """
        growth = self.growth or 0
        starts, passed = np.zeros((2, growth + 1), np.int64)
        first, place = min(SHORTEST_WINDOW, self.seq_length), 0
        for update in range(growth):
            cap = first + (self.seq_length - first) * update // growth
            steps = min(cap, self.length - place)
            place = (place + steps) % self.length
            starts[update + 1], passed[update + 1] = place, passed[update] + steps
        return starts, passed


def fit_streams(
    length: int, batch_size: int, seq_length: int, adaptable: frozenset[str]
) -> tuple[int, int]:
    """Return a batch size and sequence length that a text of `length` symbols can fill.

    Only those named in `adaptable` are lowered: first the batch, so that windows stay long, then
    the window. Raises CorpusError where that is not enough, with numbers that fit.
    """
    if length < 2:
        raise CorpusError(
            f"the training part has {length} symbols, and at least 2 are needed: one to read and "
            "one to predict; give more text, or lower --val-fraction and --test-fraction."
        )
    batch, steps = batch_size, seq_length
    if "batch_size" in adaptable:
        batch = min(batch, max(1, (length - 1) // steps))
    if "seq_length" in adaptable:
        steps = min(steps, max(1, (length - 1) // batch))
    if batch * steps < length:
        return batch, steps
    batch, steps = fit_streams(length, batch_size, seq_length, BOTH)
    raise CorpusError(
        f"the training part has {length:,} symbols; batch_size {batch_size} x seq_length "
        f"{seq_length} needs {batch_size * seq_length + 1:,}. "
        f"Use --batch-size {batch} --seq-length {steps}, or more text."
    )
