"""Scratch memory that a training loop allocates once.

It lies in huge pages where the system has them. Pages of 4 KiB are scattered over the physical
memory, so some may compete for the same places of a processor's cache while others stay empty; that
matters for weights that would just fit into it. Inside a page of 2 MiB nothing competes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Shape

Bytes: TypeAlias = npt.NDArray[np.uint8]
Made = TypeVar("Made")

HUGE_PAGE = 1 << 21  # bytes
LEAST_HUGE = 1 << 22  # bytes of an array in huge pages
ALIGNMENT = 64  # bytes, a cache line


class HugePages:
    """Memory from which all scopes of some buffers take their arrays."""

    def __init__(self) -> None:
        self._free: Bytes = np.empty(0, np.uint8)
        self.taken = 0  # how often; then arrays of less memory are obsolete

    def take(self, size: int) -> Bytes:
        """Return `size` bytes, out of what is left of the last huge pages or of new ones."""
        self.taken += 1
        aligned = -(-size // ALIGNMENT) * ALIGNMENT
        if aligned > self._free.size:
            self._free = huge_pages(aligned)
        taken, self._free = self._free[:size], self._free[aligned:]
        return taken


class Buffers:
    """Named scratch arrays that outlive one call, so that a training loop allocates once.

    A scope has one owner, which knows every name in it; `child` is a scope for somebody else. The
    owner who asks for a name again gets the same memory: what a function returned out of its
    buffers is valid until the function is called with the same buffers again.
    """

    def __init__(self, pages: HugePages | None = None) -> None:
        self._pages = pages or HugePages()
        self._children: dict[str, Buffers] = {}
        self._memory: dict[tuple[str, np.dtype[Any]], Array] = {}
        self._arrays: dict[tuple[str, np.dtype[Any], Shape], Array] = {}
        self._made: dict[tuple[Any, ...], tuple[tuple[Array, ...], Any]] = {}
        self._made_after = 0

    def child(self, name: str) -> Buffers:
        """Return the scope of this name, whose arrays are its own."""
        if name not in self._children:
            self._children[name] = Buffers(self._pages)
        return self._children[name]

    def array(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Return a contiguous array of `shape`, its contents undefined."""
        kind = np.dtype(dtype)
        known = self._arrays.get((name, kind, shape))
        if known is not None:
            return known
        size = math.prod(shape)
        memory = self._memory.get((name, kind))
        if memory is None or memory.size < size:
            memory = self._memory[name, kind] = self._pages.take(size * kind.itemsize).view(kind)
            self._arrays = {
                key: kept for key, kept in self._arrays.items() if key[:2] != (name, kind)
            }
        array = self._arrays[name, kind, shape] = memory[:size].reshape(shape)
        return array

    def once(self, name: str, make: Callable[..., Made], *arrays: Array) -> Made:
        """Return `make(*arrays)`, made only once for the same arrays.

        So it is for windows of several lengths in turn, each of which has arrays of its own. What
        was made is forgotten when arrays grow.
        """
        if self._made_after != self._pages.taken:
            self._made.clear()
            self._made_after = self._pages.taken
        key = name, *map(id, arrays)
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = arrays, make(*arrays)
        made: Made = known[1]
        return made

    def contiguous(self, name: str, x: Array) -> Array:
        """Return x itself if it is contiguous, else a contiguous copy."""
        if x.flags.c_contiguous:
            return x
        copy = self.array(name, x.shape, x.dtype)
        copy[...] = x
        return copy


def huge_pages(size: int) -> Bytes:
    """Return at least `size` bytes, in huge pages where the system has them.

    NumPy asks Linux for huge pages for arrays of 4 MiB or more.
    """
    size = -(-size // HUGE_PAGE) * HUGE_PAGE
    space = np.empty(max(size, LEAST_HUGE) + HUGE_PAGE, np.uint8)
    start = -space.ctypes.data % HUGE_PAGE
    return space[start:]
