"""A team whose ranks are threads of this process: it says what charnn.engines.team asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from charnn.errors import CharnnError

SECONDS = 30  # that ranks wait for each other, at most


class Meeting:
    """Where the threads exchange what they have."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=SECONDS)
        self.given: list[Any] = [None] * size
        self.log: list[str] = []


class Member:
    """One rank; `machines` says on which machine each is."""

    lost = False

    def __init__(
        self, rank: int, meeting: Meeting, launch: frozenset[str], machines: tuple[int, ...]
    ) -> None:
        self.rank, self.size, self.launch = rank, len(meeting.given), launch
        self._meeting, self._machines = meeting, machines

    def _exchange(self, content: Any) -> list[Any]:
        self._meeting.given[self.rank] = content
        self._meeting.barrier.wait()
        given = list(self._meeting.given)
        self._meeting.barrier.wait()
        return given

    def from_leader(self, content: bytes) -> bytes:
        """Return rank 0's."""
        leader: bytes = self._exchange(content)[0]
        return leader

    def gathered(self, content: bytes) -> list[bytes]:
        """Return everybody's."""
        return self._exchange(content)

    def together(self, work: Callable[[], Any]) -> Any:
        """Do the work; raise the first error of all."""
        result, failure = None, None
        try:
            result = work()
        except CharnnError as error:
            failure = error
        for each in self._exchange(failure):
            if each is not None:
                raise each
        return result

    def machine_by_machine(self, work: Callable[[], Any]) -> Any:
        """Do the work on the first rank of each machine first."""
        first = self._machines.index(self._machines[self.rank]) == self.rank

        def told() -> Any:
            self._meeting.log.append(f"{'first' if first else 'then'} {self.rank}")
            return work()

        mine = self.together(told if first else lambda: None)
        others = self.together(lambda: None if first else told())
        return mine if first else others

    def tell(self, say: Callable[[], None]) -> None:
        """Have rank 0 say it."""
        if self.rank == 0:
            say()

    def close(self) -> None:
        """Do nothing."""


def on_ranks(
    work: Callable[[Member], Any],
    size: int = 3,
    launch: str = "",
    machines: tuple[int, ...] = (0, 0, 1),
    kind: type[Member] = Member,
) -> tuple[list[Any], Meeting]:
    """Return what each rank's work has returned, or the CharnnError that it raised."""
    meeting = Meeting(size)
    names = frozenset({launch} if launch else ())

    def outcome(rank: int) -> Any:
        try:
            return work(kind(rank, meeting, names, machines))
        except CharnnError as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(outcome, range(size))), meeting
