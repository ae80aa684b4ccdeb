"""Scratch memory that a training loop allocates once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Shape


class Buffers:
    """Named scratch arrays that outlive one call, so that a training loop allocates once.

    Whoever asks for a name again gets the same memory: what a function returned out of its buffers
    is good until the function is called with the same buffers again.
    """

    def __init__(self) -> None:
        self._memory: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Return a contiguous array of `shape`, its contents undefined."""
        size = math.prod(shape)
        key = name, np.dtype(dtype)
        memory = self._memory.get(key)
        if memory is None or memory.size < size:
            memory = self._memory[key] = np.empty(size, dtype)
        return memory[:size].reshape(shape)
