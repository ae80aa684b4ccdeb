"""Vocabularies: symbols and ids, bytes, one-hot vectors, names, JSON."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charnn.errors import VocabularyError
from charnn.text import vocabulary as vocabulary_module
from charnn.text.vocabulary import (
    ALL_BYTES,
    UNKNOWN_TEXT,
    Vocabulary,
    code_points,
    count_code_points,
    symbol_name,
    utf8,
)

EVERYTHING = st.text(st.characters(exclude_categories=()), min_size=1)
ENCODABLE = st.text(st.characters(codec="utf-8"), min_size=1)
SHOWCASE = "e\u0301 \u00e9 \0 \r\n \ufeff \U0001f469\u200d\U0001f680 \U0010ffff"
quick = settings(derandomize=True, deadline=None, max_examples=60)


def refusal(*arguments: Any, **named: Any) -> str:
    """Return the sentence with which a vocabulary is refused."""
    with pytest.raises(VocabularyError) as caught:
        Vocabulary(*arguments, **named)
    return str(caught.value)


def file_refusal(path: Path, content: str | bytes | None = None) -> str:
    """Return the sentence with which a vocabulary file is refused; it names the file."""
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(VocabularyError) as caught:
        Vocabulary.load(path)
    message = str(caught.value)
    assert message.startswith(f"vocabulary file '{path}' cannot be used: ")
    return message


def test_symbols_are_sorted_by_code_point() -> None:
    """Ids follow code points: line feed, capital, small letter, accent, emoji."""
    vocabulary = Vocabulary.from_text("b\U0001f600aB\n\u00e9ab")
    assert vocabulary.symbols == "\nBab\u00e9\U0001f600"
    assert vocabulary.encode("\U0001f600\nb").tolist() == [5, 0, 3]


@given(EVERYTHING, st.randoms(use_true_random=False))
@quick
def test_the_order_of_a_text_does_not_matter(text: str, shuffler: random.Random) -> None:
    """Equal sets of characters give equal vocabularies."""
    characters = list(text * 2)
    shuffler.shuffle(characters)
    vocabulary = Vocabulary.from_text(text)
    assert Vocabulary.from_text("".join(characters)) == vocabulary
    assert vocabulary.symbols == "".join(sorted(set(text)))


@given(EVERYTHING)
@quick
@example(SHOWCASE)
@example("\ud800")
@example("\udfff\ud800")
def test_any_text_is_encoded_and_decoded(text: str) -> None:
    """Decoding inverts encoding: astral, combining, control, NUL, even lone surrogates."""
    vocabulary = Vocabulary.from_text(text)
    ids = vocabulary.encode(text)
    assert ids.shape == (len(text),)
    assert ids.dtype == vocabulary.id_dtype
    assert vocabulary.decode(ids) == text
    assert vocabulary.outside(text) == []


@given(ENCODABLE)
@quick
@example(SHOWCASE)
def test_bytes_hold_any_text(text: str) -> None:
    """The vocabulary of bytes reads every text as its UTF-8, and gives it back."""
    vocabulary = Vocabulary.of_bytes()
    ids = vocabulary.encode(text)
    assert ids.tobytes() == text.encode("utf-8")
    assert vocabulary.decode(ids) == text
    assert vocabulary.to_bytes(ids) == text.encode("utf-8")
    assert vocabulary.outside(text) == []


@given(ENCODABLE)
@quick
def test_characters_become_utf_8(text: str) -> None:
    """`to_bytes` of a vocabulary of characters is the text in UTF-8."""
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.to_bytes(vocabulary.encode(text)) == text.encode("utf-8")


def test_a_lone_surrogate_becomes_the_bytes_that_are_read_as_one() -> None:
    """A text in UTF-7 can have one; a vocabulary of it writes what one of bytes reads."""
    text = b"+2AA-".decode("utf-7")
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.to_bytes(vocabulary.encode(text)) == b"\xed\xa0\x80"
    assert Vocabulary.of_bytes().encode(text).tobytes() == b"\xed\xa0\x80"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize(
    "vocabulary", [Vocabulary.of_bytes(), Vocabulary.from_text("abc h\u00e9llo")], ids=len
)
def test_ids_of_any_integer_type_mean_the_same(
    vocabulary: Vocabulary, dtype: np.dtype[Any]
) -> None:
    """Ids from a corpus (uint8) and ids that were drawn (int64) decode alike."""
    ids = vocabulary.encode("h\u00e9llo").astype(dtype)
    assert vocabulary.decode(ids) == "h\u00e9llo"
    assert vocabulary.decode(ids.tolist()) == "h\u00e9llo"
    assert vocabulary.to_bytes(ids) == b"h\xc3\xa9llo"
    assert vocabulary.to_bytes(ids[:1]) == b"h"
    assert vocabulary.to_bytes(list(ids)) == b"h\xc3\xa9llo"


def test_malformed_bytes_show_as_replacement_characters() -> None:
    """Bytes that are no UTF-8 decode to U+FFFD, and stay themselves as bytes."""
    vocabulary = Vocabulary.of_bytes()
    assert vocabulary.decode([0x61, 0xFF, 0xC3]) == f"a{UNKNOWN_TEXT}{UNKNOWN_TEXT}"
    assert vocabulary.to_bytes([0x61, 0xFF, 0xC3]) == b"a\xff\xc3"


def test_the_bytes_are_all_256() -> None:
    """A vocabulary of bytes has one symbol a byte value, in order, and none unknown."""
    vocabulary = Vocabulary.of_bytes()
    assert len(vocabulary) == 256
    assert vocabulary.symbols == ALL_BYTES == "".join(map(chr, range(256)))
    assert vocabulary.unknown_id is None
    assert vocabulary.id_dtype is np.uint8
    assert vocabulary.unit == "byte"
    assert Vocabulary.from_text("a").unit == "char"


def test_nothing_encodes_to_nothing() -> None:
    """The empty text has no ids, and no ids are the empty text."""
    for vocabulary in (Vocabulary.from_text("ab"), Vocabulary.of_bytes()):
        assert vocabulary.encode("").shape == (0,)
        assert vocabulary.decode([]) == ""
        assert vocabulary.to_bytes([]) == b""


def test_rare_characters_become_the_unknown_symbol() -> None:
    """With a min_count there is an unknown symbol with the last id, shown as U+FFFD."""
    vocabulary = Vocabulary.from_text("aaabbc", min_count=2)
    assert vocabulary.symbols == "ab"
    assert len(vocabulary) == 3
    assert vocabulary.unknown_id == vocabulary.missing_id == 2
    assert vocabulary.encode("abc\U0001f600\0").tolist() == [0, 1, 2, 2, 2]
    assert vocabulary.decode([0, 1, 2]) == "ab\N{REPLACEMENT CHARACTER}"
    assert vocabulary.to_bytes([2]) == b"\xef\xbf\xbd"
    assert vocabulary.outside("cab\0") == ["\0", "c"]
    assert vocabulary.name(2) == "unknown"


def test_a_min_count_of_one_keeps_everything() -> None:
    """Without a min_count no symbol is unknown; a foreign character gets no valid id."""
    vocabulary = Vocabulary.from_text("aab", min_count=1)
    assert Vocabulary.from_text("aab", min_count=0) == vocabulary
    assert vocabulary.unknown_id is None
    assert len(vocabulary) == 2
    assert vocabulary.missing_id == 2
    assert vocabulary.encode("abc\U0010ffff").tolist() == [0, 1, 2, 2]


@given(EVERYTHING, EVERYTHING, st.booleans())
@quick
def test_exactly_the_foreign_characters_are_missing(text: str, other: str, unknown: bool) -> None:
    """`encode` marks a character as missing if and only if `outside` lists it."""
    vocabulary = Vocabulary("".join(sorted(set(text))), unknown)
    missing = vocabulary.encode(other) == vocabulary.missing_id
    foreign = {character for character, absent in zip(other, missing, strict=True) if absent}
    assert sorted(foreign) == vocabulary.outside(other)
    assert foreign == set(other) - set(text)


def test_a_min_count_that_keeps_nothing_is_refused() -> None:
    """The error says how frequent the most frequent character is, and what to lower."""
    with pytest.raises(VocabularyError) as caught:
        Vocabulary.from_text("aab", min_count=1_000)
    assert str(caught.value) == (
        "no character occurs 1,000 times (the most frequent one occurs 2 times); lower --min-count."
    )


def test_a_vocabulary_needs_sorted_different_symbols() -> None:
    """An empty, unsorted or repeating set of symbols is refused in words."""
    assert refusal("") == "a vocabulary needs at least one symbol; this one has none."
    for symbols in ("ba", "aa", "aba"):
        assert refusal(symbols) == "the symbols of a vocabulary must be sorted and all different."


@pytest.mark.parametrize(
    ("symbols", "unknown"), [("ab", False), (ALL_BYTES, True), (ALL_BYTES[1:], False)]
)
def test_a_vocabulary_of_bytes_is_fixed(symbols: str, unknown: bool) -> None:
    """Bytes have no other symbols than the 256, and none unknown."""
    message = refusal(symbols, unknown, "bytes")
    assert message == "a byte vocabulary must hold exactly the 256 byte values."


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        (1, np.uint8),
        (255, np.uint8),
        (256, np.uint16),
        (65_535, np.uint16),
        (65_536, np.uint32),
    ],
)
def test_the_type_of_ids_grows_with_the_vocabulary(size: int, dtype: type) -> None:
    """Every id and the mark of a missing character fit, at the borders of each type."""
    symbols = "".join(map(chr, range(1, size + 1)))
    vocabulary = Vocabulary(symbols)
    assert vocabulary.id_dtype is dtype
    ids = vocabulary.encode(symbols + "\0\U0010ffff")
    assert ids.dtype == dtype
    assert ids.tolist() == [*range(size), size, size]
    assert vocabulary.decode(ids[:-2]) == symbols


@pytest.mark.parametrize("size", [254, 255, 256, 65_534, 65_535, 65_536])
def test_the_unknown_symbol_fits_the_type_of_ids(size: int) -> None:
    """With an unknown symbol, its id is not cut off at the borders of the types."""
    symbols = "".join(map(chr, range(size)))
    vocabulary = Vocabulary(symbols, unknown=True)
    ids = vocabulary.encode(symbols[-1] + "\U0010ffff")
    assert ids.tolist() == [size - 1, size]
    assert vocabulary.unknown_id == size
    assert np.iinfo(vocabulary.id_dtype).max >= len(vocabulary) - 1


def test_one_hot_vectors() -> None:
    """An id becomes a vector with a single one, at the id; any shape of ids will do."""
    vocabulary = Vocabulary("abc", unknown=True)
    vectors = vocabulary.one_hot(np.array([[0, 3], [2, 2], [1, 0]]))
    assert vectors.shape == (3, 2, 4)
    assert vectors.dtype == np.float32
    assert vectors[0].tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert (vectors.argmax(axis=-1) == [[0, 3], [2, 2], [1, 0]]).all()
    assert (vectors.sum(axis=-1) == 1).all()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (" ", "space"),
        ("\n", "newline"),
        ("\t", "tab"),
        ("\r", "carriage return"),
        ("\0", "NUL"),
        ("\u00a0", "no-break space"),
        ("\u200d", "zero width joiner"),
        ("\ufeff", "zero width no-break space"),
        ("\u0301", "\u25cc\u0301"),
        ("a", "a"),
        ("\u00e9", "\u00e9"),
        ("\U0001f600", "\U0001f600"),
        ("[", "["),
    ],
)
def test_a_symbol_has_a_name(symbol: str, name: str) -> None:
    """Spaces and controls are named, combining marks ride on a circle, others are themselves."""
    assert symbol_name(symbol) == name
    assert Vocabulary(symbol).name(0) == name


@pytest.mark.parametrize("point", [0x01, 0x07, 0x1B, 0x7F, 0x9F, 0xE000, 0xFFFF, 0x378])
def test_a_symbol_without_a_name_is_called_by_its_code_point(point: int) -> None:
    """Controls, private and unassigned characters have no name in Unicode."""
    assert symbol_name(chr(point)).upper() == f"U+{point:04X}"


def test_every_name_can_be_printed() -> None:
    """No character's name moves the cursor, rings the bell or is blank."""
    shown = [symbol_name(chr(point)) for point in (*range(0x3100), *range(0x3100, 0x110000, 97))]
    combining = "\N{DOTTED CIRCLE}"
    assert all(name.isprintable() and name.strip() for name in shown)
    assert not any(
        unicodedata.category(name[0]).startswith("M") for name in shown if name[0] != combining
    )


def test_the_names_of_bytes_are_all_different() -> None:
    """Printable ASCII is shown as itself, other bytes by name or in hexadecimal."""
    vocabulary = Vocabulary.of_bytes()
    names = [vocabulary.name(value) for value in range(256)]
    assert len(set(names)) == 256
    assert names[0x41] == "A"
    assert names[0x20] == "space"
    assert names[0x7F] == "0x7f"
    assert names[0xA0] == "0xa0"
    assert names[0xFF] == "0xff"


@given(ENCODABLE, st.booleans())
@quick
@example(SHOWCASE, True)
def test_json_holds_every_vocabulary(text: str, unknown: bool) -> None:
    """What `to_json` gives goes through JSON text and comes back equal."""
    vocabulary = Vocabulary("".join(sorted(set(text))), unknown)
    content = json.loads(json.dumps(vocabulary.to_json()))
    assert Vocabulary.from_json(content) == vocabulary
    assert content["format"] == "charnn-vocabulary-1"


def test_json_holds_the_bytes() -> None:
    """A vocabulary of bytes is written without its symbols."""
    content = Vocabulary.of_bytes().to_json()
    assert content["symbols"] == ""
    assert Vocabulary.from_json(content) == Vocabulary.of_bytes()


def test_a_vocabulary_file_is_read(tmp_path: Path) -> None:
    """`load` reads the JSON that `to_json` gives, escaped or not."""
    vocabulary = Vocabulary.from_text(SHOWCASE, 1)
    for escaped in (True, False):
        path = tmp_path / f"{escaped}.json"
        content = json.dumps(vocabulary.to_json(), ensure_ascii=escaped)
        path.write_text(content, encoding="utf-8", newline="")
        assert Vocabulary.load(path) == vocabulary


def test_a_vocabulary_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A path that leads nowhere, or to a folder, is reported with its reason."""
    message = file_refusal(tmp_path / "none.json")
    assert message.endswith("it cannot be read (No such file or directory); check the path.")
    assert file_refusal(tmp_path).endswith("it cannot be read (Is a directory); check the path.")


@pytest.mark.parametrize(
    "content", ["", "{", "nothing", b"\xff\xfe", "[" * 100_000, '{"a": 1} x', "\ufeff{}"]
)
def test_a_vocabulary_file_must_be_json(tmp_path: Path, content: str | bytes) -> None:
    """Broken, endlessly nested or binary content is one clear error."""
    message = file_refusal(tmp_path / "v.json", content)
    assert "it is not JSON (" in message
    assert message.endswith("`charnn vocab --out` writes one.")


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": "words"},
        {"tokens": 1},
        {"tokens": "bytes", "unknown": True},
        {"unknown": 0},
        {"unknown": "no"},
        {"unknown": None},
        {"symbols": ["a", "b"]},
        {"symbols": None},
    ],
)
def test_a_vocabulary_file_must_hold_a_vocabulary(tmp_path: Path, change: dict[str, Any]) -> None:
    """A key of the wrong type or value is refused, with how to make a proper file."""
    content = json.dumps(Vocabulary("ab").to_json() | change)
    message = file_refusal(tmp_path / "v.json", content)
    assert message.endswith(": it does not hold a vocabulary; `charnn vocab --out` writes one.")


@pytest.mark.parametrize("content", ["{}", "[]", "1", "null", '"abc"', '{"symbols": "ab"}'])
def test_other_json_is_no_vocabulary(tmp_path: Path, content: str) -> None:
    """JSON without the keys of a vocabulary is refused."""
    message = file_refusal(tmp_path / "v.json", content)
    assert message.endswith(": it does not hold a vocabulary; `charnn vocab --out` writes one.")


@pytest.mark.parametrize(
    ("symbols", "reason"), [("", "at least one symbol"), ("ba", "sorted"), ("aa", "different")]
)
def test_a_vocabulary_file_must_be_consistent(tmp_path: Path, symbols: str, reason: str) -> None:
    """A file's symbols are checked like any others, and the file is named."""
    content = json.dumps(Vocabulary("ab").to_json() | {"symbols": symbols})
    assert reason in file_refusal(tmp_path / "v.json", content)


def test_a_vocabulary_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """A newer format is named together with the one that this version reads."""
    content = json.dumps(Vocabulary("ab").to_json() | {"format": "charnn-vocabulary-2"})
    message = file_refusal(tmp_path / "v.json", content)
    assert (
        "has format 'charnn-vocabulary-2', but this version reads 'charnn-vocabulary-1'" in message
    )


def test_a_vocabulary_file_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file over the limit, a corpus given by mistake, is refused unread."""
    monkeypatch.setattr(vocabulary_module, "LARGEST_FILE", 1_000)
    message = file_refusal(tmp_path / "v.json", "x" * 1_001)
    assert message.endswith("it is larger than 1,000 bytes.")
    assert "is not JSON" in file_refusal(tmp_path / "v.json", "x" * 1_000)


@given(st.lists(EVERYTHING, max_size=4))
@quick
def test_code_points_are_counted_over_all_blocks(blocks: list[str]) -> None:
    """Each block adds its characters; the counts sum to the length of the text."""
    counts = count_code_points(blocks)
    text = "".join(blocks)
    assert counts.sum() == len(text)
    assert all(counts[ord(character)] == text.count(character) for character in set(text))


def test_code_points_are_unicodes() -> None:
    """A character is one number, also beyond the 16 bits and within the surrogates."""
    assert code_points("a\U0001f600\ud800\0").tolist() == [0x61, 0x1F600, 0xD800, 0]


@pytest.mark.parametrize(
    "content", [b"", b"abc", "\u00e9\U0001f600".encode(), b"\xff\xc3 a", b"\x80"]
)
def test_a_text_made_of_any_bytes_gives_them_back(content: bytes) -> None:
    """Arguments of a command are decoded like this; a model of bytes reads them as they were."""
    text = content.decode("utf-8", "surrogateescape")
    assert utf8(text) == content
    assert Vocabulary.of_bytes().encode(text).tobytes() == content


def test_surrogates_that_stand_for_no_byte_are_encoded_too() -> None:
    """Such a text comes from a configuration or a program, and is no reason to end."""
    assert utf8("\ud800a") == b"\xed\xa0\x80a"
