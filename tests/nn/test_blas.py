"""How many threads BLAS may use."""

from __future__ import annotations

from threadpoolctl import threadpool_info, threadpool_limits

from charnn.nn.blas import single_thread


def threads():
    """Return the number of threads of each BLAS library in this process."""
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


def test_one_thread_inside_the_block():
    """BLAS has one thread inside the block, and what it had before after it."""
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        assert before
        with single_thread():
            assert set(threads()) == {1}
        assert threads() == before


def test_blocks_may_overlap_in_any_order():
    """Two generators hold the limit, and the first to begin ends first: all is restored at last."""

    def held():
        with single_thread():
            yield

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = held(), held()
        next(first)
        next(second)
        first.close()
        assert set(threads()) == {1}
        second.close()
        assert threads() == before
