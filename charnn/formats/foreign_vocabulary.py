"""Vocabularies from elsewhere, and the order that charnn gives their symbols.

charnn sorts symbols by code point, other programs need not; `order` says where each of charnn's ids
is in the other's order, and the rows of weights that belong to symbols are taken in that order.

A file holds one of these, in JSON:

    what `charnn vocab --out` writes
    ["\\n", " ", "a", ...]                       the characters in the order of their ids
    {"\\n": 0, " ": 1, "a": 2, ...}              the id of each character
    {"itos": {"0": "\\n", ...}} or {"stoi": {"\\n": 0, ...}}, where itos may be a list, too
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.errors import VocabularyError
from charnn.options import shown
from charnn.text.vocabulary import LARGEST_FILE, Vocabulary

UNKNOWN = ("<unk>", "[unk]")  # in small letters: names of the unknown symbol elsewhere


@dataclass(frozen=True)
class Ordered:
    """A vocabulary, and for each of its ids the id (V,) in the program that it comes from."""

    vocabulary: Vocabulary
    order: Array


def read_vocabulary(path: str | PathLike[str]) -> Ordered:
    """Read a vocabulary file. Raises VocabularyError."""
    try:
        if Path(path).stat().st_size > LARGEST_FILE:
            raise VocabularyError(f"it is larger than {LARGEST_FILE:,} bytes.")
        return ordered(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        reason = f"it cannot be read ({error.strerror}); check the path."
    except (ValueError, RecursionError) as error:
        reason = f"it is not JSON ({error}); write the list of its characters as JSON."
    except VocabularyError as error:
        reason = str(error)
    raise VocabularyError(f"vocabulary file '{path}' cannot be used: {reason}")


def ordered(content: object) -> Ordered:
    """Return the vocabulary that the content of a file describes. Raises VocabularyError."""
    match content:
        case {"format": _} | {"tokens": str()}:
            vocabulary = Vocabulary.from_json(content)
            return Ordered(vocabulary, np.arange(len(vocabulary)))
        case {"stoi": dict(ids), "itos": dict() | list() as symbols}:
            names = by_id(ids)
            if names != listed(symbols):
                raise VocabularyError("its itos and stoi contradict each other.")
        case {"stoi": dict(ids)}:
            names = by_id(ids)
        case {"itos": dict() | list() as symbols}:
            names = listed(symbols)
        case dict() | list():
            names = listed(content)
        case _:
            raise VocabularyError(
                f"{shown(content)} is no vocabulary; give a JSON list of the characters in the "
                "order of their ids."
            )
    return sorted_symbols(names)


def listed(content: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
    """Return symbols in the order of their ids, from a list or a table in either direction."""
    if isinstance(content, Mapping):
        if all(isinstance(value, str) for value in content.values()):
            try:
                return by_id({symbol: int(number) for number, symbol in content.items()}, content)
            except ValueError as error:
                raise VocabularyError("its ids are not whole numbers.") from error
        return by_id(content)
    return list(content)


def by_id(ids: Mapping[str, Any], whole: Mapping[str, Any] | None = None) -> list[Any]:
    """Return the symbols of a table of ids in their order; `whole` is what it was made from."""
    numbers = list(ids.values())
    plain = all(type(number) is int for number in numbers)
    if not plain or sorted(numbers) != list(range(len(ids))) or len(whole or ids) != len(ids):
        raise VocabularyError("its ids are not the numbers from 0 on, each of them once.")
    return sorted(ids, key=lambda symbol: int(ids[symbol]))


def sorted_symbols(names: list[Any]) -> Ordered:
    """Return symbols as a vocabulary of charnn's, the unknown one last. Raises VocabularyError."""
    unknown = [n for n, name in enumerate(names) if str(name).lower() in UNKNOWN]
    known = [n for n in range(len(names)) if n not in unknown[:1]]
    for n in known:
        if not isinstance(names[n], str) or len(names[n]) != 1:
            raise VocabularyError(
                f"the symbol of id {n} is {shown(names[n])}, which is not a single character."
            )
    known.sort(key=lambda n: str(names[n]))
    symbols = "".join(names[n] for n in known)
    if len(set(symbols)) != len(symbols):
        twice = next(symbol for symbol in symbols if symbols.count(symbol) > 1)
        raise VocabularyError(f"it has the character {twice!r} twice.")
    order = np.array([*known, *unknown[:1]], np.intp)
    return Ordered(Vocabulary(symbols, unknown=bool(unknown)), order)
