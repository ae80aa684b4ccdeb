"""Whole numbers from 0 to 2^28 - 1 as bytes: seven bits each, the lowest first.

All bytes of a number but its last have their highest bit set, so small numbers take one byte.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.errors import CompressionError

LONGEST = 4  # bytes of a number
LIMIT = 1 << 7 * LONGEST
MORE = 0x80
AT_ONCE = 65_536  # numbers, so that many take little memory beside their own


def to_varints(numbers: Array) -> bytes:
    """Return numbers (N,) below `LIMIT` as bytes."""
    parts = range(0, len(numbers), AT_ONCE)
    return b"".join(few_to_varints(numbers[start : start + AT_ONCE]) for start in parts)


def few_to_varints(numbers: Array) -> bytes:
    """Return numbers (N,) as bytes, with some forty bytes of memory for each."""
    shifted = numbers.astype(np.uint32)[:, None] >> (7 * np.arange(LONGEST, dtype=np.uint32))
    lengths = 1 + np.count_nonzero(shifted[:, 1:], axis=1)[:, None]
    place = np.arange(LONGEST)
    content = (shifted & 0x7F | MORE * (place < lengths - 1)).astype(np.uint8)
    used: Array = content[place < lengths]
    return used.tobytes()


def from_varints(content: bytes) -> Array:
    """Return the numbers (N,) int64 that bytes hold. Raises CompressionError."""
    found = np.frombuffer(content, np.uint8)
    (ends,) = np.nonzero(found < MORE)
    if len(found) and (not len(ends) or ends[-1] != len(found) - 1):
        raise CompressionError("its numbers are damaged: the last one has no end.")
    starts = np.concatenate([[0], ends + 1])[:-1]
    if len(starts) and (ends - starts).max() >= LONGEST:
        raise CompressionError(f"its numbers are damaged: one has more than {LONGEST} bytes.")
    numbers = np.empty(len(ends), np.int64)
    for first in range(0, len(ends), AT_ONCE):
        own, last = starts[first : first + AT_ONCE], ends[first : first + AT_ONCE]
        part = found[own[0] : last[-1] + 1]
        places = np.arange(own[0], last[-1] + 1) - np.repeat(own, last - own + 1)
        values = (part & 0x7F).astype(np.int64) << 7 * places
        numbers[first : first + AT_ONCE] = np.add.reduceat(values, own - own[0])
    return numbers


def first_varints(content: bytes, count: int) -> tuple[list[int], bytes]:
    """Return the first `count` numbers and the bytes after them. Raises CompressionError."""
    found = np.frombuffer(content, np.uint8, min(len(content), count * LONGEST))
    (ends,) = np.nonzero(found < MORE)
    if len(ends) < count:
        raise CompressionError(f"it ends before its {count} first numbers do.")
    end = int(ends[count - 1]) + 1 if count else 0
    return from_varints(content[:end]).tolist(), content[end:]
