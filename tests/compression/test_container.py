"""The file's frame: what the header and the records hold, and every way to damage them."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import pytest

from charnn.compression.container import (
    CRC,
    LARGEST_BLOCK,
    LARGEST_HEADER,
    LEAST_HEADER,
    MAGIC,
    RECORD,
    Header,
    Method,
    Record,
    read_header,
    records,
)
from charnn.errors import CompressionError

SHA256, DIGEST = bytes(range(32)), bytes(range(100, 132))
RECORDS = [
    Record(Method.NETWORK, 0, b"the model"),
    Record(Method.MODEL, 7, b"code"),
    Record(Method.LZMA, 5, b"lzma"),
    Record(Method.STORED, 3, b"raw"),
]


def whole(records: list[Record] = RECORDS, **changes: object) -> bytes:
    """Return a file of records, whose header has other values."""
    body = b"".join(record.to_bytes() for record in records)
    values: dict[str, object] = {
        "method": Method.MODEL, "length": 15, "body": len(body), "sha256": SHA256, "bits": 9,
        "blocks": 3, "model_digest": DIGEST, "embedded": True,
    }  # fmt: skip
    return Header(**(values | changes)).to_bytes() + body  # type: ignore[arg-type]


def read(content: bytes) -> list[Record]:
    """Return the records of a file."""
    file = io.BytesIO(content)
    return list(records(file, read_header(file)))


def test_a_header_comes_back() -> None:
    """All fields, for files with a model and without, in at most 100 bytes."""
    content = whole()
    header = read_header(io.BytesIO(content))
    assert header == Header(
        Method.MODEL, 15, len(content) - 100, SHA256, 9, 3, DIGEST, embedded=True
    )
    assert header.size == LARGEST_HEADER == 100
    stored = Header(Method.STORED, 2, 2, SHA256)
    file = io.BytesIO(stored.to_bytes() + b"ab")
    assert read_header(file) == stored
    assert file.read() == b"ab"
    assert stored.size == LEAST_HEADER == len(stored.to_bytes()) == 64
    by_lzma = Header(Method.LZMA, 9, 0, SHA256, crc=2**32 - 1)
    assert read_header(io.BytesIO(by_lzma.to_bytes())) == by_lzma
    assert by_lzma.size == len(by_lzma.to_bytes()) == 68


def test_the_bytes_are_those_of_the_format() -> None:
    """A naive transcription of docs/format.md gives the same bytes."""
    content = whole()
    header = b"\x9aCNN\r\n\x1a\n" + bytes([1, 2, 1, 9]) + struct.pack("<QQ", 15, len(content) - 100)
    header += SHA256 + struct.pack("<I", 3) + DIGEST
    expected = header + struct.pack("<I", zlib.crc32(header))
    for method, length, payload in [
        (3, 0, b"the model"), (2, 7, b"code"), (1, 5, b"lzma"), (0, 3, b"raw"),
    ]:  # fmt: skip
        start = struct.pack("<BII", method, length, len(payload))
        expected += start + struct.pack("<I", zlib.crc32(start + payload)) + payload
    assert content == expected


def test_records_come_back() -> None:
    """The model first, then the blocks, and their lengths sum to the text's."""
    assert read(whole()) == RECORDS
    assert read(whole(RECORDS[1:], embedded=False)) == RECORDS[1:]
    assert read(whole([], length=0, blocks=0, embedded=False)) == []


def test_every_flipped_bit_is_noticed() -> None:
    """Also those that change what the file claims of its lengths."""
    content = whole()
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(CompressionError):
            read(bytes(flipped))


def test_every_cut_and_every_appended_byte_is_noticed() -> None:
    """A file knows its end."""
    content = whole()
    for end in range(len(content)):
        with pytest.raises(CompressionError, match="cut off" if end else "not a file"):
            read(content[:end])
    for more in (b"\0", b"x", content):
        with pytest.raises(CompressionError, match="follow"):
            read(content + more)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a text", "not a file"),
        (MAGIC.replace(b"\r\n", b"\n") + bytes(80), "not a file"),
        (MAGIC + b"\x02" + bytes(80), "version 2"),
        (whole(length=14), "not as long"),
        (whole(blocks=2), "not as long"),
        (whole(blocks=4), "cut off"),
        (whole(blocks=2**32 - 1), "cut off"),
        (whole(RECORDS[1:]), "its model"),
        (whole(embedded=False, blocks=4), "its model"),
        (whole([*RECORDS, RECORDS[0]], blocks=4), "its model"),
        (whole([*RECORDS[:3], Record(Method.STORED, 2, b"raw")]), "longer"),
        (whole([Record(Method.MODEL, LARGEST_BLOCK + 1, b"")], embedded=False), "longer"),
        (Header(Method.STORED, 3, 2, SHA256).to_bytes() + b"ab", "two lengths"),
        (Header(Method.NETWORK, 2, 2, SHA256).to_bytes() + b"ab", "method 3"),
        (Header(Method.STORED, 2, 2, SHA256, bits=9).to_bytes() + b"ab", "bits 9"),
    ],
)
def test_contradictions_are_refused(content: bytes, reason: str) -> None:
    """Files whose checksums hold, but which say what cannot be."""
    with pytest.raises(CompressionError, match=reason):
        read(content)


def test_no_memory_is_reserved_for_a_claim() -> None:
    """A record that says that four gigabytes follow is refused before they are asked for."""
    start = RECORD.pack(Method.NETWORK, 0, 2**32 - 1)
    body = start + CRC.pack(0) + b"few"
    header = Header(Method.MODEL, 0, len(body), SHA256, 9, 0, DIGEST, embedded=True)
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match="longer than the file"):
            read(header.to_bytes() + body)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
