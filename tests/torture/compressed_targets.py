"""The reader of compressed files as a fuzzers' target."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import cache

import numpy as np
from compressed_trials import small_files
from compressing import model, text
from fuzz_material import Choices, Target, one_line

from charnn.compression.characters import joined, split
from charnn.compression.coding import Codec, by_model
from charnn.compression.container import MAGIC, Header, Method, Record
from charnn.compression.dictionary import shrunk
from charnn.compression.packing import pack, unpack
from charnn.compression.quantized import EXPONENTS, QuantizedArray, QuantizedModel
from charnn.compression.reading import decompress, inspect
from charnn.errors import CharnnError

HIDDEN = 2


def ignore(_: int) -> None:
    """Be told of progress."""


@cache
def sources() -> list[tuple[Header, list[Record]]]:
    """Return small files, which LZMA would have made smaller, with their records apart."""
    own, codec = model(HIDDEN), Codec(model(HIDDEN))
    found = []
    for embedded in (False, True):
        texts = text(200), text(150)[::-1] + b"\xff\xc3", b"abc" * 40, b"?!"
        listed = [
            by_model(texts[0], codec, 3, ignore)[0],
            by_model(texts[1], codec, 1, ignore)[0],
            Record(Method.LZMA, len(texts[2]), shrunk(texts[2])),
            Record(Method.STORED, len(texts[3]), texts[3]),
        ]
        sha256 = hashlib.sha256(b"".join(texts)).digest()
        if embedded:
            listed.insert(0, Record(Method.NETWORK, 0, pack(own)))
        header = Header(
            Method.MODEL, sum(map(len, texts)), 0, sha256, own.bits, 4, own.digest(), embedded
        )
        found.append((header, listed))
    return found


def file_of(header: Header, listed: list[Record]) -> bytes:
    """Return the file of some records, whose checksums and lengths hold."""
    body = b"".join(record.to_bytes() for record in listed)
    embedded = bool(listed) and listed[0].method == Method.NETWORK
    return (
        replace(
            header,
            length=sum(record.length for record in listed),
            body=len(body),
            blocks=len(listed) - embedded,
            embedded=embedded,
        ).to_bytes()
        + body
    )


def with_large_exponents() -> QuantizedModel:
    """Return a model whose weights are smaller than any that is quantised."""
    own = model(HIDDEN)
    arrays = {
        name: QuantizedArray(array.values, np.full_like(array.exponents, 99))
        for name, array in own.arrays.items()
    }
    return replace(own, arrays=arrays)


def changed(payload: bytes, choices: Choices) -> bytes:
    """Return some bytes with a piece replaced."""
    start = choices.below(len(payload) + 1)
    end = start + choices.below(9)
    return payload[:start] + choices.piece() + payload[end:]


def rebuilt(choices: Choices) -> bytes:
    """Return a file whose records were changed, and whose checksums and lengths hold."""
    header, found = choices.pick(sources())
    listed = list(found)
    for _ in range(1 + choices.below(3)):
        place = choices.below(len(listed))
        record = listed[place]
        kind = choices.below(6)
        if kind == 0:
            listed.insert(place, choices.pick(found))
        elif kind == 1 and len(listed) > 1:
            del listed[place]
        elif kind == 2:
            listed[place] = Record(choices.pick(Method), record.length, record.payload)
        elif kind == 3:
            listed[place] = Record(record.method, choices.below(2_000), record.payload)
        else:
            payload = changed(record.payload, choices)
            listed[place] = Record(record.method, record.length, payload)
    return file_of(header, listed)


def read_compressed(data: bytes) -> None:
    """Read bytes as a compressed file, as a packed model or as patches; what is read is whole.

    The first byte chooses: the file itself, or changed records with checksums that hold.
    """
    choices = Choices(data)
    kind = choices.below(4)
    try:
        if kind == 2:
            quantized = unpack(choices.rest())
            assert unpack(pack(quantized)).digest() == quantized.digest()
            low, high = EXPONENTS
            for array in quantized.arrays.values():
                assert (
                    low <= array.exponents.min(initial=0) <= array.exponents.max(initial=0) <= high
                )
        elif kind == 3:
            read_patches(choices)
        else:
            read_file(choices.rest() if kind == 0 else rebuilt(choices))
    except CharnnError as error:
        one_line(error)


def read_file(content: bytes) -> None:
    """Read a file; what it gives has the length and the digest that it says."""
    target = io.BytesIO()
    header = decompress(io.BytesIO(content), target, lambda _: model(HIDDEN), workers=1)
    assert len(target.getvalue()) == header.length
    assert hashlib.sha256(target.getvalue()).digest() == header.sha256
    assert inspect(io.BytesIO(content)).header == header


def read_patches(choices: Choices) -> None:
    """Read patches of a few symbols; the bytes that they give can be split and joined again."""
    vocabulary, length = model(HIDDEN).vocabulary, choices.below(64)
    ids, _ = split(b"a" * choices.below(64), vocabulary)
    content = joined(ids, choices.rest(), vocabulary, length)
    assert joined(*split(content, vocabulary), vocabulary, length) == content


def compressed_seeds() -> list[bytes]:
    """Return files of each method, packed models, patches, and changes of each kind."""
    for source in sources():
        read_file(file_of(*source))  # all that they are made of is right
    _, patches = split("aЖb€".encode() + b"\xff", model(HIDDEN).vocabulary)
    return [
        *(b"\0" + content for content in small_files()[:3]),
        *(b"\0" + file_of(*source) for source in sources()),
        b"\2" + pack(model(HIDDEN)),
        b"\2" + pack(with_large_exponents()),
        b"\3\x0a\x02" + patches,
        *(
            bytes([1, source, changes, 0, kind, 7, 3]) + b"\x80\x01\x05\xff"
            for source in range(len(sources()))
            for changes in range(2)
            for kind in range(6)
        ),
        b"",
    ]


def compressed_words() -> list[bytes]:
    """Return what compressed files are made of."""
    return [MAGIC, MAGIC + b"\x01", b"\xff\xff\xff\xff", b"\x80\x80\x80\x01", b"\x00" * 8]


COMPRESSED_TARGETS = {"compressed": Target(read_compressed, compressed_seeds, compressed_words)}
