"""How many threads BLAS may use."""

from __future__ import annotations

from contextlib import AbstractContextManager


def single_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread inside a `with` block.

    A product summed by two threads differs in its last bits from the same product summed by one:
    with one thread a run's bits do not depend on the machine's cores. For products as small as a
    time step's, one thread is also the fastest.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits
