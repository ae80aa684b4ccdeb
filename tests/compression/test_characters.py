"""Any bytes as ids and patches, and back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from small_models import AWKWARD, VOCABULARIES

from charnn.compression.characters import (
    PLAIN,
    SHRUNK,
    blocks_of,
    count_characters,
    joined,
    split,
    whole_characters,
)
from charnn.compression.varints import to_varints
from charnn.errors import CompressionError
from charnn.text.vocabulary import Vocabulary


@pytest.mark.parametrize("kind", VOCABULARIES)
@pytest.mark.parametrize("name", AWKWARD)
def test_any_bytes_come_back(kind: str, name: str) -> None:
    """Ids are of the vocabulary, and with the patches they give the bytes."""
    vocabulary, content = VOCABULARIES[kind], AWKWARD[name] * 3
    ids, patches = split(content, vocabulary)
    assert (ids < len(vocabulary)).all()
    assert joined(ids, patches, vocabulary, len(content)) == content


def test_patches_say_what_is_missing_and_where() -> None:
    """Gaps are counts of known characters; with an unknown symbol its id says where."""
    content = "éЖab\xffc".encode() + b"\xff"
    ids, patches = split(content, Vocabulary("abcé"))
    assert ids.tolist() == [3, 0, 1, 2]
    numbers = [3, 1, 2, 1, ord("Ж"), 0xFF, 0xDCFF]
    assert patches == bytes([PLAIN]) + to_varints(np.array(numbers))
    ids, patches = split(content, Vocabulary("abcé", unknown=True))
    assert ids.tolist() == [3, 4, 0, 1, 4, 2, 4]
    assert patches == bytes([PLAIN]) + to_varints(np.array([3, *numbers[4:]]))
    assert split(b"abc", Vocabulary("abc"))[1] == b""


def test_many_patches_are_shrunk() -> None:
    """LZMA takes the patches where that is smaller."""
    _, patches = split("Жa".encode() * 500, Vocabulary("a"))
    assert patches[0] == SHRUNK
    assert len(patches) < 100


@pytest.mark.parametrize("size", [4, 5, 7, 64])
def test_blocks_are_cut_between_characters(size: int) -> None:
    """Blocks together are the stream; none is too long, and each decodes as the whole does."""
    text = "aé€\U0001f600" * 9 + "€"
    blocks = list(blocks_of(io.BytesIO(text.encode()), size))
    assert "".join(block.decode() for block in blocks) == text
    assert max(map(len, blocks)) <= size
    damaged = bytes(range(256)) * 2 + b"\xf0\x9f\x98"
    blocks = list(blocks_of(io.BytesIO(damaged), size))
    assert b"".join(blocks) == damaged
    assert max(map(len, blocks)) <= size


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0),
        (b"ab", 2),
        ("aé".encode(), 3),
        (b"a\xc3", 1),
        (b"a\xe2\x82", 1),
        (b"a\xf0\x9f\x98", 1),
        (b"a\x98\x98\x98\x98", 5),
        (b"\xc3\x98\x98", 3),
    ],
)
def test_only_what_may_be_completed_waits(content: bytes, expected: int) -> None:
    """Bytes that begin a character wait for the next block; others do not."""
    assert whole_characters(content) == expected


def test_characters_are_counted() -> None:
    """A byte that is no part of a character counts as one."""
    assert count_characters("é€".encode() + b"\xff", Vocabulary("a")) == 3
    assert count_characters("é€".encode(), Vocabulary.of_bytes()) == 5


def plain(*numbers: int) -> bytes:
    """Return patches of numbers."""
    return bytes([PLAIN]) + to_varints(np.array(numbers))


@pytest.mark.parametrize(
    ("ids", "patches"),
    [
        ([0, 9], b""),
        ([0, 1, 2], b""),
        ([0], plain(1, 0)),
        ([0], plain(2, 0, 65)),
        ([0], plain(0)),
        ([0], plain(3, 0, 0, 0, 65, 65, 65)),
        ([0], plain(1, 2, 65)),
        ([0], plain(1, 0, 0x110000)),
        ([0], plain(1, 0, 0xD800)),
        ([0], b"\x02\x01\x00A"),
        ([0], b"\x01\x01\x00A"),
        ([0], bytes([PLAIN]) + b"\xff"),
        ([0], plain(1, 0, 0xE9)),
    ],
    ids=[
        "an id that is none", "too long", "no point", "too few", "an empty list", "more than fit",
        "behind the end", "no character", "a surrogate", "no kind", "no LZMA", "no end",
        "of another length",
    ],
)  # fmt: skip
def test_wrong_patches_are_refused(ids: list[int], patches: bytes) -> None:
    """What cannot be two bytes of text raises CompressionError and nothing else."""
    with pytest.raises(CompressionError):
        joined(np.array(ids), patches, Vocabulary("abc"), 2)


def test_unknown_symbols_need_as_many_patches() -> None:
    """With an unknown symbol, each needs its character."""
    vocabulary = Vocabulary("ab", unknown=True)
    assert joined(np.array([0, 2]), plain(1, 67), vocabulary, 2) == b"aC"
    for ids, patches in [([0, 2], b""), ([0, 1], plain(1, 67)), ([2, 2], plain(1, 67))]:
        with pytest.raises(CompressionError):
            joined(np.array(ids), patches, vocabulary, 2)


def test_patches_that_grow_are_not_unpacked() -> None:
    """LZMA of a hundred million zeros is refused for a block of ten bytes."""
    _, patches = split("Ж".encode() * 1000, Vocabulary("a"))
    with pytest.raises(CompressionError):
        joined(np.zeros(0, int), patches, Vocabulary("a"), 10)
