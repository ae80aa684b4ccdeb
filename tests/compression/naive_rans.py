"""The coder written a second time, naively: one state for each lane, Python's integers, `while`.

`LOW` is the least state; a word has 32 bits, a state 31 more than its parameter allows below it,
and frequencies sum to 2^24.
"""

from __future__ import annotations

import struct

from charnn.arrays import Array

M = 1 << 24
WORD = 1 << 32
LOW = 1 << 31

Steps = list[tuple[list[int], list[int]]]  # the symbols' F and f of the first lanes


def encode(steps: Steps, lanes: int, low: int = LOW) -> tuple[list[int], list[int]]:
    """Return the states and the words in the order in which they are read."""
    states = [low] * lanes
    words: list[int] = []
    for below, f in reversed(steps):
        for lane in reversed(range(len(f))):
            x = states[lane]
            while x >= low // M * WORD * f[lane]:
                words.insert(0, x % WORD)
                x //= WORD
            states[lane] = x // f[lane] * M + below[lane] + x % f[lane]
    return states, words


def packed(states: list[int], words: list[int]) -> bytes:
    """Return states and words as bytes, the lowest first."""
    return struct.pack(f"<{len(states)}Q{len(words)}I", *states, *words)


def steps_of(steps: list[tuple[Array, Array]]) -> Steps:
    """Return steps as lists of integers."""
    return [(below.tolist(), f.tolist()) for below, f in steps]
