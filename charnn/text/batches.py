"""Contiguous streams for truncated backpropagation through time.

The text is cut into B streams of equal length S, read side by side; a window is T steps of all of
them, and its targets are its inputs shifted by one. The states after a window are the states
before the next. An epoch's last window is shorter where T does not divide S.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.errors import CorpusError

ALL = slice(None)
EVERYTHING = frozenset({"batch_size", "seq_length"})


@dataclass(frozen=True)
class Streams:
    """A text (N,) cut for batches of B streams and windows of T steps."""

    ids: Array
    batch_size: int
    seq_length: int

    @property
    def length(self) -> int:
        """Steps of a stream: S = (N - 1) // B; fewer than B symbols at the end are left out."""
        return (len(self.ids) - 1) // self.batch_size

    @property
    def windows(self) -> int:
        """Windows of an epoch."""
        return -(-self.length // self.seq_length)

    def symbols(self, number: int) -> int:
        """Return how many symbols window `number` predicts: T x B."""
        return self.batch_size * min(self.seq_length, self.length - number * self.seq_length)

    def window(self, number: int, columns: slice = ALL) -> tuple[Array, Array]:
        """Return the inputs and targets of window `number` (from 0), (T, B) each.

        `columns` chooses some of the B streams.
        """
        start = number * self.seq_length
        steps = min(self.seq_length, self.length - start)
        streams = np.arange(self.batch_size)[columns]
        at = streams * self.length + start + np.arange(steps)[:, None]
        return self.ids[at], self.ids[at + 1]


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
    batch, steps = fit_streams(length, batch_size, seq_length, EVERYTHING)
    raise CorpusError(
        f"the training part has {length:,} symbols; batch_size {batch_size} x seq_length "
        f"{seq_length} needs {batch_size * seq_length + 1:,}. "
        f"Use --batch-size {batch} --seq-length {steps}, or more text."
    )
