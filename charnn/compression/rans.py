"""Range asymmetric numeral systems (Duda, 2013): numbers that grow by what a symbol tells.

A symbol of frequency f, before which stand the frequencies F of the symbols below it, changes a
lane's state x, 2^31 <= x < 2^63, as follows, with M = 2^24:

    encode   while x >= 2^39 f:  put out x mod 2^32, and x <- floor(x / 2^32)
             x <- floor(x / f) M + F + x mod f
    decode   s = the symbol with F <= x mod M < F + f
             x <- f floor(x / M) + x mod M - F
             while x < 2^31:  x <- 2^32 x + the next word

Encoding goes from the last symbol to the first, decoding from the first to the last. The lanes
share one sequence of words: at each step those that need one take it in their order.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.compression.frequencies import TOTAL_BITS
from charnn.errors import CompressionError

STATE_BYTES, WORD_BYTES = 8, 4
LOW = 1 << 31  # the least state
WORD_BITS = 32
M_BITS = np.uint64(TOTAL_BITS)
M_MASK = np.uint64((1 << TOTAL_BITS) - 1)
WORD, WORD_MASK = np.uint64(WORD_BITS), np.uint64((1 << WORD_BITS) - 1)
ROOM = np.uint64(31 + WORD_BITS - TOTAL_BITS)  # a state of 2^39 f has no room for one more symbol


def encode(below: Array, f: Array, lanes: int) -> bytes:
    """Return the bytes of symbols of F and f, (N,) each: step t has those from t L on.

    The first lanes have one more than the others where L does not divide N.
    """
    x = np.full(lanes, LOW, np.uint64)
    words = []
    for t in reversed(range(0, len(f), lanes)):
        part, start = f[t : t + lanes].astype(np.uint64), below[t : t + lanes].astype(np.uint64)
        own = x[: len(part)]
        full = own >= part << ROOM
        if full.any():
            words.append((own[full] & WORD_MASK)[::-1])
            own[full] >>= WORD
        quotient = own // part
        own[:] = (quotient << M_BITS) + start + (own - quotient * part)
    stream = np.concatenate([*words, np.empty(0, np.uint64)])[::-1]
    return x.astype("<u8").tobytes() + stream.astype("<u4").tobytes()


class Decoder:
    """The other way, step by step."""

    def __init__(self, content: bytes, lanes: int) -> None:
        """Take what `encode` returned. Raises CompressionError."""
        head = STATE_BYTES * lanes
        if len(content) < head or (len(content) - head) % WORD_BYTES:
            raise CompressionError("a block is damaged: it has not the length of any code.")
        self._x = np.frombuffer(content, "<u8", lanes).astype(np.uint64)
        self._words = np.frombuffer(content, "<u4", offset=head).astype(np.uint64)
        self._next = 0

    def places(self, lanes: int) -> Array:
        """Return `x mod M` (n,) of the first n lanes, where their symbols are found."""
        return self._x[:lanes] & M_MASK

    def advance(self, below: Array, f: Array) -> None:
        """Take the symbols' F and f, (n,) each, off the first n lanes. Raises CompressionError."""
        x = self._x[: len(f)]
        low = x & M_MASK
        x >>= M_BITS
        x *= f.astype(np.uint64)
        x += low - below.astype(np.uint64)
        empty = (x < LOW).nonzero()[0]
        if len(empty):
            words = self._words[self._next : self._next + len(empty)]
            if len(words) < len(empty):
                raise CompressionError("a block is damaged: it ends too early.")
            self._next += len(empty)
            x[empty] = (x[empty] << WORD) | words

    def finish(self) -> None:
        """Check that all words are used, and the states those that encoding began with.

        Raises CompressionError.
        """
        if self._next != len(self._words) or (self._x != LOW).any():
            raise CompressionError("a block is damaged: its code does not end where it should.")
