"""The coder alone: against a naive one, its length, its round trips, and damage."""

from __future__ import annotations

import math

import naive_rans
import numpy as np
import pytest

from charnn.arrays import Array
from charnn.compression import rans
from charnn.errors import CompressionError

TOTAL = 1 << 24
Steps = list[tuple[Array, Array]]


def distributions(V: int, kind: str, count: int) -> Array:
    """Return frequencies (count, V) of some kind, each at least 1, which sum to 2^24."""
    random = np.random.default_rng(V)
    if kind == "certain":  # 1 for all but one, which has nearly 2^24
        f = np.ones((count, V), np.int64)
    else:
        weights = random.random((count, V)) ** {"even": 0, "uneven": 8}[kind]
        f = 1 + (weights / weights.sum(axis=1, keepdims=True) * (TOTAL - V)).astype(np.int64)
    rows, most = np.arange(count), random.integers(0, V, count)
    f[rows, most] += TOTAL - f.sum(axis=1)
    return f


def steps_of(counts: list[int], V: int, kind: str, likely: float = 0.5) -> Steps:
    """Return steps of `counts` symbols, each the likeliest with probability `likely` or any."""
    random = np.random.default_rng(len(counts))
    steps = []
    for n in counts:
        f = distributions(V, kind, n)
        F = f.cumsum(axis=1) - f
        symbols = np.where(random.random(n) < likely, f.argmax(1), random.integers(0, V, n))
        rows = np.arange(n)
        steps.append((F[rows, symbols].astype(np.uint32), f[rows, symbols].astype(np.uint32)))
    return steps


def encode(steps: Steps, lanes: int) -> bytes:
    """Encode symbols that are given step by step."""
    below = np.concatenate([np.zeros(0, np.uint32), *(step[0] for step in steps)])
    f = np.concatenate([np.zeros(0, np.uint32), *(step[1] for step in steps)])
    return rans.encode(below, f, lanes)


def decode(content: bytes, steps: Steps, lanes: int) -> None:
    """Decode, and check the places where the symbols are found."""
    decoder = rans.Decoder(content, lanes)
    for below, f in steps:
        found = decoder.places(len(f))
        assert ((below <= found) & (found < below + f)).all()
        decoder.advance(below, f)
    decoder.finish()


def uneven(lanes: int, count: int) -> list[int]:
    """Return how many lanes have a symbol at each step: one fewer at the last, if any."""
    return [lanes] * (count - 1) + [max(1, lanes - 1)]


@pytest.mark.parametrize("lanes", range(1, 8))
@pytest.mark.parametrize("kind", ["even", "uneven", "certain"])
@pytest.mark.parametrize("V", [2, 5, 300])
def test_equals_naive(lanes: int, kind: str, V: int) -> None:
    """The same bytes as the naive coder, and they decode; the last lane has one symbol fewer."""
    for likely in (0.0, 0.5, 1.0):
        steps = steps_of(uneven(lanes, 23), V, kind, likely)
        content = encode(steps, lanes)
        expected = naive_rans.encode(naive_rans.steps_of(steps), lanes)
        assert content == naive_rans.packed(*expected)
        decode(content, steps, lanes)


@pytest.mark.parametrize("f", [1, 2, TOTAL // 2, TOTAL - 1, TOTAL])
def test_ends_of_frequencies(f: int) -> None:
    """A frequency of 1, of all, and what lies between, at both ends of the total."""
    one = np.array([f], np.uint32)
    steps = [(np.array([below], np.uint32), one) for below in (0, TOTAL - f) * 20]
    content = encode(steps, 1)
    assert content == naive_rans.packed(*naive_rans.encode(naive_rans.steps_of(steps), 1))
    decode(content, steps, 1)
    assert abs(8 * (len(content) - 8) - 40 * (24 - math.log2(f))) <= 32


@pytest.mark.parametrize("lanes", [1, 3])
def test_empty(lanes: int) -> None:
    """Nothing takes the states alone, and decodes to nothing."""
    content = encode([], lanes)
    assert content == (1 << 31).to_bytes(8, "little") * lanes
    rans.Decoder(content, lanes).finish()


@pytest.mark.parametrize("lanes", [1, 2, 16])
@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_size(lanes: int, kind: str) -> None:
    """The code is at most 0.2 % and 8 bytes a lane longer than the symbols' information."""
    steps = steps_of([lanes] * (4000 // lanes), 60, kind)
    ideal = sum(float((24 - np.log2(f)).sum()) for _, f in steps) / 8
    assert -8 <= len(encode(steps, lanes)) - ideal <= 0.002 * ideal + 8 * lanes


def test_any_cut_is_noticed() -> None:
    """Of whole words and of bytes."""
    steps = steps_of([3] * 30, 9, "uneven")
    content = encode(steps, 3)
    for end in range(len(content)):
        with pytest.raises(CompressionError, match="a block is damaged"):
            read(content[:end], steps)
    for more in (b"\0", b"\0" * 4, b"\1\0\0\0"):
        with pytest.raises(CompressionError, match="a block is damaged"):
            read(content + more, steps)


def read(content: bytes, steps: Steps) -> None:
    """Decode symbols of the same frequencies, whichever they are: all that a decoder knows."""
    decoder = rans.Decoder(content, 3)
    for below, f in steps:
        inside = decoder.places(len(f)).astype(np.int64) - below
        other = (inside < 0) | (inside >= f)  # as if the alphabet were this symbol and two more
        begin = np.where(inside < 0, 0, np.where(other, below + f, below))
        end = np.where(inside < 0, below, np.where(other, TOTAL, below + f))
        decoder.advance(begin, end - begin)
    decoder.finish()


def test_any_flipped_bit_is_noticed() -> None:
    """The states at the end are not those at the beginning of encoding, or words are left."""
    steps = steps_of([3] * 30, 9, "uneven")
    content = encode(steps, 3)
    read(content, steps)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CompressionError, match="a block is damaged"):
            read(bytes(damaged), steps)


def test_any_content_ends() -> None:
    """Random bytes are an error and never another exception, whatever states they claim."""
    random = np.random.default_rng(6)
    steps = steps_of([3] * 30, 9, "uneven")
    for claim in (b"\0" * 24, b"\xff" * 24, b""):
        for length in (0, 24, 28, 100, 400):
            content = claim + random.bytes(length)
            with pytest.raises(CompressionError, match="a block is damaged"):
                read(content, steps)
