"""Symbols of sequence tasks: characters, phones, tags, classes, features, and their ids.

A symbol is a string of one or several characters. No string is reserved: the symbols that begin or
end a sequence are ids that a model adds behind those given here, and the unknown symbol, where
there is one, is an id, too.

A pair of a source and a target has three sets of symbols. The ids of a source are

    0 ... n - 1         the n symbols of the text
    n ... n + f - 1     the f features, which are never confused with equal symbols of the text
    n + f               the unknown symbol: whatever else a file or a line to predict holds
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.errors import VocabularyError
from charnn.options import shown
from charnn.text.vocabulary import UNKNOWN_TEXT

FORMAT = "charnn-pairs-1"


@dataclass(frozen=True)
class Symbols:
    """An ordered set of symbols, where `names[id]` is a symbol.

    The `unknown` symbol, if there is one, stands for all others and has the last id.
    """

    names: tuple[str, ...] = ()
    unknown: bool = False

    def __post_init__(self) -> None:
        """Check that no symbol is empty and that they are sorted. Raises VocabularyError."""
        if not all(self.names):
            raise VocabularyError("a symbol must have at least one character; this one is empty.")
        if any(a >= b for a, b in zip(self.names, self.names[1:], strict=False)):
            raise VocabularyError("the symbols of a vocabulary must be sorted and all different.")

    @classmethod
    def from_counts(
        cls, counts: Mapping[str, int], min_count: int = 1, unknown: bool = False
    ) -> Symbols:
        """Build from the symbols that occur at least `min_count` times. Raises VocabularyError."""
        kept = sorted(symbol for symbol, count in counts.items() if count >= max(min_count, 1))
        if not kept:
            raise VocabularyError(
                f"no symbol occurs {min_count:,} times (the most frequent one occurs "
                f"{max(counts.values(), default=0):,} times); lower --min-count."
            )
        return cls(tuple(kept), unknown)

    def __len__(self) -> int:
        return len(self.names) + self.unknown

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._ids

    @property
    def unknown_id(self) -> int | None:
        """The id of the unknown symbol, or None if there is none."""
        return len(self.names) if self.unknown else None

    @property
    def missing_id(self) -> int:
        """What `encode` returns for other symbols.

        It is the id of the unknown symbol or, without one, the first number that is not an id.
        """
        return len(self.names)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: at for at, symbol in enumerate(self.names)}

    def encode(self, symbols: Iterable[str]) -> Array:
        """Return the ids (N,) of symbols, `missing_id` for those that are not in the set."""
        find, missing = self._ids.get, self.missing_id
        return np.array([find(symbol, missing) for symbol in symbols], np.intp)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the symbols of ids; the unknown symbol becomes U+FFFD."""
        names = (*self.names, UNKNOWN_TEXT) if self.unknown else self.names
        return [names[i] for i in ids]

    def outside(self, symbols: Iterable[str]) -> list[str]:
        """Return the distinct symbols that are not in the set, sorted."""
        return sorted(set(symbols).difference(self._ids))

    def to_json(self) -> dict[str, Any]:
        """Return the set in the form that `from_json` reads."""
        return {"names": list(self.names), "unknown": self.unknown}

    @classmethod
    def from_json(cls, content: object) -> Symbols:
        """Build from what `to_json` returned. Raises VocabularyError."""
        match content:
            case {"names": list(names), "unknown": bool(unknown)}:
                if all(isinstance(name, str) for name in names):
                    return cls(tuple(names), unknown)
        raise VocabularyError(f"{shown(content)} is not a set of symbols; take it from a run.")


@dataclass(frozen=True)
class PairVocabulary:
    """The symbols of sources, features and targets, and what stands between them in a text.

    A separator of None says that each character is a symbol.
    """

    source: Symbols
    target: Symbols
    source_sep: str | None = None
    target_sep: str | None = None
    features: Symbols = field(default_factory=Symbols)

    def __post_init__(self) -> None:
        """Check that there is something to read and to write. Raises VocabularyError."""
        if not self.source.names or not self.target.names:
            raise VocabularyError("sources and targets need at least one symbol each.")
        if "" in (self.source_sep, self.target_sep):
            raise VocabularyError("a separator must have at least one character.")

    @property
    def source_size(self) -> int:
        """Number of ids that a source may hold: symbols, features and the unknown symbol."""
        return len(self.source) + len(self.features.names)

    @property
    def target_size(self) -> int:
        """Number of ids that a target may hold."""
        return len(self.target)

    @property
    def unknown_source_id(self) -> int | None:
        """The id of the unknown symbol in a source, or None if there is none."""
        return self.source_size - 1 if self.source.unknown else None

    def encode_source(self, symbols: Iterable[str], features: Iterable[str] = ()) -> Array:
        """Return a source's ids (N,): its symbols, then its features."""
        n, f = len(self.source.names), len(self.features.names)
        text = self.source.encode(symbols)
        return np.concatenate(
            [np.where(text == n, n + f, text), n + self.features.encode(features)]
        )

    def source_symbols(self, ids: Iterable[int]) -> list[str]:
        """Return the symbols and features of a source's ids; the unknown one becomes U+FFFD."""
        names = (*self.source.names, *self.features.names, UNKNOWN_TEXT)
        return [names[i] for i in ids]

    def split_source(self, text: str) -> Sequence[str]:
        """Return the symbols of a source as it is written."""
        return split(text, self.source_sep)

    def source_text(self, ids: Array) -> str:
        """Return a source as it is written, its features after a space."""
        text: list[str] = []
        features: list[str] = []
        n, f = len(self.source.names), len(self.features.names)
        for symbol, name in zip(ids, self.source_symbols(ids), strict=True):
            (features if n <= symbol < n + f else text).append(name)
        return " ".join([(self.source_sep or "").join(text), *features])

    def target_text(self, ids: Iterable[int]) -> str:
        """Return a target as it is written; the unknown symbol becomes U+FFFD."""
        return (self.target_sep or "").join(self.target.decode(ids))

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary in the form that `from_json` reads."""
        return {
            "format": FORMAT,
            "source": self.source.to_json(),
            "features": self.features.to_json(),
            "target": self.target.to_json(),
            "source_sep": self.source_sep,
            "target_sep": self.target_sep,
        }

    @classmethod
    def from_json(cls, content: object) -> PairVocabulary:
        """Build from what `to_json` returned. Raises VocabularyError."""
        match content:
            case {"format": str(form)} if form != FORMAT:
                raise VocabularyError(
                    f"the vocabulary has format {shown(form)}, but this version reads {FORMAT!r}."
                )
            case {
                "format": str(_),
                "source": source,
                "features": features,
                "target": target,
                "source_sep": str() | None as source_sep,
                "target_sep": str() | None as target_sep,
            }:
                sets = map(Symbols.from_json, (source, target, features))
                source, target, features = sets
                return cls(source, target, source_sep, target_sep, features)
        raise VocabularyError(f"{shown(content)} is not a vocabulary of pairs; take it from a run.")


def split(text: str, separator: str | None) -> Sequence[str]:
    """Return the symbols of a text: its characters, or the pieces between separators.

    Pieces that are empty, as between two separators, are no symbols.
    """
    return text if separator is None else [piece for piece in text.split(separator) if piece]
