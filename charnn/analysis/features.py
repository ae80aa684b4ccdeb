"""What a reader could keep count of in a text: features of each symbol, as numbers.

The state after x_t is compared with what is true of the text up to x_t:

    place in the line     symbols since the last line's end, which itself has 0
    after a line's end    x_t ends a line
    inside quotes         a quotation is open after x_t: straight marks open and close in turn,
                          others by their kind; a blank line ends all of them
    inside brackets       how many of ( [ { are open after x_t
    capital letter        x_t is one
    capitals in a row     x_t and the symbol before it are
    place in the word     letters and apostrophes of the word so far; 0 outside words
    end of the word       x_t is a word's last: it looks at x_{t+1}, as the model has to guess it
    place in the text     t

Of a stretch of a longer text, `BEFORE` symbols before it are looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charnn.arrays import Array
from charnn.text.vocabulary import Vocabulary

BEFORE = 4_096  # symbols, to know how far into a line, quotation or bracket a stretch begins
FEATURES = (
    "place in the line",
    "after a line's end",
    "inside quotes",
    "inside brackets",
    "capital letter",
    "capitals in a row",
    "place in the word",
    "end of the word",
    "place in the text",
)
YES_OR_NO = frozenset(
    {
        "after a line's end",
        "inside quotes",
        "capital letter",
        "capitals in a row",
        "end of the word",
    }
)
QUOTES = {"\u201c": 1, "\u201e": 1, "\u00ab": 1, "\u201d": -1, "\u00bb": -1}
BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
APOSTROPHES = "'\u2019"


class Alphabet:
    """What each symbol of a vocabulary is, as arrays by id; a byte above 127 counts as a letter."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        bytewise = vocabulary.tokens == "bytes"
        symbols = [*vocabulary.symbols, *("\ufffd" * vocabulary.unknown)]

        def table(of: Callable[[str], int | bool]) -> Array:
            return np.array([of(symbol) for symbol in symbols])

        def known(symbol: str) -> bool:
            return not bytewise or symbol < "\x80"

        self.line_end = table(lambda symbol: symbol == "\n")
        self.capital = table(lambda symbol: known(symbol) and symbol.isupper())
        self.of_word = table(
            lambda symbol: not known(symbol) or symbol.isalpha() or symbol in APOSTROPHES
        )
        self.straight = table(lambda symbol: symbol == '"')
        self.quote = table(lambda symbol: QUOTES.get(symbol, 0) if known(symbol) else 0)
        self.bracket = table(lambda symbol: BRACKETS.get(symbol, 0))


def features_of(ids: Array, alphabet: Alphabet, start: int, length: int) -> Array:
    """Return the features of a stretch of a text (N,), (length, features), as `FEATURES` has them.

    The text's end ends a word.
    """
    first = max(0, start - BEFORE)
    cut = ids[first : start + length + 1]
    line_end, capital, of_word = (
        table[cut] for table in (alphabet.line_end, alphabet.capital, alphabet.of_word)
    )
    before = np.concatenate([[False], capital[:-1]])
    after = np.concatenate([of_word[1:], [False]])
    columns = {
        "place in the line": since(line_end),
        "after a line's end": line_end,
        "inside quotes": quoted(alphabet.straight[cut], alphabet.quote[cut], line_end),
        "inside brackets": depth(alphabet.bracket[cut]),
        "capital letter": capital,
        "capitals in a row": capital & before,
        "place in the word": since(~of_word),
        "end of the word": of_word & ~after,
        "place in the text": first + np.arange(len(cut)),
    }
    table = np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float64)
    found: Array = table[start - first : start - first + length]
    return found


def since(marks: Array) -> Array:
    """Return the number of places since the last mark (N,), which itself has 0.

    Before the first mark, places count as if one stood before the first of them.
    """
    places = np.arange(len(marks))
    return places - np.maximum.accumulate(np.where(marks, places, -1))


def depth(steps: Array) -> Array:
    """Return how many are open after each place (N,), at least 0: 1 opens and -1 closes one."""
    total = np.cumsum(steps)
    return total - np.minimum(np.minimum.accumulate(total), 0)


def quoted(straight: Array, steps: Array, line_end: Array) -> Array:
    """Return whether a quotation is open after each place (N,)."""
    blank = line_end & np.concatenate([[False], line_end[:-1]])
    found = np.zeros(len(straight), bool)
    for part in np.split(np.arange(len(straight)), np.flatnonzero(blank)):
        found[part] = (np.cumsum(straight[part]) % 2 == 1) | (depth(steps[part]) > 0)
    return found
