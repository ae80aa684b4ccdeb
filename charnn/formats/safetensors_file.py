"""Files in the format safetensors: a header in JSON, and arrays as they lie in memory.

The library reads and writes the arrays, and checks that the header fits the file. Its writer takes
an array's memory for its content whatever the strides (version 0.8.0), so arrays are made
contiguous; and it writes the metadata in no fixed order, so the header is sorted afterwards: equal
models make equal files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.formats.errors import FormatError, library

METADATA = "__metadata__"
PREFIX = 8  # bytes before the header: its length
LITTLE_ENDIAN = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True)
class Tensors:
    """What such a file holds: arrays by name, as float32, and texts by name."""

    arrays: dict[str, Array]
    metadata: dict[str, str]


def content_of(arrays: Arrays, metadata: dict[str, str]) -> bytes:
    """Return the bytes of a file that holds arrays in float32, and metadata."""
    writer = library("safetensors.numpy", "safetensors", "safetensors")
    plain = {name: np.ascontiguousarray(array, np.dtype("<f4")) for name, array in arrays.items()}
    return sorted_header(writer.save(plain, metadata))


def sorted_header(content: bytes) -> bytes:
    """Return a file's bytes with its header in a fixed order, padded to 8 bytes as before."""
    end = PREFIX + int.from_bytes(content[:PREFIX], "little")
    header = json.loads(content[PREFIX:end])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(PREFIX, "little") + text + content[end:]


def read_tensors(path: Path) -> Tensors:
    """Read a file. Raises FormatError for one that is damaged or holds no floating-point arrays."""
    reader = library("safetensors", "safetensors", "safetensors")
    content = path.read_bytes()
    try:
        found = reader.deserialize(content)
    except reader.SafetensorError as error:
        reason = str(error).removeprefix("Error while deserializing: ")
        raise FormatError(
            f"it is damaged or not a safetensors file ({reason}); use another copy."
        ) from error
    metadata = metadata_in(content)
    entries = dict(found)  # in an order of the library's own
    return Tensors({name: as_float32(name, entries[name]) for name in sorted(entries)}, metadata)


def metadata_in(content: bytes) -> dict[str, str]:
    """Return the metadata of a file that the library has checked. Raises FormatError."""
    header = content[PREFIX : PREFIX + int.from_bytes(content[:PREFIX], "little")]
    try:
        entries = json.loads(header, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header cannot be read ({error}); use another copy.") from error
    metadata: dict[str, str] = entries.get(METADATA) or {}
    return metadata


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON as a dictionary. Raises FormatError for a name that stands twice."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in entries if names.count(name) > 1)
        raise FormatError(f"its header has the name {twice!r} twice; use another copy.")
    return entries


def as_float32(name: str, entry: dict[str, Any]) -> Array:
    """Return an array of the file as float32. Raises FormatError for one of another kind."""
    kind, shape, data = entry["dtype"], entry["shape"], entry["data"]
    if kind == "BF16":  # the upper half of a float32, a type that NumPy does not have
        halves = np.frombuffer(data, np.dtype("<u2")).astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    if kind not in LITTLE_ENDIAN:
        raise FormatError(
            f"its array {name!r} has the type {kind}, which is none of F64, F32, F16 and BF16; "
            "save the model's floating-point weights only."
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the rest
        array = np.frombuffer(data, np.dtype(LITTLE_ENDIAN[kind])).astype(np.float32)
    return array.reshape(shape)
