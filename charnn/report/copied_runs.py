"""The part of a sample around its longest copied run, symbol by symbol."""

from __future__ import annotations

from charnn.analysis.novelty import Copied
from charnn.arrays import Array
from charnn.text.vocabulary import UNKNOWN_TEXT, Vocabulary


def levels(sample: Copied, begin: int, end: int) -> list[int]:
    """Return for a part's symbols whether they are in a copied run: 1 or 0."""
    inside = [0] * (end - begin)
    for first, last in sample.runs:
        for at in range(max(first, begin), min(last, end)):
            inside[at - begin] = 1
    return inside


def around(start: int, length: int, shown: int, size: int) -> tuple[int, int]:
    """Return the beginning and end of a part of a text with a run in its middle."""
    begin = max(0, min(start - max(0, shown - length) // 2, size - shown))
    return begin, min(size, begin + shown)


def symbols_of(ids: Array, vocabulary: Vocabulary) -> list[str]:
    """Return ids as symbols, those that are missing from the vocabulary, too."""
    symbols = vocabulary.symbols
    return [symbols[at] if at < len(symbols) else UNKNOWN_TEXT for at in ids.tolist()]
