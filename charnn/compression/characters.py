"""Bytes as ids of a vocabulary's symbols, and back, whatever the bytes are.

The bytes of a block are decoded as UTF-8, and a byte that is no part of a character becomes one of
U+DC80 to U+DCFF (Python's `surrogateescape`), so no byte is lost. A character that is no symbol of
the vocabulary goes to the patches. Where the vocabulary has an unknown symbol, that symbol's id
stands in its place; else the ids leave it out, and the patches say how many ids stand between it
and the patched character before it. A byte vocabulary takes the bytes as they are.

Patches are empty where there are none, else a byte, 0 or 1, and the numbers as varints, if it is 1
shrunk by LZMA: the count n, then n gaps (only without an unknown symbol), then n code points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from charnn.arrays import Array
from charnn.compression.dictionary import restored, shrunk
from charnn.compression.varints import LONGEST, from_varints, to_varints
from charnn.errors import CompressionError
from charnn.text.vocabulary import Vocabulary, code_points

CONTINUATION = 0x80, 0xC0  # the bytes of a character after its first: from, below
PLAIN, SHRUNK = 0, 1


def blocks_of(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Read a stream in blocks of at most `size` bytes (4 or more), cut between characters."""
    carried = b""
    while piece := stream.read(size - len(carried)):
        content = carried + piece
        end = whole_characters(content)
        carried = content[end:]
        if end:
            yield content[:end]
    if carried:
        yield carried


def whole_characters(content: bytes) -> int:
    """Return how many bytes there are up to a character that more bytes may complete."""
    for back in range(1, min(3, len(content)) + 1):
        byte = content[-back]
        if byte >= CONTINUATION[1]:
            expected = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(content) - back if expected > back else len(content)
        if byte < CONTINUATION[0]:
            break
    return len(content)


def count_characters(content: bytes, vocabulary: Vocabulary) -> int:
    """Return how many symbols bytes are, the unknown ones among them."""
    if vocabulary.tokens == "bytes":
        return len(content)
    return len(content.decode("utf-8", "surrogateescape"))


def split(content: bytes, vocabulary: Vocabulary) -> tuple[Array, bytes]:
    """Return the ids (N,) of a block of bytes, and the patches that they need."""
    if vocabulary.tokens == "bytes":
        return np.frombuffer(content, np.uint8), b""
    text = content.decode("utf-8", "surrogateescape")
    ids = vocabulary.encode(text)
    missing = ids == vocabulary.missing_id
    (places,) = np.nonzero(missing)
    if not len(places):
        return ids, b""
    numbers = [np.array([len(places)]), code_points(text)[places]]
    if vocabulary.unknown_id is None:
        numbers.insert(1, np.diff(places, prepend=-1) - 1)
        ids = ids[~missing]
    plain = to_varints(np.concatenate(numbers))
    small = shrunk(plain)
    if len(small) < len(plain):
        return ids, bytes([SHRUNK]) + small
    return ids, bytes([PLAIN]) + plain


def joined(ids: Array, patches: bytes, vocabulary: Vocabulary, length: int) -> bytes:
    """Return the `length` bytes that `split` made ids and patches of. Raises CompressionError."""
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(vocabulary):
        raise CompressionError("a symbol is not one of the model's vocabulary.")
    if vocabulary.tokens == "bytes":
        content = ids.astype(np.uint8).tobytes() if not patches else b""
    else:
        points = patched(ids, unpacked(patches, length), vocabulary)
        try:
            text = points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
            content = text.encode("utf-8", "surrogateescape")
        except UnicodeError as error:
            raise CompressionError("a patched character is none.") from error
    if len(content) != length:
        raise CompressionError(f"a block has {len(content):,} bytes and should have {length:,}.")
    return content


def unpacked(patches: bytes, length: int) -> Array:
    """Return the numbers of patches for at most `length` characters. Raises CompressionError."""
    if not patches:
        return np.zeros(1, np.int64)
    plain, most = patches[1:], LONGEST * (2 * length + 1)
    if patches[0] == SHRUNK:
        plain = restored(plain, most)
    elif patches[0] != PLAIN:
        raise CompressionError(f"its patches are of kind {patches[0]}, which does not exist.")
    numbers = from_varints(plain[: most + 1])
    if not len(numbers) or not 0 < numbers[0] <= length:
        raise CompressionError("its patches have a wrong count.")
    return numbers


def patched(ids: Array, numbers: Array, vocabulary: Vocabulary) -> Array:
    """Return the code points of ids with their patches (count, gaps, points) put in."""
    symbols = code_points(vocabulary.symbols + "\0" * vocabulary.unknown)
    count = int(numbers[0])
    if vocabulary.unknown_id is not None:
        (places,) = np.nonzero(ids == vocabulary.unknown_id)
        if len(places) != count or len(numbers) != 1 + count:
            raise CompressionError("its patches are not as many as its unknown characters.")
        points = symbols[ids]
    else:
        if len(numbers) != 1 + 2 * count:
            raise CompressionError("its patches are not as many as they say.")
        places = np.cumsum(numbers[1 : 1 + count] + 1) - 1
        if count and places[-1] >= len(ids) + count:
            raise CompressionError("a patch lies behind the end of its block.")
        points = np.zeros(len(ids) + count, np.uint32)
        others = np.ones(len(points), bool)
        others[places] = False
        points[others] = symbols[ids]
    points[places] = numbers[len(numbers) - count :]
    return points
