"""Corpora: files, compression, standard input, encodings, parts, and what is refused."""

from __future__ import annotations

import gc
import gzip
import hashlib
import io
import json
import os
import re
import sys
import warnings
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from charnn.config import DataConfig
from charnn.errors import CorpusError, VocabularyError
from charnn.text import source as source_module
from charnn.text.corpus import Corpus, encode, read_corpus, read_for_scoring
from charnn.text.source import TextFiles, find_encoding
from charnn.text.vocabulary import Vocabulary

WHOLE = DataConfig(val_fraction=0)
UNUSUAL = {
    "crlf": "one\r\ntwo\rthree\n\r\n",
    "byte-order mark": "\ufeffmarked",
    "nul": "a\0b\0\0",
    "emoji": "\U0001f469\u200d\U0001f680 and \U0001f600",
    "combining": "e\u0301\u00e9",
    "long line": "x" * 1_100_000 + "y",
    "line separators": "a\u2028b\u0085c\x0bd\x0ce",
    "last code point": "\U0010ffff\x01",
}
quick = settings(derandomize=True, deadline=None, max_examples=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for files that hypothesis writes again and again."""
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in blocks of five bytes."""
    monkeypatch.setattr(source_module, "BLOCK", 5)


class StandardInput:
    """Standard input that can be read once, as from a pipe."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def write(path: Path, content: bytes | str) -> str:
    """Write a file, packed where its name says so, and return its name."""
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


def text_of(corpus: Corpus) -> str:
    """Return the text that a corpus' ids spell."""
    return corpus.vocabulary.decode(corpus.ids)


def refusal(names: list[str], config: DataConfig = WHOLE) -> str:
    """Return the sentence with which a corpus is refused; it names the files."""
    with pytest.raises(CorpusError) as caught:
        read_corpus(names, config)
    message = str(caught.value)
    assert all(f"'{name}'" in message for name in names)
    return message


def test_a_plain_file_becomes_ids(tmp_path: Path) -> None:
    """Ids, vocabulary, name, files and fingerprint of a small text."""
    name = write(tmp_path / "tale.txt", "banana\n")
    corpus = read_corpus([name], WHOLE)
    assert corpus.vocabulary == Vocabulary("\nabn")
    assert corpus.ids.tolist() == [2, 1, 3, 1, 3, 1, 0]
    assert corpus.ids.dtype == np.uint8
    assert (corpus.name, corpus.files, corpus.unknown) == ("tale", [name], 0)
    assert corpus.fingerprint == hashlib.sha256(bytes(corpus.ids)).hexdigest()


@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_nothing_in_a_text_is_changed(tmp_path: Path, text: str) -> None:
    """Line endings, a byte-order mark, NUL, emoji and a very long line come through."""
    corpus = read_corpus([write(tmp_path / "a.txt", text)], WHOLE)
    assert text_of(corpus) == text


@pytest.mark.parametrize("text", UNUSUAL.values(), ids=UNUSUAL)
def test_bytes_are_read_as_they_are(tmp_path: Path, text: str) -> None:
    """With tokens bytes, the ids are the file's bytes, UTF-8 or not."""
    content = text.encode() + b"\xff\xfe\x80"
    corpus = read_corpus([write(tmp_path / "a.bin", content)], DataConfig(tokens="bytes"))
    assert corpus.ids.dtype == np.uint8
    assert corpus.ids.tobytes() == content
    assert corpus.vocabulary == Vocabulary.of_bytes()


def test_a_packed_file_is_the_same_text(tmp_path: Path) -> None:
    """A .gz gives the ids, the name and the fingerprint of the plain file."""
    plain = read_corpus([write(tmp_path / "a.txt", "h\u00e9llo\r\n")], WHOLE)
    packed = read_corpus([write(tmp_path / "a.txt.gz", "h\u00e9llo\r\n")], WHOLE)
    assert text_of(packed) == "h\u00e9llo\r\n"
    assert packed.fingerprint == plain.fingerprint
    assert packed.name == plain.name == "a"


def test_several_files_are_one_text(tmp_path: Path) -> None:
    """Files follow one another in the order given, plain and packed, with nothing between."""
    first, second = write(tmp_path / "z.txt", "one\n"), write(tmp_path / "a.gz", "two")
    assert text_of(read_corpus([first, second], WHOLE)) == "one\ntwo"
    assert text_of(read_corpus([second, first, second], WHOLE)) == "twoone\ntwo"
    assert read_corpus([first, second], WHOLE).name == "z"


def test_a_character_is_not_put_together_from_two_files(tmp_path: Path) -> None:
    """Each file is decoded by itself: half a character at a file's end is an error."""
    first, second = write(tmp_path / "a", b"ab\xc3"), write(tmp_path / "b", b"\xa9")
    with pytest.raises(CorpusError) as caught:
        read_corpus([first, second], WHOLE)
    assert f"corpus '{first}' is not UTF-8: byte 0xc3 at offset 2;" in str(caught.value)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A dash is standard input, which a corpus needs twice but gets once."""
    monkeypatch.setattr(sys, "stdin", StandardInput("piped \u00e9\n".encode()))
    corpus = read_corpus(["-"], WHOLE)
    assert text_of(corpus) == "piped \u00e9\n"
    assert (corpus.name, corpus.files) == ("stdin", ["-"])


def test_standard_input_can_be_one_of_several(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_blocks: None
) -> None:
    """A dash stands where its text belongs, among files."""
    monkeypatch.setattr(sys, "stdin", StandardInput(b"middle "))
    names = [write(tmp_path / "a.txt", "start "), "-", write(tmp_path / "b.txt", "end")]
    files = TextFiles(names)
    for _ in range(3):
        assert "".join(files.blocks()) == "start middle end"
        assert b"".join(files.raw()) == b"start middle end"


def test_the_copy_of_standard_input_goes_with_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is closed and deleted with its last user, however that one ends."""
    for cyclic in (False, True):
        monkeypatch.setattr(sys, "stdin", StandardInput(b"piped"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            files: Any = TextFiles(["-"])
            copy = files._copies["-"]
            assert b"".join(files.raw()) == b"piped"
            if cyclic:
                files.itself = files
            del files
            gc.collect()
        assert [str(warning.message) for warning in caught] == []
        assert copy.closed


def test_a_pipe_is_read_once(tmp_path: Path, small_blocks: None) -> None:
    """A named pipe, or the shell's `<(...)`, can be given where a file can."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=("piped \u00e9\n".encode(),))
    writer.start()
    corpus = read_corpus([str(pipe)], WHOLE)
    writer.join()
    assert text_of(corpus) == "piped \u00e9\n"
    assert corpus.files == [str(pipe)]


def test_standard_input_is_named_once() -> None:
    """Two dashes would be the same text, of which the second is empty."""
    with pytest.raises(CorpusError) as caught:
        TextFiles(["-", "a.txt", "-"])
    assert str(caught.value) == ("standard input (-) can be read only once; give - only once.")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/tale.txt", "tale"),
        ("tale.v1.txt.gz", "tale"),
        ("tale", "tale"),
        (".hidden", "corpus"),
        ("tale.gz", "tale"),
    ],
)
def test_a_corpus_is_called_after_its_first_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    """The name has no folder and no endings."""
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    write(Path(path), "ab")
    assert TextFiles([path]).name == name


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "na\u00efve \u00ff\x80\r\n"),
        ("cp1252", "\u20ac \u201cquoted\u201d"),
        ("utf-16", "h\u00e9llo \U0001f600\r\n"),
        ("utf-16-le", "\ufeffh\u00e9llo \U0001f600"),
        ("utf-32", "\U0001f600 x"),
        ("utf-8-sig", "no mark \u00e9"),
        ("shift_jis", "\u304b\u306a x"),
        ("iso2022_jp", "\u304b\u306a x"),
        ("UTF8", "\u00e9\u20ac"),
    ],
)
def test_other_encodings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, text: str, block: int
) -> None:
    """Text of any encoding is decoded as a whole, wherever the blocks are cut."""
    monkeypatch.setattr(source_module, "BLOCK", block)
    name = write(tmp_path / "a.txt", text.encode(encoding))
    assert text_of(read_corpus([name], DataConfig(val_fraction=0, encoding=encoding))) == text


@pytest.mark.parametrize("encoding", ["klingon", "", "utf-9", "hex", "base64", "rot13", "zlib"])
def test_an_encoding_must_be_a_texts(tmp_path: Path, encoding: str) -> None:
    """An unknown codec, and one that is no text encoding, is named, with proper ones."""
    with pytest.raises(CorpusError) as caught:
        TextFiles([write(tmp_path / "a.txt", "ab")], encoding)
    assert str(caught.value) == (
        f"encoding {encoding!r} is not a text encoding that Python knows; give one such as utf-8, "
        "latin-1, cp1252 or utf-16."
    )


@pytest.mark.parametrize("encoding", ["a\0b", "\udcff"])
def test_an_encoding_can_have_any_name(encoding: str) -> None:
    """NUL, or a byte of the command line that is no text, names no encoding, and is no crash."""
    with pytest.raises(CorpusError) as caught:
        find_encoding(encoding)
    assert f"encoding {encoding!r} is not a text encoding" in str(caught.value)


def test_a_codec_that_decodes_nothing_is_an_error(tmp_path: Path) -> None:
    """Python's codec `undefined` refuses every text with an error of another kind."""
    with pytest.raises(CorpusError) as caught:
        read_corpus([write(tmp_path / "a.txt", "ab")], DataConfig(encoding="undefined"))
    assert "undefined" in str(caught.value).lower()


@given(
    st.lists(
        st.sampled_from(
            [b"a", "\u00e9".encode(), "\u20ac".encode(), "\U0001f600".encode(), b"\xff", b"\xe2"]
        )
        | st.binary(max_size=3),
        max_size=12,
    ).map(b"".join),
    st.integers(1, 9),
)
@quick
@example(b"abcde\xf0\x9f\x98\x80", 6)
@example(b"abcde\xf0\x9f\x98", 6)
@example(b"abcd\xe2\x82x", 5)
@example(b"\xed\xa0\x80", 2)
@example(b"\xc0\x80", 1)
def test_the_first_bad_byte_is_found(folder: Path, content: bytes, block: int) -> None:
    """Read in blocks of any size, a file decodes as a whole would, or fails at the same byte."""
    name = write(folder / "any.txt", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "BLOCK", block)
        files = TextFiles([name])
        bad = first_bad_byte(content)
        if bad is None:
            assert "".join(files.blocks()) == content.decode("utf-8")
        else:
            with pytest.raises(CorpusError) as caught:
                list(files.blocks())
            expected = f"is not UTF-8: byte 0x{content[bad]:02x} at offset {bad:,};"
            assert expected in str(caught.value)


def first_bad_byte(content: bytes) -> int | None:
    """Return where Python's own decoder stops, or None."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def test_the_error_of_a_bad_byte_says_what_to_do(tmp_path: Path, small_blocks: None) -> None:
    """File, encoding, byte and offset are named, and both ways out."""
    name = write(tmp_path / "a.txt", b"x" * 1_234 + b"\xe9t\xe9")
    assert refusal([name]) == (
        f"corpus '{name}' is not UTF-8: byte 0xe9 at offset 1,234; give its encoding with "
        "--encoding (latin-1 accepts any byte), or use --tokens bytes."
    )
    assert len(read_corpus([name], DataConfig(encoding="latin-1")).ids) == 1_237
    assert len(read_corpus([name], DataConfig(tokens="bytes")).ids) == 1_237


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "content", "offset"),
    [
        ("utf-16", b"\xff\xfea\0b\0\x00\xdcc\0", 6),
        ("utf-16", b"\xff\xfea\0b", 4),
        ("utf-16-le", b"a\0\x00\xd8a\0", 2),
        ("utf-32", b"\xff\xfe\0\0a\0\0\0\0\0\x11\x11", 8),
        ("ascii", b"ab\x80", 2),
        ("shift_jis", b"ab\x81", 2),
        ("gb18030", b"abc\x81\x30", 3),
        ("utf-8-sig", b"ab\xff", 2),
        ("utf-8-sig", b"\xef\xbb\xbfab\xff", 5),
    ],
)
def test_the_first_bad_byte_of_other_encodings(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    content: bytes,
    offset: int,
    block: int,
) -> None:
    """The offset counts the file's bytes from 0, its byte-order mark included."""
    monkeypatch.setattr(source_module, "BLOCK", block)
    message = refusal([write(tmp_path / "a", content)], DataConfig(encoding=encoding))
    assert f"is not {encoding.upper()}: byte 0x{content[offset]:02x} at offset {offset};" in message


def test_a_folder_is_no_corpus(tmp_path: Path) -> None:
    """The error says to give the files."""
    message = refusal([str(tmp_path)])
    assert message == f"corpus '{tmp_path}' is a folder; give the names of its files."


def test_a_missing_file_is_reported_before_anything_is_read(tmp_path: Path) -> None:
    """All files are opened at once, so that a wrong last name does not cost an hour."""
    good, bad = write(tmp_path / "a.txt", "ab"), str(tmp_path / "b.txt")
    with pytest.raises(CorpusError) as caught:
        TextFiles([good, bad])
    assert str(caught.value) == (
        f"corpus '{bad}' cannot be read (No such file or directory); check the path."
    )


def test_a_name_that_the_system_refuses_is_an_error() -> None:
    """A file name that is too long is reported like any other that cannot be read."""
    name = "a" * 300
    with pytest.raises(CorpusError) as caught:
        TextFiles([name])
    assert str(caught.value) == (
        f"corpus '{name}' cannot be read (File name too long); check the path."
    )


def test_a_file_without_rights_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is passed on."""
    name = write(tmp_path / "a.txt", "ab")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError) as caught:
        TextFiles([name])
    assert str(caught.value) == (
        f"corpus '{name}' cannot be read (Permission denied); check the path."
    )


def test_an_empty_file_is_no_corpus(tmp_path: Path) -> None:
    """Nothing can be learned from nothing: said for characters and for bytes."""
    name = write(tmp_path / "a.txt", "")
    assert refusal([name]) == f"corpus '{name}' is empty; give more text."
    message = refusal([name], DataConfig(tokens="bytes"))
    assert "has no byte that the model can read" in message
    assert message.endswith("give more text.")
    assert "is empty" in refusal([write(tmp_path / "b.gz", "")])


def test_a_single_character_is_no_corpus(tmp_path: Path) -> None:
    """One symbol has nothing to predict; two are enough."""
    name = write(tmp_path / "a.txt", "\U0001f600")
    message = refusal([name])
    assert "has a single char that the model can read, and at least 2 are needed" in message
    assert len(read_corpus([write(tmp_path / "b.txt", "ab")], WHOLE).ids) == 2


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_packed_file_that_is_cut_off_is_an_error(tmp_path: Path, kept: float) -> None:
    """A truncated .gz is not taken for a shorter text."""
    whole = gzip.compress(bytes(np.random.default_rng(1).integers(97, 123, 5_000, np.uint8)))
    path = tmp_path / "a.gz"
    path.write_bytes(whole[: int(len(whole) * kept)])
    message = refusal([str(path)])
    assert re.search(r"cannot be read after byte [\d,]+ \(.+\); check the file\.$", message)


@pytest.mark.parametrize("damage", ["not packed", "header only", "flipped", "tail"])
def test_a_packed_file_that_is_damaged_is_an_error(tmp_path: Path, damage: str) -> None:
    """A .gz that is none, or whose content was changed, is reported."""
    whole = bytearray(gzip.compress(b"some text " * 100))
    if damage == "flipped":
        whole[len(whole) // 2] ^= 0xFF
    path = tmp_path / "a.gz"
    contents = {"not packed": b"plain text", "header only": whole[:10], "tail": whole + b"tail"}
    path.write_bytes(contents.get(damage, whole))
    message = refusal([str(path)])
    assert message.endswith("; check the file.")
    assert "cannot be read after byte" in message


@given(
    st.integers(2, 300),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
@settings(quick, max_examples=20)
@example(2, 0.5, 0.0)
@example(10, 0.5, 0.49)
@example(300, 0.1, 0.2)
def test_the_parts_cover_the_text(folder: Path, length: int, val: float, test: float) -> None:
    """Training, validation and test part follow one another; the fractions count from the end."""
    assume(val + test < 1)
    text = "".join(chr(97 + number % 26) for number in range(length))
    name = write(folder / "parts.txt", text)
    corpus = read_corpus([name], DataConfig(val_fraction=val, test_fraction=test))
    parts = [corpus.train, corpus.val, corpus.test]
    assert np.concatenate(parts).tolist() == corpus.ids.tolist()
    assert corpus.parts == {"train": len(parts[0]), "val": len(parts[1]), "test": len(parts[2])}
    assert len(corpus.val) == int(length * val)
    assert len(corpus.test) == int(length * test)
    assert len(corpus.train) > 0


def test_the_vocabulary_is_the_whole_texts(tmp_path: Path) -> None:
    """A character that only the test part has is in the vocabulary, too."""
    name = write(tmp_path / "a.txt", "aaaaaaaabz")
    corpus = read_corpus([name], DataConfig(val_fraction=0.1, test_fraction=0.1))
    assert corpus.vocabulary.symbols == "abz"
    assert corpus.vocabulary.decode(corpus.test) == "z"


def test_rare_characters_become_unknown(tmp_path: Path, small_blocks: None) -> None:
    """With a min_count, characters seen less often are one symbol, and counted."""
    name = write(tmp_path / "a.txt", "aabbc\U0001f600aab\u00e9")
    corpus = read_corpus([name], DataConfig(min_count=2, val_fraction=0))
    assert corpus.vocabulary == Vocabulary("ab", unknown=True)
    assert corpus.unknown == 3
    assert corpus.ids.tolist() == [0, 0, 1, 1, 2, 2, 0, 0, 1, 2]
    with pytest.raises(VocabularyError) as caught:
        read_corpus([name], DataConfig(min_count=50))
    assert "no character occurs 50 times (the most frequent one occurs 4 times)" in str(
        caught.value
    )


def test_a_given_vocabulary_is_used(tmp_path: Path) -> None:
    """Ids follow the vocabulary given, be it wider than the text."""
    name = write(tmp_path / "a.txt", "cab")
    corpus = read_corpus([name], WHOLE, Vocabulary("abcdef"))
    assert corpus.ids.tolist() == [2, 0, 1]
    assert len(corpus.vocabulary) == 6


def test_a_vocabulary_file_is_used(tmp_path: Path) -> None:
    """`vocab` names a file; what it lacks is the unknown symbol, if it has one."""
    name = write(tmp_path / "a.txt", "cabxyxa")
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary("abc", unknown=True).to_json()))
    corpus = read_corpus([name], DataConfig(vocab=vocab, val_fraction=0))
    assert corpus.ids.tolist() == [2, 0, 1, 3, 3, 3, 0]
    assert corpus.unknown == 3


def test_a_character_outside_the_vocabulary_file_is_an_error(tmp_path: Path) -> None:
    """Where nothing is unknown, the first foreign character is named, and what to do."""
    name = write(tmp_path / "a.txt", "cab\u00e9x")
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary("abc").to_json()))
    message = refusal([name], DataConfig(vocab=vocab))
    assert message == (
        f"corpus '{name}' has '\u00e9' (U+00E9), which is not in the vocabulary; make one with an "
        "unknown symbol (--min-count 2) or from this text."
    )


def test_a_vocabulary_file_must_fit_the_tokens(tmp_path: Path) -> None:
    """A vocabulary of bytes is not used for characters, nor the other way."""
    name = write(tmp_path / "a.txt", "ab")
    vocab = write(tmp_path / "v.json", json.dumps(Vocabulary.of_bytes().to_json()))
    with pytest.raises(CorpusError) as caught:
        read_corpus([name], DataConfig(vocab=vocab))
    assert str(caught.value) == (
        f"vocabulary file '{vocab}' holds bytes, but tokens is characters; give --tokens bytes."
    )
    config = DataConfig(vocab=vocab, tokens="bytes", val_fraction=0)
    assert read_corpus([name], config).ids.tolist() == [97, 98]


def test_a_bad_vocabulary_file_is_named(tmp_path: Path) -> None:
    """The error of `Vocabulary.load` is passed on."""
    name = write(tmp_path / "a.txt", "ab")
    with pytest.raises(VocabularyError) as caught:
        read_corpus([name], DataConfig(vocab="none.json"))
    assert "vocabulary file 'none.json' cannot be used: it cannot be read" in str(caught.value)


def test_scoring_counts_unknown_characters(tmp_path: Path, small_blocks: None) -> None:
    """A text to score has its unknown characters replaced, and counted one by one."""
    name = write(tmp_path / "a.txt", "abxaby\U0001f600xba")
    ids, outside = read_for_scoring([name], "utf-8", Vocabulary("ab", unknown=True))
    assert ids.tolist() == [0, 1, 2, 0, 1, 2, 2, 2, 1, 0]
    assert outside == {"x": 2, "y": 1, "\U0001f600": 1}


def test_scoring_leaves_out_what_has_no_symbol(tmp_path: Path, small_blocks: None) -> None:
    """Without an unknown symbol, foreign characters are left out of the ids, and counted."""
    name = write(tmp_path / "a.txt", "abxaby\U0001f600xba")
    ids, outside = read_for_scoring([name], "utf-8", Vocabulary("ab"))
    assert ids.tolist() == [0, 1, 0, 1, 1, 0]
    assert outside == {"x": 2, "y": 1, "\U0001f600": 1}


def test_scoring_needs_two_known_characters(tmp_path: Path) -> None:
    """A text in which the model knows nothing, or one character, cannot be scored."""
    for text, size in (("xyz", "no char"), ("xay", "a single char")):
        name = write(tmp_path / "a.txt", text)
        with pytest.raises(CorpusError) as caught:
            read_for_scoring([name], "utf-8", Vocabulary("ab"))
        assert f"the text '{name}' has {size} that the model can read" in str(caught.value)
        assert str(caught.value).endswith("give more text.")


def test_scoring_bytes(tmp_path: Path) -> None:
    """A model of bytes reads every text."""
    name = write(tmp_path / "a.txt", b"a\xff\n")
    ids, outside = read_for_scoring([name], "utf-8", Vocabulary.of_bytes())
    assert ids.tolist() == [97, 255, 10]
    assert not outside


def test_ids_lie_on_disk(tmp_path: Path, small_blocks: None) -> None:
    """Ids are mapped from a file, not held in memory, and cannot be changed."""
    text = "".join(map(chr, range(0x100, 0x300)))
    files = TextFiles([write(tmp_path / "a.txt", text)])
    encoded = encode(files, Vocabulary.from_text(text))
    ids, outside = encoded.ids, encoded.outside
    assert isinstance(ids, np.memmap)
    assert not ids.flags.writeable
    assert ids.dtype == np.uint16
    assert ids.tolist() == list(range(0x200))
    assert not outside


def test_the_fingerprint_is_of_the_ids(tmp_path: Path, small_blocks: None) -> None:
    """Equal ids have equal fingerprints, however the text was cut into files and blocks."""
    text = "to be, or not to be"
    whole = read_corpus([write(tmp_path / "a.txt", text)], WHOLE)
    halves = [write(tmp_path / "b.txt", text[:7]), write(tmp_path / "c.gz", text[7:])]
    assert read_corpus(halves, WHOLE).fingerprint == whole.fingerprint
    other = read_corpus([write(tmp_path / "d.txt", text[::-1])], WHOLE)
    assert other.fingerprint != whole.fingerprint
    assert other.vocabulary == whole.vocabulary


def test_a_mark_inside_a_text_is_a_character(tmp_path: Path, small_blocks: None) -> None:
    """UTF-16's mark at the beginning belongs to the encoding; another one is text."""
    name = write(tmp_path / "marked.txt", "\ufeffa\ufeffb".encode("utf-16-le"))
    corpus = read_corpus([name], DataConfig(val_fraction=0, encoding="utf-16"))
    assert text_of(corpus) == "a\ufeffb"
