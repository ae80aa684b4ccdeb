"""One block: the smallest of three ways, and what a damaged one leads to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_models import AWKWARD, VOCABULARIES, small_model, sure_model, sure_text

from charnn.arrays import Array
from charnn.compression.block import Code
from charnn.compression.coding import (
    MOST_LANES,
    TRIAL,
    WORTH_A_TRIAL,
    Advance,
    Codec,
    Statistics,
    decode_record,
    encode_record,
)
from charnn.compression.container import Method, Record
from charnn.compression.varints import first_varints, to_varints
from charnn.errors import CompressionError


def ignore(_: int) -> None:
    """Be told of progress."""


class OneByteEach:
    """A codec without a network: a byte for each symbol, or `share` of them."""

    def __init__(self, share: float = 1.0) -> None:
        self.vocabulary, self._share = VOCABULARIES["characters"], share
        self.asked: list[int] = []
        self._known: dict[bytes, Array] = {}

    def encode(self, ids: Array, lanes: int, advance: Advance) -> Code:
        """Return the ids, cut."""
        self.asked.append(len(ids))
        code = ids.astype(np.uint8).tobytes()[: int(len(ids) * self._share)]
        self._known[code] = ids
        return Code(code, 8.0 * len(code), 9.0 * len(code))

    def decode(self, code: bytes, count: int, lanes: int, advance: Advance) -> Array:
        """Return what was encoded."""
        return self._known[code]


@pytest.mark.parametrize("kind", VOCABULARIES)
@pytest.mark.parametrize("name", AWKWARD)
def test_any_block_comes_back(kind: str, name: str) -> None:
    """Whatever a block holds, it takes no more bytes than it has."""
    codec, content = Codec(small_model(kind)), AWKWARD[name]
    record, _ = encode_record(content, codec, None, ignore)
    assert len(record.payload) <= len(content)
    assert decode_record(record, codec, ignore) == content


@pytest.mark.parametrize("lanes", [None, 3])
def test_the_model_is_used_where_it_is_smallest(lanes: int | None) -> None:
    """A text that the model expects is coded by it, and the statistics are those of the code."""
    codec = Codec(sure_model())
    content = sure_text(2_000)
    done: list[int] = []
    record, statistics = encode_record(content, codec, lanes, done.append)
    assert record.method == Method.MODEL
    assert decode_record(record, codec, ignore) == content
    symbols = 2_000
    (count, used, patches, code), rest = first_varints(record.payload, 4)
    assert (count, used) == (symbols, lanes or 1)
    assert len(rest) == patches + code
    lengths = statistics.ideal_bits, statistics.network_bits
    assert statistics == Statistics(count, code, patches, used, *lengths)
    assert min(lengths) > 0
    assert 0 <= 8 * code - statistics.ideal_bits < 0.002 * statistics.ideal_bits + 64 * used + 64
    assert sum(done) == 2 * symbols
    assert Statistics.from_bytes(statistics.to_bytes()) == statistics


def test_each_way_is_chosen_where_it_is_smallest() -> None:
    """Repeated text by LZMA, random bytes as they are."""
    codec = Codec(small_model())
    chance = np.random.default_rng(1)
    repeated = chance.integers(97, 123, 400, np.uint8).tobytes() * 9
    assert encode_record(repeated, codec, None, ignore)[0].method == Method.LZMA
    random = chance.bytes(300)
    assert encode_record(random, codec, None, ignore)[0] == Record(Method.STORED, 300, random)


def test_the_model_is_not_asked_in_vain() -> None:
    """Random bytes never, and a long block only where a piece of it is promising."""
    chance = np.random.default_rng(2)
    text = chance.integers(97, 123, WORTH_A_TRIAL, np.uint8).tobytes()
    for content, share, expected in [
        (chance.bytes(WORTH_A_TRIAL), 0.5, []),
        (text, 1.0, [TRIAL]),
        (text, 0.5, [TRIAL, WORTH_A_TRIAL]),
        (text[1:], 1.0, [WORTH_A_TRIAL - 1]),
    ]:
        codec: Any = OneByteEach(share)
        encode_record(content, codec, None, ignore)
        assert codec.asked == expected


def test_a_block_that_does_not_come_back_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where decoding gives other symbols than were encoded, there is an error, and no file."""
    codec = Codec(sure_model())
    right = codec.decode
    monkeypatch.setattr(codec, "decode", lambda *arguments: right(*arguments)[::-1])
    with pytest.raises(CompressionError, match="other bytes than were encoded"):
        encode_record(sure_text(400), codec, None, ignore)


def block(count: int, lanes: int, patches: int, code: int, rest: bytes = b"") -> Record:
    """Return a block by the model that claims these numbers."""
    start = to_varints(np.array([count, lanes, patches, code]))
    return Record(Method.MODEL, 9, start + rest)


@pytest.mark.parametrize(
    "record",
    [
        block(10, 1, 0, 8, bytes(8)),
        block(9, 0, 0, 8, bytes(8)),
        block(9, 10, 0, 80, bytes(80)),
        block(9, MOST_LANES + 1, 0, 8, bytes(8)),
        block(9, 1, 1, 8, bytes(8)),
        block(9, 1, 0, 8, bytes(8)),
        block(9, 1, 0, 7, bytes(7)),
        block(9, 1, 2**27, 2**27, bytes(7)),
        Record(Method.MODEL, 9, b"\xff"),
        Record(Method.STORED, 9, b"few"),
        Record(Method.LZMA, 9, b"\0"),
        Record(Method.LZMA, 9, b"no LZMA"),
    ],
)
def test_a_wrong_block_is_refused(record: Record) -> None:
    """Counts, lanes and lengths that do not fit raise CompressionError."""
    with pytest.raises(CompressionError):
        decode_record(record, Codec(small_model()), ignore)


def test_a_block_needs_its_model() -> None:
    """Without a model a block by the model cannot be read."""
    with pytest.raises(CompressionError, match="needs a model"):
        decode_record(block(9, 1, 0, 8, bytes(8)), None, ignore)
