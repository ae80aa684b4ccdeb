"""A quantised model as few bytes: nearly the entropy of its integers, array by array.

An integer v is split at a bit s of its array's choice: floor(v / 2^s) is coded by rANS under the
array's own histogram, the s bits below, which are nearly uniform, stand as they are. The histograms
are those of the array, rounded to sum to 2^14, in all tables of at most 1,024 entries.

docs/format.md has the order of the bytes. A file may claim any shape: an array of more than 65,536
integers has no symbol with more than three quarters of its histogram, so each takes bits, and the
bytes that are there bound what memory may be reserved.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.compression import rans
from charnn.compression.dictionary import restored, shrunk
from charnn.compression.frequencies import TOTAL_BITS
from charnn.compression.quantized import (
    ARITHMETIC,
    EXPONENTS,
    SHAPE,
    VECTOR_BITS,
    QuantizedArray,
    QuantizedModel,
    array_shapes,
    is_vector,
    shape_of,
)
from charnn.compression.varints import first_varints, to_varints
from charnn.config import ModelConfig
from charnn.errors import CharnnError, CompressionError
from charnn.text.vocabulary import Vocabulary

SUM_BITS = 14  # of a histogram
SUM = 1 << SUM_BITS
TO_RANS = TOTAL_BITS - SUM_BITS
WIDEST = 1_024  # entries of a histogram
FREE = 65_536  # integers of an array that may take no bits at all
DENSEST = 20  # integers that a byte can hold, where no symbol has more than three quarters
LANE = 4_096  # integers of a lane
MOST_LANES = 64
LARGEST_DESCRIPTION = 16_000_000  # bytes of JSON
OFFSET = 1 << 15  # makes the least integer of a histogram positive
BITS = range(2, 17)  # of a weight


@dataclass(frozen=True)
class Histogram:
    """How an array's integers are coded: `counts` (n,) are those of least, least + 1, ..."""

    shift: int
    least: int
    counts: Array  # int64, summing to `SUM`

    @classmethod
    def of(cls, values: Array) -> Histogram:
        """Return the histogram under which values (N,) take the fewest bytes."""
        costs = {}
        for shift in range(17):
            high = values >> shift
            least, largest = int(high.min()), int(high.max())
            if largest - least < WIDEST - 1:
                found = cls(shift, least, rounded(np.bincount(high - least), len(values) > FREE))
                costs[found.cost(high - least)] = found
            if least in (-1, 0) and largest <= 0:
                break
        return costs[min(costs)]

    def cost(self, symbols: Array) -> float:
        """Return how many bits the histogram and the integers take, about."""
        frequencies = np.bincount(symbols, minlength=len(self.counts))
        met = frequencies > 0
        coded = frequencies[met] @ np.log2(SUM / self.counts[met])
        return float(coded) + len(symbols) * self.shift + 8 * len(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the histogram as it stands in a file."""
        numbers = [self.shift, self.least + OFFSET, len(self.counts), *self.counts.tolist()]
        return to_varints(np.array(numbers))

    @classmethod
    def from_bytes(cls, content: bytes, many: bool) -> tuple[Histogram, bytes]:
        """Read one for more than `FREE` integers or fewer; return the rest, too."""
        (shift, least, width), content = first_varints(content, 3)
        if shift > 16 or least > 2 * OFFSET or not 0 < width <= WIDEST:
            raise CompressionError("a histogram of the model is damaged.")
        counts, content = first_varints(content, width)
        if sum(counts) != SUM or (many and max(counts) > SUM * 3 // 4):
            raise CompressionError("a histogram of the model does not sum to what it should.")
        return cls(shift, least - OFFSET, np.array(counts)), content


def rounded(counts: Array, many: bool) -> Array:
    """Return counts (n,), n < `WIDEST`, scaled to sum to `SUM`; what occurred stays above 0."""
    top = int(counts.argmax())
    if many and counts[top] * 4 > counts.sum() * 3:
        if len(counts) == 1:
            counts = np.append(counts, 0)
            top_alone = True
        else:
            top_alone = False
        others = counts.copy()
        others[top] = 0
        if top_alone:
            others[1] = 1
        scaled = shares(others, SUM // 4)
        scaled[top] = SUM - SUM // 4
        return scaled
    return shares(counts, SUM)


def shares(counts: Array, total: int) -> Array:
    """Return counts (n,) scaled to sum to `total`."""
    met = counts > 0
    scaled: Array = met + counts.astype(np.int64) * (total - int(met.sum())) // int(counts.sum())
    scaled[counts.argmax()] += total - scaled.sum()
    return scaled


def pack(quantized: QuantizedModel) -> bytes:
    """Return a quantised model as bytes."""
    described = json.dumps(quantized.description(), separators=(",", ":"), sort_keys=True).encode()
    small = shrunk(described)
    parts = [part for array in quantized.arrays.values() for part in parts_of(array)]
    histograms = [Histogram.of(part) for part in parts]
    low = [
        bits_below(part, histogram.shift) for part, histogram in zip(parts, histograms, strict=True)
    ]
    code = coded(parts, histograms)
    return b"".join(
        [
            to_varints(np.array([len(small), len(described)])),
            small,
            *(histogram.to_bytes() for histogram in histograms),
            to_varints(np.array([len(code)])),
            code,
            np.packbits(np.concatenate(low)).tobytes(),
        ]
    )


def unpack(content: bytes) -> QuantizedModel:
    """Return the model that `pack` made bytes of. Raises CompressionError."""
    (size, length), content = first_varints(content, 2)
    if length > LARGEST_DESCRIPTION or size > len(content):
        raise CompressionError("the model inside is damaged: its description is too long.")
    described = restored(content[:size], length)
    config, vocabulary, bits = read_description(described)
    shapes = array_shapes(config, len(vocabulary))
    sizes = [size for rows, columns in shapes.values() for size in (columns, rows * columns)]
    check_sizes(sizes, len(content) - size)
    content = content[size:]
    histograms = []
    for count in sizes:
        histogram, content = Histogram.from_bytes(content, count > FREE)
        histograms.append(histogram)
    (size,), content = first_varints(content, 1)
    if size > len(content):
        raise CompressionError("the model inside is damaged: its code is too long.")
    high = decoded(content[:size], sizes, histograms)
    values = iter(with_low_bits(high, content[size:], sizes, histograms))
    arrays = {}
    for name, shape in shapes.items():
        exponents, own = next(values), next(values)
        check_range(name, own, exponents, VECTOR_BITS if is_vector(name) else bits)
        arrays[name] = QuantizedArray(
            own.reshape(shape).astype(np.int16), exponents.astype(np.int8)
        )
    return QuantizedModel(shape_of(config), vocabulary, bits, arrays)


def parts_of(array: QuantizedArray) -> tuple[Array, Array]:
    """Return an array's exponents and its values, row by row, (N,) int64 each."""
    return array.exponents.astype(np.int64), array.values.ravel().astype(np.int64)


def check_sizes(sizes: list[int], available: int) -> None:
    """Raise CompressionError where so many bytes cannot hold arrays of these sizes."""
    if sum(size for size in sizes if size > FREE) > DENSEST * available:
        raise CompressionError(
            f"the model inside is damaged: {sum(sizes):,} numbers are not in {available:,} bytes."
        )


def check_range(name: str, values: Array, exponents: Array, bits: int) -> None:
    """Raise CompressionError where an array holds what no quantised model holds."""
    low, high = EXPONENTS
    if np.abs(values).max(initial=0) >= 1 << (bits - 1):
        raise CompressionError(f"the model inside is damaged: {name} has values of too many bits.")
    if not low <= exponents.min(initial=0) <= exponents.max(initial=0) <= high:
        raise CompressionError(f"the model inside is damaged: {name} has wrong exponents.")


def read_description(described: bytes) -> tuple[ModelConfig, Vocabulary, int]:
    """Read what `QuantizedModel.description` wrote. Raises CompressionError."""
    try:
        content: Any = json.loads(described.decode("utf-8"))
        if content["arithmetic"] != ARITHMETIC:
            raise CompressionError(
                f"the model inside needs arithmetic {content['arithmetic']!r}, and this charnn "
                f"has {ARITHMETIC}; use the charnn that wrote the file."
            )
        bits = content["bits"]
        if type(bits) is not int or bits not in BITS or {*content["model"]} != {*SHAPE}:
            raise ValueError("its bits or its shape")
        config = ModelConfig(dropout=0.0, **content["model"])
        return config, Vocabulary.from_json(content["vocabulary"]), bits
    except CompressionError:
        raise
    except (CharnnError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CompressionError(f"the model inside is no model of charnn ({reason}).") from error


def steps_of(sizes: list[int]) -> tuple[Array, int]:
    """Return which histogram each integer has, (N,) int16, and the number of lanes."""
    kinds = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    return kinds, min(max(len(kinds) // LANE, 1), MOST_LANES)


def tables(histograms: list[Histogram]) -> tuple[Array, Array]:
    """Return frequencies and the sums below them, (histograms, WIDEST) each, of 2^24 in all."""
    f = np.zeros((len(histograms), WIDEST), np.uint32)
    for row, histogram in zip(f, histograms, strict=True):
        row[: len(histogram.counts)] = histogram.counts << TO_RANS
    below = np.cumsum(f, axis=1, dtype=np.uint32)
    below -= f
    return f, below


def coded(parts: list[Array], histograms: list[Histogram]) -> bytes:
    """Return the code of the high parts of integers: step t has lane l's t L + l -th."""
    kinds, lanes = steps_of([len(part) for part in parts])
    f, below = tables(histograms)
    pairs = zip(parts, histograms, strict=True)
    symbols = np.concatenate([(part >> own.shift) - own.least for part, own in pairs])
    return rans.encode(below[kinds, symbols], f[kinds, symbols], lanes)


def decoded(code: bytes, sizes: list[int], histograms: list[Histogram]) -> list[Array]:
    """Return the high parts of integers, (N,) int64 of each array. Raises CompressionError."""
    kinds, lanes = steps_of(sizes)
    f, below = tables(histograms)
    symbol_at = np.empty((len(histograms), SUM), np.int16)
    for row, histogram in zip(symbol_at, histograms, strict=True):
        row[:] = np.repeat(np.arange(len(histogram.counts)), histogram.counts)
    symbols = np.empty(len(kinds), np.int16)
    decoder = rans.Decoder(code, lanes)
    for t in range(0, len(kinds), lanes):
        own = kinds[t : t + lanes]
        found = symbol_at[own, decoder.places(len(own)) >> np.uint64(TO_RANS)]
        decoder.advance(below[own, found], f[own, found])
        symbols[t : t + lanes] = found
    decoder.finish()
    ends = np.cumsum(sizes)[:-1]
    pairs = zip(np.split(symbols, ends), histograms, strict=True)
    return [part.astype(np.int64) + own.least for part, own in pairs]


def bits_below(values: Array, shift: int) -> Array:
    """Return the `shift` low bits of values (N,), the highest first, (N * shift,) uint8."""
    places = np.arange(shift)[::-1]
    return ((values[:, None] >> places) & 1).astype(np.uint8).ravel()


def with_low_bits(
    high: list[Array], low: bytes, sizes: list[int], histograms: list[Histogram]
) -> list[Array]:
    """Return the integers of each array, (N,) int64. Raises CompressionError."""
    needed = sum(size * own.shift for size, own in zip(sizes, histograms, strict=True))
    if len(low) != math.ceil(needed / 8):
        raise CompressionError("the model inside is damaged: it has not the length of its shape.")
    bits = np.unpackbits(np.frombuffer(low, np.uint8))
    values, at = [], 0
    for part, own in zip(high, histograms, strict=True):
        found = bits[at : at + len(part) * own.shift].reshape(len(part), own.shift)
        at += found.size
        low_part = found.astype(np.int64) @ (1 << np.arange(own.shift, dtype=np.int64)[::-1])
        values.append((part << own.shift) + low_part)
    return values
