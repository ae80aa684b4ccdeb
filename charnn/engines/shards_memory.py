"""Arrays in memory that several processes share.

The memory is an open file without a name (on Windows, a named mapping), so nothing is left behind
however its users end.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array, Shape
from charnn.errors import SharedMemoryError

ALIGNMENT = 64  # bytes, a cache line


class SharedArrays:
    """Named float32 arrays, zero at first, and behind them some `extra` bytes for other data.

    `handle` is what another process attaches by.
    """

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        extra: int = 0,
        handle: str | None = None,
        private: bool = False,
    ) -> None:
        """Make the memory, or attach to that of `handle`, which was made with the same sizes.

        Memory that is `private` nobody can attach to. Raises SharedMemoryError.
        """
        places, size = {}, 0
        for name, shape in shapes.items():
            places[name] = size
            size += -(-math.prod(shape) * 4 // ALIGNMENT) * ALIGNMENT
        extra_place, size = size, size + extra
        if private:
            self._memory, self.handle = mmap.mmap(-1, max(size, 1)), ""
        else:
            try:
                self._memory, self.handle = self._map(max(size, 1), handle)
            except OSError as error:
                raise SharedMemoryError(
                    f"{size:,} bytes of shared memory could not be allocated ({error.strerror}); "
                    "free some memory, or train with --shards 1."
                ) from error
        self._arrays = {
            name: np.frombuffer(self._memory, np.float32, math.prod(shape), places[name]).reshape(
                shape
            )
            for name, shape in shapes.items()
        }
        self.extra: Array = np.frombuffer(self._memory, np.uint8, extra, extra_place)

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    @property
    def inherited(self) -> tuple[int, ...]:
        """File descriptors that a child process must inherit to attach."""
        return () if os.name == "nt" else (int(self.handle),)

    def _map(self, size: int, handle: str | None) -> tuple[mmap.mmap, str]:
        if os.name == "nt":
            name = handle or f"charnn-{os.getpid()}-{id(self)}"
            windows: Any = mmap.mmap
            return windows(-1, size, tagname=name), name
        if handle is not None:
            return mmap.mmap(int(handle), size), handle
        in_memory = Path("/dev/shm")  # noqa: S108
        folder = in_memory if os.access(in_memory, os.W_OK) else None
        with tempfile.TemporaryFile(prefix="charnn-", dir=folder) as file:
            file.truncate(size)
            descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, descriptor)
        return mmap.mmap(descriptor, size), str(descriptor)


@dataclass(frozen=True)
class IdsPlace:
    """Where a worker finds a corpus's ids: in a file, or behind the shared arrays."""

    path: str | None
    dtype: str
    parts: dict[str, int]  # numbers of symbols, in their order

    @property
    def shared_bytes(self) -> int:
        """How many bytes the ids take behind the shared arrays."""
        return 0 if self.path is not None else self.size * np.dtype(self.dtype).itemsize

    @property
    def size(self) -> int:
        """Number of symbols."""
        return sum(self.parts.values())

    def open(self, arrays: SharedArrays) -> dict[str, Array]:
        """Return the ids of each part, mapped into memory."""
        ids: Array = (
            arrays.extra.view(self.dtype)
            if self.path is None
            else np.memmap(self.path, self.dtype, "r")
        )
        opened, start = {}, 0
        for name, size in self.parts.items():
            opened[name] = ids[start : start + size]
            start += size
        return opened
