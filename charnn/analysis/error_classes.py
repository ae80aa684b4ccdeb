"""Which kind of error each surprising symbol of a text is.

A symbol is an error where a model gave it a chance below 1/2. An error is in the first class that
fits it:

    n-gram          the symbols before it, as many of the last `order` as stand together in the
                    training text but at least 5, are followed there by it more often than not
    rare word       it is a letter of a word that occurs at most 5 times in the training text
    after newline   it is the first symbol of a line
    word beginning  it is the first letter of a word
    other           none of these

A word is a run of letters; capitals count as letters of their own. Without the training text, the
first two classes do not exist.
"""

from __future__ import annotations

import numpy as np

from charnn.analysis.ngrams import counts
from charnn.arrays import Array
from charnn.text.vocabulary import Vocabulary

EXPECTED, KNOWN, RARE, NEWLINE, BEGINNING, OTHER = range(6)
SHORTEST_CONTEXT = 5  # symbols
RARE_COUNT = 5  # occurrences
LONGEST_WORD = 64  # letters; a longer one is rare
DEFINITIONS = {  # in the order of the classes' numbers
    "expected": "had a chance of 1/2 or more: no error",
    "n-gram": "the longest context before it that stands in the training text is followed there by "
    f"it more often than not; contexts have {SHORTEST_CONTEXT} symbols or more",
    "rare word": f"a letter of a word that occurs at most {RARE_COUNT} times in the training text",
    "after newline": "the first symbol of a line",
    "word beginning": "the first letter of a word",
    "other": "none of these",
}
KINDS = tuple(DEFINITIONS)
GAP = 0  # what stands for everything between words


class Words:
    """A text in which letters are ids from 1 on, and all else is a gap; one is at either end.

    It is made of ids (N,) piece by piece, where it is looked at.
    """

    def __init__(self, ids: Array, letters: Array) -> None:
        """`letters` (V + 1,) has a number for each id, 0 for what is no letter."""
        self._ids, self._letters = ids, letters

    def __len__(self) -> int:
        return len(self._ids) + 2

    def __getitem__(self, part: slice) -> Array:
        begin, end, _ = part.indices(len(self))
        inside = self._letters[self._ids[max(begin - 1, 0) : max(end - 1, 0)]]
        before = np.full(int(begin == 0 < end), GAP, inside.dtype)
        after = np.full(max(0, end - max(begin, len(self) - 1)), GAP, inside.dtype)
        return np.concatenate([before, inside, after])


class ErrorSorter:
    """Sorts the symbols of a text into classes of errors."""

    def __init__(self, vocabulary: Vocabulary, train: Array | None, order: int) -> None:
        """`train` are the ids of the training text, if there is one."""
        self._order = order
        self._train = np.empty(0, vocabulary.id_dtype) if train is None else train
        self._letters = letters_of(vocabulary)
        newline = int(vocabulary.encode("\n")[0])
        self._newline = newline if newline < len(vocabulary.symbols) else -1
        without = () if train is not None else (KINDS[KNOWN], KINDS[RARE])
        self.definitions = {name: DEFINITIONS[name] for name in KINDS if name not in without}

    def sort(self, ids: Array, start: int, bits: Array) -> Array:
        """Return the classes (n,) of symbols of a text, ids (N,), from `start`, 1 or more, on.

        `bits` (n,) is their surprise.
        """
        begin = max(0, start - max(LONGEST_WORD, self._order) - 1)
        piece = np.asarray(ids[begin : start + len(bits) + LONGEST_WORD + 1])
        at = np.flatnonzero(bits > 1) + start - begin  # of the errors in the piece
        letter = self._letters[piece] > 0
        kinds = np.full(len(at), OTHER)
        kinds[letter[at] & ~letter[at - 1]] = BEGINNING
        kinds[piece[at - 1] == self._newline] = NEWLINE
        if KINDS[KNOWN] in self.definitions:
            words = at[letter[at]]
            kinds[np.isin(at, words[self._rare(piece, words)])] = RARE
            kinds[known_by_ngrams(piece, at, self._train, self._order)] = KNOWN
        found = np.full(len(bits), EXPECTED)
        found[at - (start - begin)] = kinds
        return found

    def _rare(self, piece: Array, at: Array) -> Array:
        """Return whether letters at some places (K,) are in words that are rare in the training."""
        text = Words(piece, self._letters)[:]  # whose places are one more than the piece's
        gaps = np.flatnonzero(text == GAP)
        after = np.searchsorted(gaps, at + 1)
        first, last = gaps[after - 1], gaps[after]
        rare = np.ones(len(at), bool)
        starts: dict[int, Array] = {}
        sizes = last - first + 1  # with the gaps on both sides
        for n in np.unique(sizes[sizes <= LONGEST_WORD + 2]).tolist():
            starts[n] = np.unique(first[sizes == n])
        for n, often in counts(text, starts, Words(self._train, self._letters)).items():
            own = sizes == n
            rare[own] = often[np.searchsorted(starts[n], first[own])] <= RARE_COUNT
        return rare


def letters_of(vocabulary: Vocabulary) -> Array:
    """Return a number for each id, (V + 1,): 0 for what is no letter.

    Of a byte vocabulary, all bytes above 127 are letters, as most of those in UTF-8 are.
    """
    symbols = vocabulary.symbols
    wide = vocabulary.tokens == "bytes"
    letter = [s.isalpha() if s < "\x80" or not wide else True for s in symbols]
    numbers = np.zeros(len(symbols) + 2, np.uint32 if len(symbols) > 60_000 else np.uint16)
    numbers[: len(symbols)] = np.cumsum(letter) * np.array(letter)
    return numbers


def known_by_ngrams(piece: Array, at: Array, train: Array, order: int) -> Array:
    """Return for symbols at some places (K,) whether an n-gram model would have expected them.

    It reads the longest context of `order` to 5 symbols that stands in the training text, and
    expects a symbol that follows it there in more than half of the cases.
    """
    contexts = {k: at[at >= k] for k in range(SHORTEST_CONTEXT, order + 1)}
    starts = {}
    for n in range(SHORTEST_CONTEXT, order + 2):
        alone = contexts[n] - n if n in contexts else at[:0]
        followed = contexts[n - 1] - (n - 1) if n - 1 in contexts else at[:0]
        starts[n] = np.concatenate([alone, followed])
    often = counts(piece, starts, train)
    known = np.zeros(len(at), bool)
    open_ones = np.ones(len(at), bool)
    for k in range(order, SHORTEST_CONTEXT - 1, -1):
        places = np.flatnonzero(at >= k)
        seen = often[k][: len(places)]
        right = often[k + 1][len(often[k + 1]) - len(places) :]
        decided = places[(seen > 0) & open_ones[places]]
        known[places] |= open_ones[places] & (2 * right > seen)
        open_ones[decided] = False
    return known
