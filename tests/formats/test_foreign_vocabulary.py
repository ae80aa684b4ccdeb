"""Vocabularies from elsewhere: in every form, and in every way wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from charnn.errors import VocabularyError
from charnn.formats.foreign_vocabulary import ordered, read_vocabulary
from charnn.text.vocabulary import Vocabulary


@pytest.mark.parametrize(
    "content",
    [
        ["b", "\n", "a"],
        {"b": 0, "\n": 1, "a": 2},
        {"0": "b", "1": "\n", "2": "a"},
        {"itos": {"0": "b", "1": "\n", "2": "a"}, "vocab_size": 3},
        {"itos": ["b", "\n", "a"]},
        {"stoi": {"a": 2, "b": 0, "\n": 1}},
        {"stoi": {"a": 2, "b": 0, "\n": 1}, "itos": {"2": "a", "1": "\n", "0": "b"}},
    ],
    ids=str,
)
def test_forms(content: Any, tmp_path: Path) -> None:
    """A list, and tables in both directions."""
    (tmp_path / "v.json").write_text(json.dumps(content), encoding="utf-8")
    found = read_vocabulary(tmp_path / "v.json")
    assert found.vocabulary == Vocabulary("\nab")
    assert found.order.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    "vocabulary", [Vocabulary("abc"), Vocabulary("abc", unknown=True), Vocabulary.of_bytes()]
)
def test_charnns_own(vocabulary: Vocabulary) -> None:
    """What `charnn vocab --out` writes keeps its order."""
    found = ordered(vocabulary.to_json())
    assert found.vocabulary == vocabulary
    assert found.order.tolist() == list(range(len(vocabulary)))


def test_an_unknown_symbol_comes_last() -> None:
    """Wherever it stands elsewhere."""
    found = ordered(["b", "<unk>", "a"])
    assert found.vocabulary == Vocabulary("ab", unknown=True)
    assert found.order.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("abc", "no vocabulary"),
        (3, "no vocabulary"),
        (None, "no vocabulary"),
        ([], "at least one symbol"),
        ({}, "at least one symbol"),
        (["a", "b", "a"], "the character 'a' twice"),
        (["a", "bc"], "of id 1 is 'bc', which is not a single character"),
        (["a", ""], "not a single character"),
        (["a", 3], "not a single character"),
        (["a", None], "not a single character"),
        (["a", ["b"]], "not a single character"),
        (["<unk>", "a", "<UNK>"], "not a single character"),
        ({"a": 0, "b": 2}, "numbers from 0 on"),
        ({"a": 1, "b": 2}, "numbers from 0 on"),
        ({"a": 0, "b": 0}, "numbers from 0 on"),
        ({"a": 0, "b": True}, "numbers from 0 on"),
        ({"a": 0, "b": 1.0}, "numbers from 0 on"),
        ({"a": 0, "b": "c"}, "numbers from 0 on"),
        ({"0": "a", "x": "b"}, "not whole numbers"),
        ({"0": "a", "1": "a"}, "numbers from 0 on"),
        ({"stoi": {"a": 0, "b": 1}, "itos": ["b", "a"]}, "contradict"),
        ({"stoi": 3}, "numbers from 0 on"),
        ({"format": "charnn-vocabulary-9"}, "has format"),
        ({"tokens": "words"}, "does not hold a vocabulary"),
    ],
    ids=str,
)
def test_what_is_wrong(content: Any, words: str, tmp_path: Path) -> None:
    """One sentence names the file and what is wrong with it."""
    (tmp_path / "v.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(VocabularyError) as caught:
        read_vocabulary(tmp_path / "v.json")
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"vocabulary file '{tmp_path / 'v.json'}' cannot be used: ")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"\x80\x04}q\x00."])
def test_what_is_no_json(content: bytes, tmp_path: Path) -> None:
    """Also a pickle, which nanoGPT has beside its data."""
    (tmp_path / "meta.pkl").write_bytes(content)
    with pytest.raises(VocabularyError, match="it is not JSON"):
        read_vocabulary(tmp_path / "meta.pkl")


def test_a_missing_file(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(VocabularyError, match="cannot be read"):
        read_vocabulary(tmp_path / "v.json")
