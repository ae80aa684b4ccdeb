"""The file that `charnn compress` writes: a header, and the text stored, by LZMA or in blocks.

docs/format.md describes it for those who want to write a reader. Whatever a file claims is checked
against its checksums and against the bytes that are there before memory is reserved for it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import BinaryIO

from charnn.errors import CompressionError

MAGIC = b"\x9aCNN\r\n\x1a\n"  # no text begins so, and a change of line ends shows
VERSION = 1
LARGEST_BLOCK = 1 << 20  # bytes of the original in a block
START = struct.Struct("<8sBBBB")  # magic, version, method, flags, bits of a weight
LENGTHS = struct.Struct("<QQ32s")  # of the original and of what follows the header; SHA-256
CRC = struct.Struct("<I")
MODEL_PART = struct.Struct("<I32s")  # how many blocks; the digest of the model
RECORD = struct.Struct("<BII")  # method, bytes of the original, bytes that follow the CRC
EMBEDDED = 1  # a flag
LEAST_HEADER = START.size + LENGTHS.size + CRC.size
LARGEST_HEADER = LEAST_HEADER + MODEL_PART.size


class Method(IntEnum):
    """How a file or a block is compressed."""

    STORED = 0
    LZMA = 1
    MODEL = 2
    NETWORK = 3  # of a record: not a block of the text, but the model


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    method: Method
    length: int  # bytes of the original
    body: int  # bytes after the header
    sha256: bytes  # of the original
    bits: int = 0  # of a weight of the model; this and what follows are of files with a model
    blocks: int = 0
    model_digest: bytes = bytes(32)
    embedded: bool = False  # the model is in the file
    crc: int = 0  # of what follows the header of a file by LZMA, where a bit may mean nothing

    @property
    def size(self) -> int:
        """How many bytes the header takes."""
        return header_size(self.method)

    def to_bytes(self) -> bytes:
        """Return the header as it stands in the file."""
        content = START.pack(MAGIC, VERSION, self.method, EMBEDDED * self.embedded, self.bits)
        content += LENGTHS.pack(self.length, self.body, self.sha256)
        if self.method == Method.MODEL:
            content += MODEL_PART.pack(self.blocks, self.model_digest)
        elif self.method == Method.LZMA:
            content += CRC.pack(self.crc)
        return content + CRC.pack(zlib.crc32(content))


@dataclass(frozen=True)
class Record:
    """A block of the text, or the model."""

    method: Method
    length: int  # bytes of the original
    payload: bytes

    @property
    def size(self) -> int:
        """How many bytes the record takes in the file."""
        return RECORD.size + CRC.size + len(self.payload)

    def to_bytes(self) -> bytes:
        """Return the record as it stands in the file."""
        start = RECORD.pack(self.method, self.length, len(self.payload))
        return start + CRC.pack(zlib.crc32(self.payload, zlib.crc32(start))) + self.payload


def read_header(file: BinaryIO) -> Header:
    """Read the header of a file that can seek, and stop behind it. Raises CompressionError."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(START.size)
    if start[: len(MAGIC)] != MAGIC[: len(start)] or not start:
        raise CompressionError("it is not a file of `charnn compress`.")
    if len(start) < START.size:
        raise cut_off()
    _, version, method, flags, bits = START.unpack(start)
    if version != VERSION:
        raise CompressionError(
            f"its format has version {version}, and this charnn reads version {VERSION}; it is "
            "damaged, or it needs another charnn."
        )
    content = start + file.read(header_size(method) - len(start))
    if len(content) < header_size(method):
        raise cut_off()
    if CRC.pack(zlib.crc32(content[: -CRC.size])) != content[-CRC.size :]:
        raise damaged("its header's checksum differs")
    if method > Method.MODEL or flags > EMBEDDED or (method != Method.MODEL and (flags or bits)):
        raise damaged(f"its header has method {method}, flags {flags} and bits {bits}")
    length, body, sha256 = LENGTHS.unpack_from(content, START.size)
    header = Header(Method(method), length, body, sha256, bits, embedded=bool(flags))
    part = content[START.size + LENGTHS.size : -CRC.size]
    if method == Method.MODEL:
        blocks, model_digest = MODEL_PART.unpack(part)
        header = replace(header, blocks=blocks, model_digest=model_digest)
    elif method == Method.LZMA:
        header = replace(header, crc=CRC.unpack(part)[0])
    check_length(header, size)
    return header


def header_size(method: int) -> int:
    """Return how many bytes the header of a file takes."""
    own = {Method.MODEL: MODEL_PART.size, Method.LZMA: CRC.size}
    return LEAST_HEADER + (own[Method(method)] if method in own else 0)


def check_length(header: Header, size: int) -> None:
    """Raise CompressionError unless a file of `size` bytes is as long as its header says."""
    expected = header.size + header.body
    if size < expected:
        raise cut_off(f"{size:,} of its {expected:,} bytes are there")
    if size > expected:
        raise damaged(f"{size - expected:,} bytes follow its end")
    if header.method == Method.STORED and header.length != header.body:
        raise damaged("its header has two lengths")


def records(file: BinaryIO, header: Header) -> Iterator[Record]:
    """Read the records of a file from where its header ends. Raises CompressionError.

    The first one is the model if it is embedded; the others are the text.
    """
    left, text = header.body, header.length
    for number in range(header.blocks + header.embedded):
        record = read_record(file, left)
        left -= record.size
        network = record.method == Method.NETWORK
        if network != (header.embedded and number == 0):
            raise damaged("its model is not where it should be")
        text -= 0 if network else record.length
        yield record
    if left or text:
        raise damaged("its blocks are not as long as its header says")


def read_record(file: BinaryIO, left: int) -> Record:
    """Read the record that begins here, where `left` bytes are. Raises CompressionError."""
    start = file.read(min(RECORD.size + CRC.size, left))
    if len(start) < RECORD.size + CRC.size:
        raise cut_off()
    method, length, size = RECORD.unpack_from(start)
    if method > Method.NETWORK or size > left - len(start):
        raise damaged("a block is longer than the file, or of an unknown kind")
    if length > LARGEST_BLOCK or (size > length and method != Method.NETWORK):
        raise damaged("a block is longer than a block can be")
    payload = file.read(size)
    if len(payload) < size:
        raise cut_off()
    record = Record(Method(method), length, payload)
    if record.to_bytes()[: len(start)] != start:
        raise damaged("a block's checksum differs")
    return record


def damaged(reason: str) -> CompressionError:
    """Return that a file is damaged, and how that shows."""
    return CompressionError(f"it is damaged ({reason}); get it again.")


def cut_off(reason: str = "") -> CompressionError:
    """Return that the end of a file is missing."""
    return CompressionError(f"it is cut off{reason and f': {reason}'}; get it again.")
