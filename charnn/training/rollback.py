"""Going back: a run whose loss does not stay finite returns to its last good state."""

from __future__ import annotations

from charnn.arrays import Array, Arrays
from charnn.engines.engine import Engine
from charnn.errors import DivergenceError
from charnn.training.events import RolledBack
from charnn.training.progress import Progress

FACTOR = 0.5  # of the learning rate, at each return to the last good state


class GoodState:
    """The last state that was good."""

    def __init__(self, engine: Engine, progress: Progress) -> None:
        """Begin with the state of now."""
        self._engine = engine
        self.keep(progress)

    def keep(self, progress: Progress) -> None:
        """Take the state of now as good."""
        self._progress = progress.copy()
        self._arrays: dict[str, Array] = copies(self._engine.export())

    def return_from(
        self, failed: Progress, reason: str, limit: int, advice: str
    ) -> tuple[Progress, RolledBack]:
        """Put the engine back; return the progress to continue from, and the event.

        Raises DivergenceError, with `advice`, after `limit` returns.
        """
        rollbacks = failed.rollbacks + 1
        if rollbacks > limit:
            raise DivergenceError(
                f"training diverged at update {failed.update:,} ({reason}) and again after "
                f"{limit} returns to the last good state; {advice}"
            )
        self._engine.load(self._arrays)
        progress = self._progress.copy()
        progress.rollbacks = rollbacks
        return progress, RolledBack(failed.update, progress.update, reason, FACTOR**rollbacks)


def copies(arrays: Arrays) -> dict[str, Array]:
    """Return copies of named arrays."""
    return {name: array.copy() for name, array in arrays.items()}
