"""Reading a compressed file: what it says of itself, whether it is whole, and the text in it.

A file is read once for its checksums before anything is decoded, so damage shows at once. What is
decoded goes to a temporary file beside the target, which takes its place when the length and the
SHA-256 of the text are those of the header.
"""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from charnn.compression.container import Header, Method, Record, damaged, read_header, records
from charnn.compression.dictionary import decompressor
from charnn.compression.packing import unpack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.streams import PIECE, pieces, source_file, target_file, terminable
from charnn.compression.worker import DECODE
from charnn.compression.workers import Job, hands
from charnn.errors import CompressionError

# Gives the model that was named, quantised to so many bits a weight.
ModelSource = Callable[[int], QuantizedModel]
Progress = Callable[[int, int], None]  # told the bytes of the original that are done, and all


@dataclass
class Contents:
    """What a compressed file holds."""

    header: Header
    model: int = 0  # bytes of the model inside
    blocks: Counter[Method] = field(default_factory=Counter)  # by method
    stored: Counter[Method] = field(default_factory=Counter)  # bytes of their payloads


def decompress(
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    model: ModelSource | None = None,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Header:
    """Write the text of a compressed file to another, or to a stream, once it is whole.

    `model` is asked only if the file needs a model that is not inside. Raises CompressionError,
    WorkerError, OSError.
    """
    with terminable(), told(source), source_file(source) as file:
        header = verify(file).header
        with (
            target_file(target) as written,
            closing(text_of(file, header, model, workers, progress)) as text,
        ):
            for piece in text:
                written.write(piece)
    return header


def check(
    source: Path | BinaryIO,
    model: ModelSource | None = None,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Header:
    """Decode a compressed file as `decompress` does, and write nothing."""
    with terminable(), told(source), source_file(source) as file:
        header = verify(file).header
        with closing(text_of(file, header, model, workers, progress)) as text:
            for _ in text:
                pass
    return header


def inspect(source: Path | BinaryIO) -> Contents:
    """Return what a compressed file says of itself; its checksums hold. Raises CompressionError."""
    with told(source), source_file(source) as file:
        return verify(file)


@contextmanager
def told(source: Path | BinaryIO) -> Iterator[None]:
    """Let an error inside a `with` block say which file it is about."""
    try:
        yield
    except CompressionError as error:
        name = f"'{source}'" if isinstance(source, Path) else "the input"
        raise CompressionError(f"{name} cannot be decompressed: {error}") from error


def verify(file: BinaryIO) -> Contents:
    """Check all of a file that can be checked without a model. Raises CompressionError."""
    contents = Contents(read_header(file))
    if contents.header.method != Method.MODEL:
        for _ in plain_text(file, contents.header):
            pass
        return contents
    for record in records(file, contents.header):
        if record.method == Method.NETWORK:
            contents.model = record.size
            model_of(contents.header, record, None)
        else:
            contents.blocks[record.method] += 1
            contents.stored[record.method] += len(record.payload)
    return contents


def text_of(
    file: BinaryIO,
    header: Header,
    model: ModelSource | None,
    workers: int | None,
    progress: Progress,
) -> Generator[bytes, None, None]:
    """Decode a file from its beginning; at the end, check the text. Raises CompressionError."""
    read_header(file)
    if header.method != Method.MODEL:
        yield from plain_text(file, header)
        progress(header.length, header.length)
        return
    found = records(file, header)
    quantized = model_of(header, next(found) if header.embedded else None, model)
    digest, length = hashlib.sha256(), 0
    jobs = (Job(DECODE, record.to_bytes(), record.length) for record in found)
    with hands(quantized, header.blocks, workers) as crew:
        for content in crew.results(jobs, lambda done: progress(done, header.length)):
            digest.update(content)
            length += len(content)
            yield content
    check_text(header, length, digest.digest())


def plain_text(file: BinaryIO, header: Header) -> Iterator[bytes]:
    """Read a text that is stored or compressed by LZMA as a whole. Raises CompressionError."""
    digest, length = hashlib.sha256(), 0
    parts = pieces(file) if header.method == Method.STORED else lzma_parts(file, header.crc)
    for piece in parts:
        digest.update(piece)
        length += len(piece)
        if length > header.length:
            break
        yield piece
    check_text(header, length, digest.digest())


def lzma_parts(file: BinaryIO, crc: int) -> Iterator[bytes]:
    """Decompress a file from where it is to its end. Raises CompressionError."""
    machine, found = decompressor(), 0
    while not machine.eof:
        given = file.read(PIECE) if machine.needs_input else b""
        found = zlib.crc32(given, found)
        if not given and machine.needs_input:
            raise damaged("its LZMA stream has no end")
        try:
            yield machine.decompress(given, PIECE)
        except lzma.LZMAError as error:
            raise damaged("its LZMA stream cannot be read") from error
    if machine.unused_data or file.read(1):
        raise damaged("bytes follow its LZMA stream")
    if found != crc:
        raise damaged("the checksum of its LZMA stream differs")


def check_text(header: Header, length: int, sha256: bytes) -> None:
    """Raise CompressionError unless a text is the one that was compressed."""
    if length != header.length:
        raise damaged(f"its text has {length:,} bytes and should have {header.length:,}")
    if sha256 != header.sha256:
        raise damaged("the SHA-256 of its text differs")


def model_of(header: Header, inside: Record | None, model: ModelSource | None) -> QuantizedModel:
    """Return the model that a file needs. Raises CompressionError."""
    needed = header.model_digest.hex()[:8]
    if inside is not None:
        quantized = unpack(inside.payload)
        if quantized.digest() != header.model_digest:
            raise damaged("the model inside has another digest")
        return quantized
    if model is None:
        raise CompressionError(
            f"it needs the model with digest {needed}…, which is not inside; name the model "
            "that it was compressed with (--model)."
        )
    quantized = model(header.bits)
    if quantized.digest() != header.model_digest:
        raise CompressionError(
            f"it needs the model with digest {needed}…, but this one has "
            f"{quantized.digest().hex()[:8]}…; name the model that it was compressed with."
        )
    return quantized
