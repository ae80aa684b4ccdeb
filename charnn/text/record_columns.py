"""Examples as they are read: symbols by number, before the vocabulary is known."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from charnn.arrays import Array
from charnn.text.pairs import Pairs, Sequences, id_dtype
from charnn.text.symbols import PairVocabulary

CHUNK = 1 << 20  # symbols that are encoded at a time


class Numbers(dict[str, int]):
    """Symbols by the order in which they are first asked for: 0, 1, 2, ..."""

    def __missing__(self, symbol: str) -> int:
        number = self[symbol] = len(self)
        return number


@dataclass
class Column:
    """Sequences as they are read: numbers of symbols, a few bytes each, at any length of a file."""

    numbers: Numbers = field(default_factory=Numbers)
    ids: array[int] = field(default_factory=lambda: array("I"))
    ends: array[int] = field(default_factory=lambda: array("q", [0]))

    def add(self, symbols: Sequence[str]) -> None:
        """Add a sequence."""
        self.ids.extend(map(self.numbers.__getitem__, symbols))
        self.ends.append(len(self.ids))

    def counts(self) -> dict[str, int]:
        """Return how often each symbol occurs."""
        found = np.bincount(np.frombuffer(self.ids, np.uintc), minlength=len(self.numbers))
        return dict(zip(self.numbers, found.tolist(), strict=True))

    def encoded(self, find: Callable[[Iterable[str]], Array], size: int) -> Sequences:
        """Return the sequences in ids below `size`, which `find` gives for symbols."""
        table = find(self.numbers).astype(id_dtype(size))
        ids, numbers = np.empty(len(self.ids), table.dtype), np.frombuffer(self.ids, np.uintc)
        for start in range(0, len(ids), CHUNK):  # an index is copied to a wider type
            ids[start : start + CHUNK] = table[numbers[start : start + CHUNK]]
        return Sequences(ids, np.array(self.ends, np.int64))


@dataclass
class Columns:
    """Examples as they are read."""

    source: Column = field(default_factory=Column)
    features: Column = field(default_factory=Column)
    target: Column = field(default_factory=Column)

    def __len__(self) -> int:
        return len(self.source.ends) - 1

    def pairs(self, vocabulary: PairVocabulary) -> Pairs:
        """Return the examples in ids of a vocabulary."""
        size, size_out = vocabulary.source_size, vocabulary.target_size
        sources = self.source.encoded(vocabulary.encode_source, size)
        if self.features.ids:
            beside = self.features.encoded(lambda names: vocabulary.encode_source((), names), size)
            sources = sources.followed_by(beside)
        return Pairs(sources, self.target.encoded(vocabulary.target.encode, size_out))
