"""A model's weights as a page has them: rounded, and as one run of bytes.

    float16   all of them; 11 bits of a weight are kept
    int8      matrices, with a scale for each column: w = scale q, where q is a whole number from
              -127 to 127; vectors (biases, gains, peepholes) stay float32

A matrix (..., rows, columns) has scales (..., columns), as float32: a column makes one number of
the output, so a unit with large weights does not cost the others their precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.formats.errors import FormatError
from charnn.nn.parameters import Parameters
from charnn.training.checkpoint import Checkpoint

FLOAT16, INT8 = "float16", "int8"
ROUNDINGS = (FLOAT16, INT8)
LARGEST = 127  # of an int8 whose negative exists


@dataclass(frozen=True)
class Packed:
    """Arrays in a run of bytes: what and where each of them is, as JSON, and the bytes."""

    arrays: list[dict[str, Any]]
    content: bytes


def packed(checkpoint: Checkpoint, rounding: str) -> Packed:
    """Return the weights that are sampled, rounded. Raises FormatError for one out of range."""
    model = checkpoint.model
    found: list[dict[str, Any]] = []
    content = bytearray()

    def append(values: Array) -> int:
        content.extend(bytes(-len(content) % values.itemsize))
        start = len(content)
        content.extend(values.tobytes())
        return start

    matrices = matrices_of(model)
    for name, array in model.parameters.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape)}
        if rounding == FLOAT16:
            entry |= {"type": FLOAT16, "start": append(as_float16(name, array))}
        elif name in matrices:
            whole, scales = as_int8(array)
            entry |= {"type": INT8, "start": append(whole), "scales": append(scales)}
        else:
            entry |= {"type": "float32", "start": append(array.astype("<f4"))}
        found.append(entry)
    return Packed(found, bytes(content))


def rounded(checkpoint: Checkpoint, rounding: str) -> Checkpoint:
    """Return the model of a page as a checkpoint, to see what rounding costs.

    `rounding` is float16 or int8. Raises FormatError for a weight out of range.
    """
    model = checkpoint.model
    matrices = matrices_of(model)
    parameters = Parameters(model.parameters.shapes, flat=model.parameters.flat.copy())
    for name, array in parameters.items():
        if rounding == FLOAT16:
            array[...] = as_float16(name, array)
        elif name in matrices:
            whole, scales = as_int8(array)
            array[...] = whole * scales[..., None, :]
    return replace(checkpoint.best_only(), parameters=parameters)


def matrices_of(model: Any) -> set[str]:
    """Return the names of the parameters that multiply: not biases, gains and peepholes."""
    return {n for n, spec in model.specs.items() if spec.decays and len(spec.shape) > 1}


def as_float16(name: str, array: Array) -> Array:
    """Round to float16. Raises FormatError for a weight out of its range."""
    with np.errstate(over="ignore"):
        values: Array = array.astype("<f2")
    if not np.isfinite(values).all():
        raise FormatError(
            f"a weight of {name} is {np.abs(array).max():,.0f}, but float16 ends at 65,504; choose "
            "--weights int8."
        )
    return values


def as_int8(array: Array) -> tuple[Array, Array]:
    """Return whole numbers and scales: (..., rows, columns) -> the same, and (..., columns)."""
    scales: Array = np.abs(array).max(axis=-2) / np.float32(LARGEST)
    steps = np.where(scales > 0, scales, 1)[..., None, :]
    whole: Array = np.clip(np.rint(array / steps), -LARGEST, LARGEST).astype(np.int8)
    return whole, scales.astype("<f4")
