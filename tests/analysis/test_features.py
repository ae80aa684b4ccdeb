"""Features of a text's symbols."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.analysis import features
from charnn.analysis.features import FEATURES, Alphabet, depth, features_of, since
from charnn.arrays import Array
from charnn.text.vocabulary import Vocabulary

TEXT = (
    'KING Lear:\n"O, don\'t (sir [now])\ngo," said she.\n\nA "b\n\n'
    "c \u201cd \u00abe\u00bb f\u201d g)h"
)


def columns(text: str, vocabulary: Vocabulary | None = None) -> dict[str, Array]:
    """Return the features of a text by their names."""
    vocabulary = vocabulary or Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    found = features_of(ids, Alphabet(vocabulary), 0, len(ids))
    return dict(zip(FEATURES, found.T, strict=True))


def naive(text: str) -> dict[str, list[int]]:
    """Return the features of a text, counted as a reader would."""
    found: dict[str, list[int]] = {name: [] for name in FEATURES}
    line = word = brackets = angled = t = 0
    straight = False
    for t, symbol in enumerate(text):
        in_word = symbol.isalpha() or symbol in "'\u2019"
        line = 0 if symbol == "\n" else line + 1
        word = word + 1 if in_word else 0
        if symbol == "\n" and text[t - 1 : t] == "\n":
            straight, angled = False, 0
        straight ^= symbol == '"'
        angled = max(angled + (symbol in "\u201c\u201e\u00ab") - (symbol in "\u201d\u00bb"), 0)
        brackets = max(brackets + (symbol in "([{") - (symbol in ")]}"), 0)
        after = text[t + 1 : t + 2]
        values = [
            line,
            symbol == "\n",
            straight or angled > 0,
            brackets,
            symbol.isupper(),
            symbol.isupper() and text[t - 1 : t].isupper(),
            word,
            in_word and not (after.isalpha() or after in tuple("'\u2019")),
            t,
        ]
        for name, value in zip(FEATURES, values, strict=True):
            found[name].append(int(value))
    return found


@pytest.mark.parametrize("text", [TEXT, "\n\n((a", "x", ')"\n\n"A\n\nB'], ids=repr)
def test_features_are_those_a_reader_counts(text: str) -> None:
    """All of them, symbol by symbol."""
    expected = naive(text)
    for name, values in columns(text).items():
        assert values.tolist() == expected[name], name


def test_counts_that_begin_at_one_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a line's end is not 0, but 1."""
    monkeypatch.setattr(features, "since", lambda marks: since(marks) + 1)
    with pytest.raises(AssertionError):
        test_features_are_those_a_reader_counts(TEXT)


def test_a_few_by_hand() -> None:
    """The oracle is not wrong in the same way."""
    found = columns("AB c\n(d")
    assert found["place in the line"].tolist() == [1, 2, 3, 4, 0, 1, 2]
    assert found["capitals in a row"].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert found["end of the word"].tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert found["inside brackets"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found["place in the word"].tolist() == [1, 2, 0, 1, 0, 0, 1]


def test_a_stretch_is_cut_out_of_the_text() -> None:
    """What stands before it, and the symbol after it, count."""
    vocabulary = Vocabulary.from_text(TEXT)
    ids, alphabet = vocabulary.encode(TEXT), Alphabet(vocabulary)
    whole = features_of(ids, alphabet, 0, len(ids))
    for start in (0, 3, 20, 41):
        np.testing.assert_array_equal(
            features_of(ids, alphabet, start, 9), whole[start : start + 9]
        )


def test_a_limited_part_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place in the text is the text's; the line begins where one looks."""
    monkeypatch.setattr(features, "BEFORE", 4)
    vocabulary = Vocabulary.from_text("ab")
    found = features_of(vocabulary.encode("ab" * 10), Alphabet(vocabulary), 10, 3)
    assert found[:, FEATURES.index("place in the text")].tolist() == [10, 11, 12]
    assert found[:, FEATURES.index("place in the line")].tolist() == [5, 6, 7]


def test_bytes() -> None:
    """Bytes above 127 are letters, and no capitals or quotes."""
    found = columns("\u00c9t\u00e9 B\u00ab", Vocabulary.of_bytes())
    assert found["place in the word"].tolist() == [1, 2, 3, 4, 5, 0, 1, 2, 3]
    assert found["capital letter"].tolist() == [0] * 6 + [1, 0, 0]
    assert not found["inside quotes"].any()


def test_counts() -> None:
    """Places before the first mark count on; closing what is not open changes nothing."""
    assert since(np.array([False, False, True, False])).tolist() == [1, 2, 0, 1]
    assert depth(np.array([-1, 1, 1, -1, -1, -1, 1])).tolist() == [0, 1, 2, 1, 0, 0, 1]
