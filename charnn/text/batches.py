"""Batches: what an update learns from, and where batches come from.

A source of batches has a number of batches an epoch (`count`), makes each of them or some of its
columns (`batch`), and says whether the states after a batch are those before the next
(`carries_state`). Contiguous streams of one text are a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from charnn.arrays import Array
from charnn.errors import CorpusError

ALL = slice(None)
BOTH = frozenset({"batch_size", "seq_length"})


@dataclass(frozen=True)
class Batch:
    """Inputs and targets, (T, B) each: B sequences side by side.

    `lengths` (B,) are the sequences' lengths where they are padded to T; None stands for T
    everywhere. `target_lengths` (B,) are those of the targets where they are sequences of their
    own, padded to a T of their own; None stands for `lengths`. `weights` (T, B) say what each
    target counts; None stands for 1 up to the sequence's end.
    """

    inputs: Array
    targets: Array
    lengths: Array | None = None
    weights: Array | None = None
    target_lengths: Array | None = None

    @property
    def target_weights(self) -> Array | None:
        """What each target counts, (T, B), 0 behind a sequence's end; None where all count 1."""
        lengths = self.lengths if self.target_lengths is None else self.target_lengths
        if lengths is None:
            return self.weights
        inside = np.arange(len(self.targets))[:, None] < lengths
        return inside if self.weights is None else inside * self.weights


class Source(Protocol):
    """Where the batches of an epoch come from."""

    @property
    def count(self) -> int:
        """Batches of an epoch."""

    @property
    def carries_state(self) -> bool:
        """Whether the states after a batch are those before the next one of the epoch."""

    def batch(self, number: int, columns: slice = ALL) -> Batch:
        """Return batch `number` of an epoch, from 0, or some of its columns."""

    def weight(self, number: int) -> float:
        """Return the weight of all targets of a whole batch, by which its loss is divided."""


@dataclass(frozen=True)
class Streams:
    """A text (N,) cut into B contiguous streams of equal length S, read side by side.

    A batch is a window of T steps of all streams, and its targets are its inputs shifted by one.
    An epoch's last window is shorter where T does not divide S.
    """

    ids: Array
    batch_size: int
    seq_length: int
    carries_state: ClassVar[bool] = True

    @property
    def length(self) -> int:
        """Steps of a stream: S = (N - 1) // B; fewer than B symbols at the end are left out."""
        return (len(self.ids) - 1) // self.batch_size

    @property
    def count(self) -> int:
        """Windows of an epoch."""
        return -(-self.length // self.seq_length)

    def weight(self, number: int) -> int:
        """Return how many symbols window `number` predicts: T x B."""
        return self.batch_size * min(self.seq_length, self.length - number * self.seq_length)

    def batch(self, number: int, columns: slice = ALL) -> Batch:
        """Return window `number` (from 0), or some of its B streams."""
        start = number * self.seq_length
        steps = min(self.seq_length, self.length - start)
        streams = np.arange(self.batch_size)[columns]
        at = streams * self.length + start + np.arange(steps)[:, None]
        return Batch(self.ids[at], self.ids[at + 1])


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
