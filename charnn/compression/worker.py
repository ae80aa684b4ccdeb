"""The program of a worker process, which codes blocks: see `charnn.compression.workers`.

A message is its kind, a byte, the length of its content, four bytes, and the content. The first one
is the packed model. Each other is a task, which is answered by any number of reports of progress
(how many symbols, eight bytes), and then by the result or the sentence of an error.
"""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from typing import IO

from charnn.compression.coding import Advance, Codec, Statistics, decode_record, encode_record
from charnn.compression.container import Record, read_record
from charnn.compression.packing import unpack
from charnn.errors import CompressionError

HEAD = struct.Struct("<BI")
COUNT = struct.Struct("<Q")
LANES = struct.Struct("<H")  # before a block that is to be encoded; 0: as many as suit it
MODEL, ENCODE, DECODE, PROGRESS, RESULT, ERROR = range(6)
EVERY = 0.1  # seconds between reports


def send(pipe: IO[bytes], kind: int, content: bytes) -> None:
    """Write a message to a pipe without a buffer. Raises OSError."""
    left = memoryview(HEAD.pack(kind, len(content)) + content)
    while len(left):
        left = left[pipe.write(left) :]


def receive(pipe: IO[bytes]) -> tuple[int, bytes] | None:
    """Read a message; None where the pipe has ended."""
    head = read_fully(pipe, HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, size = HEAD.unpack(head)
    content = read_fully(pipe, size)
    return (kind, content) if len(content) == size else None


def read_fully(pipe: IO[bytes], size: int) -> bytes:
    """Read `size` bytes from a pipe without a buffer; fewer only where it has ended."""
    pieces, left = [], size
    while left and (piece := pipe.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class Report:
    """Counts symbols, and tells the number now and then: whoever is gone cannot be told."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._count, self._last = pipe, 0, time.monotonic()

    def __call__(self, symbols: int) -> None:
        """Count so many more symbols. Raises OSError."""
        self._count += symbols
        now = time.monotonic()
        if now - self._last > EVERY:
            send(self._pipe, PROGRESS, COUNT.pack(self._count))
            self._count, self._last = 0, now


def encode_task(content: bytes, lanes: int | None) -> bytes:
    """Return the content of a task to encode a block."""
    return LANES.pack(lanes or 0) + content


def result_of(content: bytes) -> tuple[Record, Statistics]:
    """Return what a task to encode a block came to."""
    size = len(Statistics().to_bytes())
    stream = io.BytesIO(content[size:])
    return read_record(stream, len(content) - size), Statistics.from_bytes(content[:size])


def perform(kind: int, content: bytes, codec: Codec | None, advance: Advance) -> bytes:
    """Do a task and return its result. Raises CompressionError."""
    if kind == DECODE:
        return decode_record(read_record(io.BytesIO(content), len(content)), codec, advance)
    if codec is None:
        raise CompressionError("a worker has no model.")
    (lanes,) = LANES.unpack_from(content)
    record, statistics = encode_record(content[LANES.size :], codec, lanes or None, advance)
    return statistics.to_bytes() + record.to_bytes()


def serve(tasks: IO[bytes], answers: IO[bytes]) -> None:
    """Be a worker: do what is told until there is no more. The pipes have no buffers."""
    codec: Codec | None = None
    while (message := receive(tasks)) is not None:
        kind, content = message
        try:
            if kind == MODEL:
                codec = Codec(unpack(content))
                continue
            result = perform(kind, content, codec, Report(answers))
        except CompressionError as error:
            send(answers, ERROR, str(error).encode("utf-8"))
        else:
            send(answers, RESULT, result)


if __name__ == "__main__":
    with suppress(OSError, KeyboardInterrupt):
        serve(io.FileIO(0), io.FileIO(1, "w"))
