"""Symbols and their ids, which index one-hot vectors.

Symbols are sorted by code point, so that equal sets of characters give equal vocabularies whatever
the order of the text. The unknown symbol, if there is one, has the last id: it stands for
characters that were too rare to learn. A vocabulary of bytes holds all 256 and knows every text.
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
LARGEST_FILE = 64_000_000  # bytes; all of Unicode needs 14 million
UNKNOWN_TEXT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Vocabulary:
    """An ordered set of symbols: `symbols[id]` is a character; `tokens` is the kind of symbol.

    For bytes, symbols are the characters U+0000 to U+00FF, one for each byte value.
    """

    symbols: str
    unknown: bool = False
    tokens: str = "characters"

    def __post_init__(self) -> None:
        """Refuse an empty, unsorted or repeating set of symbols. Raises VocabularyError."""
        if not self.symbols:
            raise VocabularyError("a vocabulary needs at least one symbol; this one has none.")
        if any(a >= b for a, b in zip(self.symbols, self.symbols[1:], strict=False)):
            raise VocabularyError("a vocabulary's symbols must be sorted and all different.")
        if self.tokens == "bytes" and (self.unknown or self.symbols != ALL_BYTES):
            raise VocabularyError("a vocabulary of bytes must hold exactly the 256 byte values.")

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
        """Keep the code points counted at least `min_count` times: counts (0x110000,).

        With a `min_count` above 1 there is an unknown symbol for the others.
        """
        kept = np.flatnonzero(counts >= max(min_count, 1))
        if not len(kept):
            raise VocabularyError(
                f"no character occurs {min_count:,} times, the most frequent "
                f"{counts.max(initial=0):,} times; lower --min-count."
            )
        return cls("".join(map(chr, kept.tolist())), unknown=min_count > 1)

    def __len__(self) -> int:
        return len(self.symbols) + self.unknown

    @property
    def unknown_id(self) -> int | None:
        """The unknown symbol's id, if there is one."""
        return len(self.symbols) if self.unknown else None

    @property
    def missing_id(self) -> int:
        """What `encode` gives a character without an id: the unknown symbol's, or no valid id."""
        return len(self.symbols)

    @property
    def unit(self) -> str:
        """What a loss is per: `char` or `byte`."""
        return "byte" if self.tokens == "bytes" else "char"

    @cached_property
    def id_dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest type that holds every id and `missing_id`."""
        if self.tokens == "bytes":
            return np.uint8
        return np.uint8 if len(self) < 256 else np.uint16 if len(self) < 65_536 else np.uint32

    @cached_property
    def _table(self) -> Array:
        """Ids by code point, up to the first code point behind the last symbol."""
        table = np.full(ord(self.symbols[-1]) + 2, self.missing_id, self.id_dtype)
        table[code_points(self.symbols)] = np.arange(len(self.symbols))
        return table

    def encode_block(self, block: str | bytes) -> Array:
        """Return the ids of a piece of text, or of raw bytes for a vocabulary of bytes."""
        return self.encode(block) if isinstance(block, str) else np.frombuffer(block, np.uint8)

    def encode(self, text: str) -> Array:
        """Return the ids of a text's symbols; one that has none gets `missing_id`."""
        if self.tokens == "bytes":
            return np.frombuffer(utf8(text), np.uint8)
        points = np.minimum(code_points(text), len(self._table) - 1)
        ids: Array = self._table[points]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; the unknown symbol shows as U+FFFD, as do malformed bytes."""
        if self.tokens == "bytes":
            return bytes(map(int, ids)).decode("utf-8", "replace")
        symbols = self.symbols + UNKNOWN_TEXT * self.unknown
        return "".join([symbols[i] for i in ids])

    def to_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the text of ids in UTF-8; for a vocabulary of bytes, the bytes themselves."""
        if self.tokens == "bytes":
            return bytes(map(int, ids))
        return self.decode(ids).encode("utf-8", "surrogatepass")

    def outside(self, text: str) -> list[str]:
        """Return the distinct characters of a text that have no id of their own."""
        return sorted(set(text) - set(self.symbols)) if self.tokens == "characters" else []

    def one_hot(self, ids: Array) -> Array:
        """Return one-hot vectors: ids (...,) -> (..., V)."""
        vectors: Array = np.eye(len(self), dtype=np.float32)[ids]
        return vectors

    def name(self, symbol_id: int) -> str:
        """Return a printable name of a symbol: itself, or what it is called."""
        if symbol_id == self.unknown_id:
            return "unknown"
        symbol = self.symbols[symbol_id]
        if self.tokens == "bytes" and symbol > "\x7e":
            return f"0x{ord(symbol):02x}"
        return symbol_name(symbol)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "format": FORMAT,
            "tokens": self.tokens,
            "unknown": self.unknown,
            "symbols": "" if self.tokens == "bytes" else self.symbols,
        }

    @classmethod
    def from_json(cls, content: object) -> Vocabulary:
        """Build from what `to_json` gave. Raises VocabularyError."""
        match content:
            case {"format": str(form)} if form != FORMAT:
                raise VocabularyError(
                    f"the vocabulary has format {shown(form)}, this version reads {FORMAT!r}."
                )
            case {"tokens": "bytes", "unknown": False}:
                return cls.of_bytes()
            case {"tokens": "characters", "unknown": bool(unknown), "symbols": str(symbols)}:
                return cls(symbols, unknown)
        raise VocabularyError("this is no vocabulary; `charnn vocab --out` makes one.")

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
            reason = f"it is not JSON ({error}); `charnn vocab --out` makes one."
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
    """Return a character as it can be shown in a table: spaces and controls by name."""
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
    """Encode in UTF-8; bytes that were none, which Python reads as surrogates, as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "surrogatepass")
