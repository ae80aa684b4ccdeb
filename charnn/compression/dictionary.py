"""LZMA without a container of its own, as blocks, patches and whole files use it.

The stream is LZMA2 with an end mark (`FORMAT_RAW` of liblzma); its checksum stands in the file that
it is part of. The encoder's dictionary is no larger than the content, so that little content takes
little memory; a decoder allows for the largest.
"""

from __future__ import annotations

import lzma
from typing import Any

from charnn.errors import CompressionError

PRESET = 6
DICTIONARY = 1 << 23  # bytes, the largest
LEAST_DICTIONARY = 1 << 12
LARGEST_PART = 1 << 20  # bytes of a dictionary where there may be several of them at once


def filters(size: int = DICTIONARY) -> list[dict[str, Any]]:
    """Return what liblzma is told for content of `size` bytes."""
    dictionary = min(max(1 << (size - 1).bit_length(), LEAST_DICTIONARY), DICTIONARY)
    return [{"id": lzma.FILTER_LZMA2, "preset": PRESET, "dict_size": dictionary}]


def shrunk(content: bytes) -> bytes:
    """Return content compressed, with a dictionary of at most 1 MiB."""
    size = min(max(len(content), 1), LARGEST_PART)
    return lzma.compress(content, lzma.FORMAT_RAW, filters=filters(size))


def compressor(size: int) -> lzma.LZMACompressor:
    """Return what compresses a stream of `size` bytes."""
    return lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters(max(size, 1)))


def decompressor() -> lzma.LZMADecompressor:
    """Return what decompresses a stream."""
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters())


def restored(content: bytes, limit: int) -> bytes:
    """Return the at most `limit` bytes that were shrunk to `content`. Raises CompressionError."""
    machine = decompressor()
    try:
        found = machine.decompress(content, limit + 1)
    except lzma.LZMAError as error:
        raise CompressionError("its LZMA stream is damaged; get the file again.") from error
    if len(found) > limit or not machine.eof or machine.unused_data:
        raise CompressionError("its LZMA stream has another length than it says.")
    return found
