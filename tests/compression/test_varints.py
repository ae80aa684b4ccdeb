"""Numbers as bytes: against a naive transcription, and where they are damaged."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.compression.varints import LIMIT, first_varints, from_varints, to_varints
from charnn.errors import CompressionError

NUMBERS = [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152, LIMIT - 1]


def naive(number: int) -> bytes:
    """Return a number's bytes, one by one."""
    content = []
    while number >= 128:
        content.append(number % 128 + 128)
        number //= 128
    return bytes([*content, number])


def test_numbers_are_seven_bits_a_byte_and_come_back() -> None:
    """Each number takes the bytes of the naive way, and the numbers come back in their order."""
    content = to_varints(np.array(NUMBERS))
    assert content == b"".join(map(naive, NUMBERS))
    assert from_varints(content).tolist() == NUMBERS
    assert to_varints(np.zeros(0, int)) == b""
    assert from_varints(b"").tolist() == []


def test_the_first_numbers_leave_the_rest() -> None:
    """Reading some numbers gives back the bytes behind them."""
    content = to_varints(np.array(NUMBERS)) + b"\xff\xff"
    assert first_varints(content, len(NUMBERS)) == (NUMBERS, b"\xff\xff")
    assert first_varints(content, 0) == ([], content)


@pytest.mark.parametrize("content", [b"\x80", b"\x01\xff", b"\x80\x80\x80\x80\x01", b"\x80" * 9])
def test_damaged_numbers_are_refused(content: bytes) -> None:
    """A number without an end, or of too many bytes, is none."""
    with pytest.raises(CompressionError):
        from_varints(content)
    with pytest.raises(CompressionError):
        first_varints(content, 2)
