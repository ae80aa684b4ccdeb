"""Vocabularies: symbols and their ids, which are the indices of one-hot vectors.

Symbols are sorted by code point, so texts with the same set of characters have the same vocabulary.
The unknown symbol, if there is one, stands for characters that were too rare to learn and has the
last id. A byte vocabulary holds all 256 byte values, so it can express any text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.errors import VocabularyError
from charnn.options import shown

CODE_POINTS = 0x110000
FORMAT = "charnn-vocabulary-1"
LARGEST_FILE = 64_000_000  # bytes; a vocabulary of all Unicode characters takes 14 million
UNKNOWN_TEXT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of symbols, where `symbols[id]` is a character; `tokens` is their kind.

    The symbols of a byte vocabulary are U+0000 to U+00FF, one for each byte value.
    """

    symbols: str
    unknown: bool = False
    tokens: str = "characters"

    def __post_init__(self) -> None:
        """Check that there are symbols, sorted and all different. Raises VocabularyError."""
        if not self.symbols:
            raise VocabularyError("a vocabulary needs at least one symbol; this one has none.")
        if any(a >= b for a, b in zip(self.symbols, self.symbols[1:], strict=False)):
            raise VocabularyError("the symbols of a vocabulary must be sorted and all different.")
        if self.tokens == "bytes" and (self.unknown or self.symbols != ALL_BYTES):
            raise VocabularyError("a byte vocabulary must hold exactly the 256 byte values.")

    @classmethod
    def of_bytes(cls) -> Vocabulary:
        """Return the vocabulary of all 256 bytes."""
        return cls(ALL_BYTES, tokens="bytes")

    @classmethod
    def from_text(cls, text: str, min_count: int = 1) -> Vocabulary:
        """Return the vocabulary of a text's characters."""
        return cls.from_counts(count_code_points([text]), min_count)

    @classmethod
    def from_counts(cls, counts: Array, min_count: int = 1) -> Vocabulary:
        """Build from the counts (0x110000,) of code points that occur at least `min_count` times.

        With a `min_count` above 1, the vocabulary has an unknown symbol for all others.
        """
        kept = np.flatnonzero(counts >= max(min_count, 1))
        if not len(kept):
            raise VocabularyError(
                f"no character occurs {min_count:,} times (the most frequent one occurs "
                f"{counts.max(initial=0):,} times); lower --min-count."
            )
        return cls("".join(map(chr, kept.tolist())), unknown=min_count > 1)

    def __len__(self) -> int:
        return len(self.symbols) + self.unknown

    @property
    def unknown_id(self) -> int | None:
        """The id of the unknown symbol, or None if there is none."""
        return len(self.symbols) if self.unknown else None

    @property
    def missing_id(self) -> int:
        """What `encode` returns for a character that is not a symbol.

        It is the id of the unknown symbol or, without one, the first number that is not an id.
        """
        return len(self.symbols)

    @property
    def unit(self) -> str:
        """What a loss is given per: `char` or `byte`."""
        return "byte" if self.tokens == "bytes" else "char"

    @cached_property
    def id_dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest integer type that can hold every id and `missing_id`."""
        if self.tokens == "bytes":
            return np.uint8
        return np.uint8 if len(self) < 256 else np.uint16 if len(self) < 65_536 else np.uint32

    @cached_property
    def _table(self) -> Array:
        """Ids by code point, up to the code point that follows the last symbol."""
        table = np.full(ord(self.symbols[-1]) + 2, self.missing_id, self.id_dtype)
        table[code_points(self.symbols)] = np.arange(len(self.symbols))
        return table

    def encode_block(self, block: str | bytes) -> Array:
        """Return the ids of a block of text, or of raw bytes for a byte vocabulary."""
        return self.encode(block) if isinstance(block, str) else np.frombuffer(block, np.uint8)

    def encode(self, text: str) -> Array:
        """Return the ids of a text's characters, `missing_id` for those that are not symbols."""
        if self.tokens == "bytes":
            return np.frombuffer(utf8(text), np.uint8)
        points = np.minimum(code_points(text), len(self._table) - 1)
        ids: Array = self._table[points]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; the unknown symbol and malformed bytes become U+FFFD."""
        if self.tokens == "bytes":
            return bytes(map(int, ids)).decode("utf-8", "replace")
        symbols = self.symbols + UNKNOWN_TEXT * self.unknown
        return "".join([symbols[i] for i in ids])

    def to_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the text of ids in UTF-8; for a byte vocabulary, the bytes themselves."""
        if self.tokens == "bytes":
            return bytes(map(int, ids))
        return self.decode(ids).encode("utf-8", "surrogatepass")

    def outside(self, text: str) -> list[str]:
        """Return the distinct characters of a text that are not symbols."""
        return sorted(set(text) - set(self.symbols)) if self.tokens == "characters" else []

    def one_hot(self, ids: Array) -> Array:
        """Return one-hot vectors: ids (...,) -> (..., V)."""
        vectors: Array = np.eye(len(self), dtype=np.float32)[ids]
        return vectors

    def name(self, symbol_id: int) -> str:
        """Return a symbol as it can be printed: the symbol itself, or its name."""
        if symbol_id == self.unknown_id:
            return "unknown"
        symbol = self.symbols[symbol_id]
        if self.tokens == "bytes" and symbol > "\x7e":
            return f"0x{ord(symbol):02x}"
        return symbol_name(symbol)

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary in the form that `from_json` reads."""
        return {
            "format": FORMAT,
            "tokens": self.tokens,
            "unknown": self.unknown,
            "symbols": "" if self.tokens == "bytes" else self.symbols,
        }

    @classmethod
    def from_json(cls, content: object) -> Vocabulary:
        """Build from what `to_json` returned. Raises VocabularyError."""
        match content:
            case {"format": str(form)} if form != FORMAT:
                raise VocabularyError(
                    f"the vocabulary has format {shown(form)}, but this version reads {FORMAT!r}."
                )
            case {"tokens": "bytes", "unknown": False}:
                return cls.of_bytes()
            case {"tokens": "characters", "unknown": bool(unknown), "symbols": str(symbols)}:
                return cls(symbols, unknown)
        raise VocabularyError("it does not hold a vocabulary; `charnn vocab --out` writes one.")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a file written by `charnn vocab --out`. Raises VocabularyError."""
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise VocabularyError(f"it is larger than {LARGEST_FILE:,} bytes.")
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            reason = f"it cannot be read ({error.strerror}); check the path."
        except (ValueError, RecursionError) as error:
            reason = f"it is not JSON ({error}); `charnn vocab --out` writes one."
        except VocabularyError as error:
            reason = str(error)
        raise VocabularyError(f"vocabulary file '{path}' cannot be used: {reason}")


ALL_BYTES = "".join(map(chr, range(256)))


def code_points(text: str) -> Array:
    """Return a text's code points, (N,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def count_code_points(blocks: Iterable[str]) -> Array:
    """Return how often each code point occurs, (0x110000,) int64."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for block in blocks:
        found = np.bincount(code_points(block))
        counts[: len(found)] += found
    return counts


def symbol_name(symbol: str) -> str:
    """Return a character as a table shows it: spaces and control characters by name."""
    names = {" ": "space", "\n": "newline", "\t": "tab", "\r": "carriage return", "\0": "NUL"}
    if symbol in names:
        return names[symbol]
    category = unicodedata.category(symbol)
    if category.startswith("M"):
        return f"\N{DOTTED CIRCLE}{symbol}"
    if category[0] in "CZ":
        return unicodedata.name(symbol, f"U+{ord(symbol):04X}").lower()
    return symbol


def utf8(text: str) -> bytes:
    """Encode in UTF-8, restoring bytes that Python decoded as surrogate escapes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that do not stand for a byte
        return text.encode("utf-8", "surrogatepass")
