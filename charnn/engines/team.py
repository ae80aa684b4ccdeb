"""Who computes a run together: one process, or the ranks that `torchrun` has started.

The ranks of a team run the same program in lock step. Rank 0 is the leader: it alone writes files
and reports, and what it says counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Team(Protocol):
    """The participants of a run. All of them must call the same methods in the same order."""

    @property
    def rank(self) -> int:
        """This process's number, from 0."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def lost(self) -> bool:
        """Whether contact to another rank has been lost."""

    @property
    def launch(self) -> frozenset[str]:
        """Names of this launch, with all its restarts; none where nothing restarts it.

        Two starts that have a name in common belong to one launch.
        """

    def from_leader(self, content: bytes) -> bytes:
        """Return the leader's content."""

    def gathered(self, content: bytes) -> list[bytes]:
        """Return what each rank gave, in their order."""

    def together(self, work: Callable[[], Result]) -> Result:
        """Do some work of this rank, however long it takes, and return its result.

        Where it fails with a CharnnError for one of the ranks, it fails for all, with the sentence
        of the first of them.
        """

    def machine_by_machine(self, work: Callable[[], Result]) -> Result:
        """Do some work on one rank of each machine first, and then on its other ranks."""

    def add_up(self, tensor: Any) -> None:
        """Replace a tensor by the sum of all ranks'."""

    def broadcast(self, tensor: Any) -> None:
        """Replace a tensor by the leader's."""

    def columns_together(self, tensor: Any, total: int) -> Any:
        """Return the columns of all ranks one below the other: (B_rank, ...) -> (total, ...)."""

    def tell(self, say: Callable[[], None]) -> None:
        """Have one rank alone tell the user what has ended the run, and wait until it has."""

    def close(self) -> None:
        """Leave the team."""


class Alone:
    """One process: nothing to agree on."""

    rank, size, lost = 0, 1, False
    launch: frozenset[str] = frozenset()

    def from_leader(self, content: bytes) -> bytes:
        """Return the content."""
        return content

    def gathered(self, content: bytes) -> list[bytes]:
        """Return the content alone."""
        return [content]

    def together(self, work: Callable[[], Result]) -> Result:
        """Do the work."""
        return work()

    def machine_by_machine(self, work: Callable[[], Result]) -> Result:
        """Do the work."""
        return work()

    def add_up(self, tensor: Any) -> None:
        """Leave a tensor as it is."""

    def broadcast(self, tensor: Any) -> None:
        """Leave a tensor as it is."""

    def columns_together(self, tensor: Any, total: int) -> Any:
        """Return a tensor as it is."""
        return tensor

    def tell(self, say: Callable[[], None]) -> None:
        """Tell it."""
        say()

    def close(self) -> None:
        """Do nothing."""


ALONE = Alone()
