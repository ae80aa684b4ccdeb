"""One block of a text, by whichever of three ways takes the fewest bytes, and back.

A block by the model is four varints: symbols, lanes, and the bytes of the patches and of the code;
then the patches (`charnn.compression.characters`) and the code (`charnn.compression.block`). What
is encoded is decoded at once, from the bytes that go to the file, and compared.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np

from charnn.arrays import Array
from charnn.compression.block import Code, decode_block, encode_block, lanes_for
from charnn.compression.characters import joined, split
from charnn.compression.container import Method, Record
from charnn.compression.dictionary import restored, shrunk
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.quantized import QuantizedModel
from charnn.compression.varints import first_varints, to_varints
from charnn.errors import CompressionError
from charnn.text.vocabulary import Vocabulary

MOST_LANES = 256
WORTH_A_TRIAL = 65_536  # bytes of a block: a shorter one is coded by the model at once
TRIAL = 8_192  # bytes from the middle of a block
TRIAL_LANES = 8
HOPELESS = 1.5  # times LZMA's bytes: a trial that takes more speaks against the model
FOREIGN = 0.5  # of the original: with more bytes of patches the model is not asked
RANDOM = 0.98  # of the original: what LZMA cannot make smaller is no text
STATISTICS = struct.Struct("<IIIIdd")

Advance = Callable[[int], None]  # told how many symbols have been done since the last call


class Codec:
    """A model as it codes blocks: its vocabulary, and the network of integers."""

    def __init__(self, quantized: QuantizedModel) -> None:
        """Prepare the network. Raises CompressionError."""
        self.vocabulary: Vocabulary = quantized.vocabulary
        self._network = IntegerNetwork(quantized)

    def encode(self, ids: Array, lanes: int, advance: Advance) -> Code:
        """Return the code of ids (N,)."""
        return encode_block(self._network, ids, lanes, advance)

    def decode(self, code: bytes, count: int, lanes: int, advance: Advance) -> Array:
        """Return the ids (count,) of a code. Raises CompressionError."""
        return decode_block(self._network, code, count, lanes, advance)


@dataclass(frozen=True)
class Statistics:
    """What a block by the model holds; all zero for another one."""

    symbols: int = 0  # that the model coded
    code: int = 0  # bytes
    patches: int = 0  # bytes
    lanes: int = 0
    ideal_bits: float = 0.0  # by the network and what it learns on the way
    network_bits: float = 0.0  # by the network alone

    def to_bytes(self) -> bytes:
        """Return the numbers as bytes."""
        return STATISTICS.pack(*astuple(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> Statistics:
        """Return what `to_bytes` made bytes of."""
        return cls(*STATISTICS.unpack(content))


def encode_record(
    content: bytes, codec: Codec, lanes: int | None, advance: Advance
) -> tuple[Record, Statistics]:
    """Return a block of bytes compressed; `advance` hears of each symbol twice.

    Raises CompressionError where the model does not decode what it has encoded.
    """
    best = Record(Method.STORED, len(content), content)
    small = shrunk(content)
    if len(small) < len(content):
        best = Record(Method.LZMA, len(content), small)
    if not promising(content, len(small), codec):
        return best, Statistics()
    found = by_model(content, codec, lanes, advance)
    if found is None or len(found[0].payload) >= len(best.payload):
        return best, Statistics()
    record, statistics = found
    if decode_record(record, codec, advance) != content:
        raise CompressionError(
            "a block was decoded to other bytes than were encoded; nothing was written. Run the "
            "command again: if that recurs, the machine's memory or charnn is at fault."
        )
    return record, statistics


def promising(content: bytes, small: int, codec: Codec) -> bool:
    """Return whether the model may need fewer bytes than LZMA's `small`."""
    if len(content) < WORTH_A_TRIAL:
        return True
    if small > RANDOM * len(content):
        return False
    start = (len(content) - TRIAL) // 2
    sample = content[start : start + TRIAL]
    found = by_model(sample, codec, TRIAL_LANES, lambda _: None)
    return found is not None and len(found[0].payload) * len(content) < HOPELESS * small * TRIAL


def by_model(
    content: bytes, codec: Codec, lanes: int | None, advance: Advance
) -> tuple[Record, Statistics] | None:
    """Return a block of bytes coded by the model; None where its patches are most of it."""
    ids, patches = split(content, codec.vocabulary)
    if len(patches) > FOREIGN * len(content):
        return None
    lanes = min(lanes or lanes_for(len(ids)), MOST_LANES, max(len(ids), 1))
    code = codec.encode(ids, lanes, advance)
    size = len(code.content)
    start = to_varints(np.array([len(ids), lanes, len(patches), size]))
    statistics = Statistics(len(ids), size, len(patches), lanes, code.ideal_bits, code.network_bits)
    return Record(Method.MODEL, len(content), start + patches + code.content), statistics


def decode_record(record: Record, codec: Codec | None, advance: Advance) -> bytes:
    """Return the bytes of a block. Raises CompressionError."""
    if record.method == Method.STORED:
        content = record.payload
    elif record.method == Method.LZMA:
        content = restored(record.payload, record.length)
    elif codec is None:
        raise CompressionError("it needs a model, and none was given.")
    else:
        (count, lanes, size, code), rest = first_varints(record.payload, 4)
        if count > record.length or not 0 < lanes <= min(MOST_LANES, max(count, 1)):
            raise CompressionError(f"a block claims {count:,} symbols in {lanes:,} lanes.")
        if size + code != len(rest):
            raise CompressionError("a block has not the length that it claims.")
        ids = codec.decode(rest[size:], count, lanes, advance)
        content = joined(ids, rest[:size], codec.vocabulary, record.length)
    if len(content) != record.length:
        raise CompressionError(f"a block has not the {record.length:,} bytes that it claims.")
    return content
