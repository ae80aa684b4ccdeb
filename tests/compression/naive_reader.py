"""A reader of compressed files, written from docs/format.md alone, one number at a time.

Only the frequencies of a block's symbols come from elsewhere.
"""

from __future__ import annotations

import json
import lzma
import struct
import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeAlias

FILTERS = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]


class Bytes:
    """Bytes that are taken from their beginning."""

    def __init__(self, content: bytes) -> None:
        self.left = content

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        assert count <= len(self.left)
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, form: str) -> int:
        """Return the next number of a form of `struct`."""
        (found,) = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))
        return int(found)

    def varint(self) -> int:
        """Return the next varint."""
        number, shift = 0, 0
        while (byte := self.take(1)[0]) >= 128:
            number += (byte - 128) << shift
            shift += 7
        return number + (byte << shift)


def unshrunk(content: bytes) -> bytes:
    """Return what an LZMA stream holds."""
    return lzma.decompress(content, lzma.FORMAT_RAW, filters=FILTERS)


class Coder:
    """The coder, decoding."""

    def __init__(self, code: bytes, lanes: int) -> None:
        self._stream = Bytes(code)
        self._states = [self._stream.number("Q") for _ in range(lanes)]

    def step(self, frequencies: list[list[int]]) -> list[int]:
        """Return the next symbol of the first lanes, whose frequencies are given."""
        symbols = []
        for lane, f in enumerate(frequencies):
            assert sum(f) == 2**24
            x = self._states[lane]
            z, below, s = x % 2**24, 0, 0
            while below + f[s] <= z:
                below += f[s]
                s += 1
            self._states[lane] = f[s] * (x // 2**24) + z - below
            symbols.append(s)
        for lane in range(len(frequencies)):
            if self._states[lane] < 2**31:
                self._states[lane] = 2**32 * self._states[lane] + self._stream.number("I")
        return symbols

    def finish(self) -> None:
        """Check the end."""
        assert all(state == 2**31 for state in self._states)
        assert not self._stream.left


class Packed(NamedTuple):
    """A model inside: its description, and each array's exponents and values in turn."""

    description: dict[str, Any]
    parts: list[list[int]]


def read_model(payload: bytes, sizes: list[int]) -> Packed:
    """Read a packed model whose exponents and values, in turn, are as many as `sizes` says."""
    stream = Bytes(payload)
    size, length = stream.varint(), stream.varint()
    described = unshrunk(stream.take(size))
    assert len(described) == length
    shifts, leasts, tables = [], [], []
    for _ in sizes:
        shifts.append(stream.varint())
        leasts.append(stream.varint() - 32_768)
        tables.append([stream.varint() for _ in range(stream.varint())])
        assert sum(tables[-1]) == 2**14
    code = stream.take(stream.varint())
    kinds = [number for number, size in enumerate(sizes) for _ in range(size)]
    lanes = min(max(len(kinds) // 4096, 1), 64)
    coder, symbols = Coder(code, lanes), list[int]()
    for t in range(0, len(kinds), lanes):
        symbols += coder.step([[f * 2**10 for f in tables[k]] for k in kinds[t : t + lanes]])
    coder.finish()
    bits = "".join(f"{byte:08b}" for byte in stream.left)
    parts: list[list[int]] = [[] for _ in sizes]
    for kind, symbol in zip(kinds, symbols, strict=True):
        low, bits = bits[: shifts[kind]], bits[shifts[kind] :]
        parts[kind].append((symbol + leasts[kind]) * 2 ** shifts[kind] + int(low or "0", 2))
    assert len(bits) < 8
    assert not int(bits or "0", 2)
    return Packed(json.loads(described), parts)


def read_patches(content: bytes, unknown: bool) -> tuple[list[int], list[int]]:
    """Return the gaps, if there are any, and the code points of patches."""
    if not content:
        return [], []
    stream = Bytes(unshrunk(content[1:]) if content[0] else content[1:])
    n = stream.varint()
    gaps = [] if unknown else [stream.varint() for _ in range(n)]
    points = [stream.varint() for _ in range(n)]
    assert not stream.left
    return gaps, points


def read_block(payload: bytes, symbols: str, unknown: bool, lanes_of: NewLanes) -> bytes:
    """Return the bytes of a block by the model."""
    stream = Bytes(payload)
    n, lanes, size, length = (stream.varint() for _ in range(4))
    gaps, points = read_patches(stream.take(size), unknown)
    coder, network = Coder(stream.take(length), lanes), lanes_of(lanes, n)
    texts: list[list[int]] = [[] for _ in range(lanes)]
    for t in range(0, n, lanes):
        count = min(lanes, n - t)
        found = coder.step(network.frequencies(count))
        network.read(found)
        for lane, symbol in enumerate(found):
            texts[lane].append(symbol)
    coder.finish()
    assert not stream.left
    ids = [symbol for text in texts for symbol in text]
    if unknown:
        rest = iter(points)
        characters = [symbols[s] if s < len(symbols) else chr(next(rest)) for s in ids]
    else:
        characters, at = [], 0
        for gap, point in zip(gaps, points, strict=True):
            characters += [*(symbols[s] for s in ids[at : at + gap]), chr(point)]
            at += gap
        characters += [symbols[s] for s in ids[at:]]
    return "".join(characters).encode("utf-8", "surrogateescape")


class Lanes(Protocol):
    """The network and what it learns, reading several texts side by side."""

    def frequencies(self, count: int) -> list[list[int]]:
        """Return the frequencies of the next symbols of the first lanes."""

    def read(self, symbols: list[int]) -> None:
        """Read the next symbol of the first lanes."""


NewLanes: TypeAlias = Callable[[int, int], Lanes]  # of lanes, and symbols in all of them


class File(NamedTuple):
    """A file's parts."""

    method: int
    bits: int
    sha256: bytes
    digest: bytes
    records: list[tuple[int, int, bytes]]  # method, length, payload
    body: bytes


def read_file(content: bytes) -> File:
    """Take a file apart."""
    whole = Bytes(content)
    assert whole.take(8) == b"\x9aCNN\r\n\x1a\n"
    assert whole.number("B") == 1
    method, flags, bits, length, size = (whole.number(form) for form in "BBBQQ")
    text_digest, crc, blocks, digest = whole.take(32), 0, 0, b""
    if method == 1:
        crc = whole.number("I")
    if method == 2:
        blocks, digest = whole.number("I"), whole.take(32)
    header = content[: len(content) - len(whole.left)]
    assert whole.number("I") == zlib.crc32(header)
    assert len(whole.left) == size
    body, found = whole.left, []
    assert method != 1 or zlib.crc32(body) == crc
    if method == 2:
        for _ in range(flags + blocks):
            start = whole.left[:9]
            kind, original, payload = (whole.number(form) for form in "BII")
            own = whole.number("I")
            found.append((kind, original, whole.take(payload)))
            assert zlib.crc32(start + found[-1][2]) == own
        assert not whole.left
        assert sum(original for _, original, _ in found) == length
    return File(method, bits, text_digest, digest, found, body)


def text_of(file: File, symbols: str, unknown: bool, lanes_of: NewLanes) -> bytes:
    """Return the original."""
    if file.method < 2:
        text = unshrunk(file.body) if file.method else file.body
    else:
        text = b""
        for kind, length, payload in file.records:
            if kind < 3:
                ways = [lambda p: p, unshrunk, lambda p: read_block(p, symbols, unknown, lanes_of)]
                text += ways[kind](payload)
                assert len(text) >= length
    assert sha256(text).digest() == file.sha256
    return text
