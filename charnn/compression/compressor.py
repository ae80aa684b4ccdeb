"""Files from end to end: a text to a compressed file and back, in bounded memory.

A text is read twice: once for its length, its digest and LZMA's version of it, and once in blocks
for the model's. The smallest of the text itself, LZMA's version and the model's becomes the file.
It gets its name when it has been read back; the model's blocks have then been decoded already, each
where it was encoded, and their checksums are those of what was decoded.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from charnn.compression.characters import blocks_of, count_characters
from charnn.compression.coding import Statistics
from charnn.compression.container import (
    CRC,
    LARGEST_BLOCK,
    LARGEST_HEADER,
    Header,
    Method,
    Record,
)
from charnn.compression.dictionary import compressor
from charnn.compression.packing import pack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import verify
from charnn.compression.streams import pieces, scratch, source_file, target_file, terminable
from charnn.compression.worker import ENCODE, encode_task, result_of
from charnn.compression.workers import Job, hands
from charnn.errors import CompressionError

ONE_BLOCK = 1 << 17  # bytes of a text that is not divided

Progress = Callable[[int, int], None]  # told the bytes of the original that are done, and all


@dataclass
class Sizes:
    """What compressing came to."""

    method: Method = Method.STORED
    original: int = 0  # bytes
    compressed: int = 0  # bytes of the whole file
    model: int = 0  # of these, the embedded model
    patches: int = 0  # of these, characters that the model does not know
    coded: int = 0  # of these, what the model coded
    characters: int = 0  # of the original; bytes for a model of bytes
    symbols: int = 0  # of these, what the model coded
    lanes: int = 0  # of all blocks that the model coded
    ideal_bits: float = 0.0  # the code length of these symbols that the model promised
    network_bits: float = 0.0  # the same without what it learnt on the way
    seconds: float = 0.0
    blocks: Counter[Method] = field(default_factory=Counter)  # by method

    def count(self, record: Record, statistics: Statistics) -> None:
        """Count a block."""
        self.blocks[record.method] += 1
        self.coded += statistics.code
        self.patches += statistics.patches
        self.symbols += statistics.symbols
        self.lanes += statistics.lanes
        self.ideal_bits += statistics.ideal_bits
        self.network_bits += statistics.network_bits


@dataclass(frozen=True)
class Survey:
    """What the first reading of a text finds."""

    length: int
    sha256: bytes
    characters: int
    by_lzma: int  # bytes of LZMA's version
    crc: int  # of LZMA's version


def compress(
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    quantized: QuantizedModel,
    embed: bool = False,
    lanes: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Sizes:
    """Compress a file or a stream of any bytes by a model, or by LZMA where that is smaller.

    `embed` puts the model into the file; `lanes` (1 to 256) and `workers` default to what suits
    the text and the machine. The target gets its name only when the file has been decoded and
    compared. Raises CompressionError, WorkerError, OSError.
    """
    began = time.perf_counter()
    with terminable(), source_file(source) as text, scratch(target) as small:
        survey = surveyed(text, small, quantized)
        sizes = Sizes(original=survey.length, characters=survey.characters)
        plain = Header(Method.STORED, survey.length, survey.length, survey.sha256)
        if survey.by_lzma + CRC.size < survey.length:
            plain = replace(plain, method=Method.LZMA, body=survey.by_lzma, crc=survey.crc)
        with scratch(target) as blocks:
            header = by_model(
                text, blocks, quantized, survey, plain.size + plain.body,
                Plan(embed, lanes, workers, progress), sizes,
            )  # fmt: skip
            if header is None:
                sizes = Sizes(original=survey.length, characters=survey.characters)
                header = plain
            chosen = {Method.STORED: text, Method.LZMA: small, Method.MODEL: blocks}[header.method]
            with target_file(target) as file:
                file.write(header.to_bytes())
                copy(chosen, file, header.body)
                file.flush()
                verify(file)
    progress(survey.length, survey.length)
    sizes.method, sizes.compressed = header.method, header.size + header.body
    sizes.seconds = time.perf_counter() - began
    return sizes


@dataclass(frozen=True)
class Plan:
    """How a text is compressed by a model: see `compress`."""

    embed: bool
    lanes: int | None
    workers: int | None
    progress: Progress


def surveyed(text: BinaryIO, small: BinaryIO, quantized: QuantizedModel) -> Survey:
    """Read a text once, and write LZMA's version of it."""
    machine = compressor(text.seek(0, os.SEEK_END))
    text.seek(0)
    digest, length, characters, crc = hashlib.sha256(), 0, 0, 0
    for block in blocks_of(text, LARGEST_BLOCK):
        digest.update(block)
        length += len(block)
        characters += count_characters(block, quantized.vocabulary)
        part = machine.compress(block)
        small.write(part)
        crc = zlib.crc32(part, crc)
    part = machine.flush()
    small.write(part)
    return Survey(length, digest.digest(), characters, small.tell(), zlib.crc32(part, crc))


def by_model(
    text: BinaryIO,
    blocks: BinaryIO,
    quantized: QuantizedModel,
    survey: Survey,
    best: int,
    plan: Plan,
    sizes: Sizes,
) -> Header | None:
    """Write the model's version of a text, or stop and return None when `best` bytes are fewer."""
    left = best - LARGEST_HEADER
    if plan.embed and left > 0:
        model = Record(Method.NETWORK, 0, pack(quantized)).to_bytes()
        sizes.model = blocks.write(model)
        left -= len(model)
    if left <= 0:
        return None
    size = block_size(survey.length)
    digest, start = hashlib.sha256(), blocks.tell()
    with hands(quantized, math.ceil(survey.length / size), plan.workers) as crew:
        for content in crew.results(
            jobs_of(text, size, plan.lanes, digest.update),
            lambda done: plan.progress(min(done, survey.length), survey.length),
        ):
            record, statistics = result_of(content)
            blocks.write(record.to_bytes())
            sizes.count(record, statistics)
            if blocks.tell() - start >= left:
                return None
    if digest.digest() != survey.sha256:
        raise changed()
    return Header(
        Method.MODEL,
        survey.length,
        blocks.tell(),
        survey.sha256,
        quantized.bits,
        sum(sizes.blocks.values()),
        quantized.digest(),
        plan.embed,
    )


def jobs_of(
    text: BinaryIO, size: int, lanes: int | None, update: Callable[[bytes], None]
) -> Iterator[Job]:
    """Read a text again, in blocks that are to be encoded."""
    text.seek(0)
    for block in blocks_of(text, size):
        update(block)
        yield Job(ENCODE, encode_task(block, lanes), len(block))


def block_size(length: int) -> int:
    """Return the size of the blocks of a text, which is the same on every machine.

    A short text is one block; a longer one an even number of blocks of nearly the same size, so
    that cores end together.
    """
    if length <= ONE_BLOCK:
        return ONE_BLOCK
    pairs = math.ceil(length / (2 * LARGEST_BLOCK))
    return min(math.ceil(length / (2 * pairs)) + 3, LARGEST_BLOCK)  # 3: to cut between characters


def copy(chosen: BinaryIO, file: BinaryIO, length: int) -> None:
    """Copy a file that has `length` bytes. Raises CompressionError where it has more or fewer."""
    chosen.seek(0)
    copied = sum(file.write(piece) for piece in pieces(chosen))
    if copied != length:
        raise changed()


def changed() -> CompressionError:
    """Return that the text is not what it was when it was read first."""
    return CompressionError(
        "the text changed while it was being compressed; nothing was written. Compress it again "
        "when nothing writes to it."
    )
