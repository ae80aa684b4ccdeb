"""What BLAS is there, and how many threads it may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any


class _Limit:
    """The limit that all users in the process share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._limits: Any = None

    def acquire(self) -> None:
        """Set the limit if there is none yet."""
        with self._lock:
            if self._users == 0:
                self._limits = _libraries().limit(limits=1, user_api="blas")
            self._users += 1

    def release(self) -> None:
        """Restore what was before if nobody needs the limit any more."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limits.restore_original_limits()


@cache
def _libraries() -> Any:
    """Return the process's libraries; finding them takes a thousand times as long as a limit."""
    import_module("numpy")  # which loads its BLAS
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_LIMIT = _Limit()
SMALL_KERNELS = "SkylakeX", "Cooperlake", "SapphireRapids"  # OpenBLAS's names of AVX-512 processors


@cache
def has_small_kernel() -> bool:
    """Return whether BLAS has a float32 kernel for small products, which copies no operand.

    OpenBLAS has one for processors with AVX-512 (its pull request 3335).
    """
    return any(library.get("architecture") in SMALL_KERNELS for library in _libraries().info())


@contextmanager
def single_thread() -> Iterator[None]:
    """Hold BLAS to one thread inside a `with` block.

    A product summed by two threads differs in its last bits from the same product summed by one:
    with one thread a run's bits do not depend on the machine's cores. For products as small as a
    time step's, one thread is also the fastest.

    Blocks may overlap in any order, as those of generators and threads do: the first to begin sets
    the limit, and the last to end restores what was before.
    """
    _LIMIT.acquire()
    try:
        yield
    finally:
        _LIMIT.release()
