"""Symbols of sequence tasks: ids, unknown ones, JSON, and what is refused."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from charnn.errors import VocabularyError
from charnn.text.symbols import PairVocabulary, Symbols, split
from charnn.text.vocabulary import UNKNOWN_TEXT

PAIRS = PairVocabulary(
    source=Symbols(("a", "b", "c"), unknown=True),
    target=Symbols(("aː", "t")),
    target_sep=" ",
    features=Symbols(("3", "V", "a")),
)


def refusal(content: object, kind: type[Symbols | PairVocabulary] = Symbols) -> str:
    """Return the sentence with which content is refused."""
    with pytest.raises(VocabularyError) as caught:
        kind.from_json(content)
    return str(caught.value)


def test_symbols_have_ids_in_their_order() -> None:
    """Symbols of several characters are one id each."""
    symbols = Symbols(("a", "aː", "t"))
    assert symbols.encode(["t", "aː", "a"]).tolist() == [2, 1, 0]
    assert symbols.decode([2, 1, 0]) == ["t", "aː", "a"]
    assert (len(symbols), symbols.unknown_id, symbols.missing_id) == (3, None, 3)
    assert symbols.outside("tax") == ["x"]
    assert "aː" in symbols
    assert "ː" not in symbols


def test_the_unknown_symbol_is_an_id_and_no_string() -> None:
    """It has the last id; a symbol that is called alike keeps its own."""
    symbols = Symbols(("a", UNKNOWN_TEXT), unknown=True)
    assert symbols.encode(["x", UNKNOWN_TEXT, "a"]).tolist() == [2, 1, 0]
    assert len(symbols) == 3
    assert symbols.unknown_id == 2
    assert symbols.decode([2, 0]) == [UNKNOWN_TEXT, "a"]


def test_rare_symbols_are_left_out() -> None:
    """Those that occur less often than `min_count`; where none is left, it is said."""
    counts = Counter({"b": 3, "a": 2, "zz": 1})
    assert Symbols.from_counts(counts).names == ("a", "b", "zz")
    assert Symbols.from_counts(counts, 2, unknown=True) == Symbols(("a", "b"), unknown=True)
    with pytest.raises(VocabularyError, match=r"no symbol occurs 4 times .* occurs 3 times"):
        Symbols.from_counts(counts, 4)


def test_sources_hold_symbols_then_features_then_the_unknown() -> None:
    """A feature is not confused with an equal symbol of the text."""
    assert PAIRS.source_size == 7
    assert PAIRS.unknown_source_id == 6
    assert PAIRS.encode_source("caxb", ["V", "a", "X"]).tolist() == [2, 0, 6, 1, 4, 5, 6]
    assert PAIRS.source_symbols([2, 5, 6]) == ["c", "a", UNKNOWN_TEXT]
    assert PAIRS.target_size == 2
    assert PAIRS.target_text([1, 0]) == "t aː"


def test_symbols_survive_json() -> None:
    """What `to_json` returns, as a file holds it, is read again."""
    assert PairVocabulary.from_json(json.loads(json.dumps(PAIRS.to_json()))) == PAIRS
    assert Symbols.from_json(PAIRS.target.to_json()) == PAIRS.target


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"names": ["a"]},
        {"names": "ab", "unknown": True},
        {"names": ["a", 1], "unknown": True},
        {"names": ["a"], "unknown": 1},
        {"names": {"a": 1}, "unknown": False},
    ],
)
def test_other_json_is_no_set_of_symbols(content: object) -> None:
    """Content of another form is refused."""
    assert refusal(content).endswith("is not a set of symbols; take it from a run.")


def test_sets_of_symbols_are_checked() -> None:
    """Symbols are sorted, different and not empty."""
    sentence = "the symbols of a vocabulary must be sorted and all different."
    assert refusal({"names": ["b", "a"], "unknown": False}) == sentence
    assert refusal({"names": ["a", "a"], "unknown": False}) == sentence
    assert "is empty" in refusal({"names": ["", "a"], "unknown": False})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "charnn-pairs-2"}, "has format 'charnn-pairs-2', but this version reads"),
        ({"format": 1}, "is not a vocabulary of pairs"),
        ({"source": []}, "is not a set of symbols"),
        ({"source": {"names": [], "unknown": True}}, "need at least one symbol each"),
        ({"features": None}, "is not a set of symbols"),
        ({"target_sep": 1}, "is not a vocabulary of pairs"),
        ({"source_sep": ""}, "a separator must have at least one character"),
    ],
)
def test_vocabularies_of_pairs_are_checked(change: dict[str, object], sentence: str) -> None:
    """Each part of the content is."""
    assert sentence in refusal(PAIRS.to_json() | change, PairVocabulary)
    assert "is not a vocabulary" in refusal([], PairVocabulary)


def test_texts_are_split_into_symbols() -> None:
    """Into characters, or exactly at a separator; empty pieces are none."""
    assert list(split("a b", None)) == ["a", " ", "b"]
    assert split(" a  bc ", " ") == ["a", "bc"]
    assert split("a, b,c", ", ") == ["a", "b,c"]
