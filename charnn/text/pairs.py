"""Sequences of unequal lengths as two arrays, and a dataset of pairs of them.

M sequences of N ids in all lie behind one another in `ids` (N,); sequence m is
`ids[starts[m] : starts[m + 1]]`. Two arrays are quickly written, shared between processes and cut
into batches, at any number of sequences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.text.symbols import PairVocabulary

PARTS = ("train", "val", "test")
CHUNK = 1 << 16  # sequences that are copied at a time


@dataclass(frozen=True)
class Sequences:
    """M sequences: ids (N,) of an unsigned type, starts (M + 1,) int64."""

    ids: Array
    starts: Array

    @classmethod
    def of_lists(cls, lists: Iterable[Sequence[int]], size: int = 1) -> Sequences:
        """Return lists of ids as sequences, in a type that holds `size` different ids or more."""
        rows = [np.asarray(row, np.int64) for row in lists]
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        ids = np.concatenate([np.zeros(0, np.int64), *rows])
        return cls(ids.astype(id_dtype(max(size, int(ids.max(initial=0)) + 1))), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> Array:
        """Return the ids of one sequence."""
        ids: Array = self.ids[self.starts[row] : self.starts[row + 1]]
        return ids

    @cached_property
    def lengths(self) -> Array:
        """The lengths of all sequences, (M,)."""
        lengths: Array = np.diff(self.starts)
        return lengths

    def padded(self, rows: Array, fill: int = 0, steps: int | None = None) -> Array:
        """Return B sequences side by side, (T, B) intp, with `fill` behind their ends.

        T is `steps`, which must not be less than the longest of them, its default.
        """
        first, lengths = self.starts[rows], self.lengths[rows]
        longest = int(lengths.max(initial=0))
        step = np.arange(longest if steps is None else steps)[:, None]
        inside = step < lengths
        padded = np.full(inside.shape, fill, np.intp)
        padded[inside] = self.ids[(first + step)[inside]]
        return padded

    def take(self, rows: Array) -> Sequences:
        """Return some of the sequences, in the order of `rows`."""
        lengths = self.lengths[rows]
        starts = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        ids = np.empty(starts[-1], self.ids.dtype)
        shift = self.starts[rows] - starts[:-1]
        for first in range(0, len(lengths), CHUNK):  # positions take more memory than ids
            last = min(first + CHUNK, len(lengths))
            at = np.arange(starts[first], starts[last])
            ids[at] = self.ids[at + np.repeat(shift[first:last], lengths[first:last])]
        return Sequences(ids, starts)

    def followed_by(self, other: Sequences) -> Sequences:
        """Return the sequences with those of `other` behind each of them, row by row."""
        ids = np.empty(len(self.ids) + len(other.ids), np.result_type(self.ids, other.ids))
        ids[np.arange(len(self.ids)) + np.repeat(other.starts[:-1], self.lengths)] = self.ids
        ids[np.arange(len(other.ids)) + np.repeat(self.starts[1:], other.lengths)] = other.ids
        return Sequences(ids, self.starts + other.starts)


@dataclass(frozen=True)
class Pairs:
    """Examples: M sources and their M targets."""

    sources: Sequences
    targets: Sequences

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, rows: Array) -> Pairs:
        """Return some of the examples, in the order of `rows`."""
        return Pairs(self.sources.take(rows), self.targets.take(rows))

    @cached_property
    def lengths(self) -> Array:
        """The longer of source and target of each example, (M,)."""
        lengths: Array = np.maximum(self.sources.lengths, self.targets.lengths)
        return lengths


@dataclass(frozen=True)
class Examples:
    """A dataset of pairs, divided into examples for training, validation and test."""

    name: str
    files: list[str]
    vocabulary: PairVocabulary
    train: Pairs
    val: Pairs
    test: Pairs
    unknown: int  # how many symbols became an unknown one
    notes: list[str]  # what the user should know of the data, in sentences
    path: None = None  # arrays of examples are always in memory

    @property
    def parts(self) -> dict[str, int]:
        """Number of examples in each part."""
        return {part: len(getattr(self, part)) for part in PARTS}

    def has(self, part: str) -> bool:
        """Return whether there is something to score in a part."""
        return self.parts[part] > 0

    @property
    def arrays(self) -> dict[str, Array]:
        """All examples as arrays: `train/source/ids`, `train/source/starts`, ..."""
        return {
            f"{part}/{role}/{name}": array
            for part in PARTS
            for role, sequences in (
                ("source", getattr(self, part).sources),
                ("target", getattr(self, part).targets),
            )
            for name, array in (("ids", sequences.ids), ("starts", sequences.starts))
        }

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the vocabulary and of all examples: of everything that training sees."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.to_json()).encode())
        for name, array in self.arrays.items():
            digest.update(f"\n{name} {array.dtype.str} {len(array)}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def pairs_in(arrays: Arrays, part: str) -> Pairs:
    """Return a part, such as `train`, of what `Examples.arrays` returned."""
    sources, targets = (
        Sequences(arrays[f"{part}/{role}/ids"], arrays[f"{part}/{role}/starts"])
        for role in ("source", "target")
    )
    return Pairs(sources, targets)


def id_dtype(size: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest integer type that holds `size` different ids."""
    return np.uint8 if size <= 256 else np.uint16 if size <= 65_536 else np.uint32
