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

from charnn.arrays import Array, Arrays, Shape
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
class DataPlace:
    """Where a worker finds a dataset's arrays: in a file, or behind the shared arrays.

    `arrays` are their names, types and sizes, in the order in which they lie there.
    """

    path: str | None
    arrays: list[tuple[str, str, int]]

    @classmethod
    def of(cls, arrays: Arrays, path: Path | None) -> DataPlace:
        """Return the place of a dataset's arrays, which are one after the other in a file."""
        listed = [(name, array.dtype.str, array.size) for name, array in arrays.items()]
        return cls(None if path is None else str(path), listed)

    @property
    def shared_bytes(self) -> int:
        """How many bytes the arrays take behind the shared ones."""
        return 0 if self.path is not None else sum(self._sizes())

    def fill(self, memory: SharedArrays, arrays: Arrays) -> None:
        """Copy the arrays behind the shared ones, if that is their place."""
        if self.path is None:
            for name, array in self.open(memory).items():
                array[...] = arrays[name]

    def open(self, memory: SharedArrays) -> dict[str, Array]:
        """Return the arrays, mapped into memory."""
        content: Array = memory.extra if self.path is None else np.memmap(self.path, np.uint8, "r")
        opened, start = {}, 0
        for (name, dtype, count), size in zip(self.arrays, self._sizes(), strict=True):
            length = count * np.dtype(dtype).itemsize
            opened[name] = content[start : start + length].view(dtype)
            start += size
        return opened

    def _sizes(self) -> list[int]:
        """Return how many bytes each array takes; in memory each begins at a cache line."""
        sizes = [count * np.dtype(dtype).itemsize for _, dtype, count in self.arrays]
        if self.path is not None:
            return sizes
        return [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes]
