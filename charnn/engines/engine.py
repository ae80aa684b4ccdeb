"""What an engine is: it holds a run's arrays and computes its updates.

The trainer is given an engine and knows nothing else of how and where an update is computed.
Which engine computes a run is no part of the run's configuration.
"""

from __future__ import annotations

from typing import Protocol

from charnn.arrays import Array, Arrays
from charnn.models.score import Score


class Engine(Protocol):
    """What computes a run's updates. Calls may raise WorkerError where a part of it has ended."""

    def update(self, number: int, rate: float) -> tuple[float, float]:
        """Make update `number`, counted from 0, at a learning rate.

        Returns the loss in nats per symbol and the gradient's norm before clipping by norm. An
        update happens whole or not at all: where one of the two is not finite, nothing has changed.
        """

    def evaluate(self, part: str) -> Score:
        """Return the score on a part of the data: `train`, `val` or `test`.

        Where a moving average of the weights is kept, that is what is evaluated.
        """

    def weights(self) -> dict[str, Array]:
        """Return `parameters/...`, and `average` where one is kept; valid until the next update.

        Every participant of the run has them, so that one of them can ask alone.
        """

    def export(self) -> dict[str, Array]:
        """Return all that updates change, by the checkpoint's names; valid until the next update.

        `parameters/...`, `optimizer/...`, `state/...`, and `average` where one is kept. All
        participants must ask at the same time.
        """

    def load(self, arrays: Arrays) -> None:
        """Continue from what `export` returned once."""

    def not_finite(self) -> str | None:
        """Return what of `export` has a value that is not finite, in words, or None.

        All participants must ask at the same time.
        """

    def any(self, wish: str, flag: bool) -> bool:
        """Return whether any participant of the run has said so; `wish` names what is asked.

        All must ask at the same time. Where there are several, the answer is what they said before
        the last update, with which it travelled.
        """

    def notes(self) -> list[str]:
        """Return what the user should know of how the run is computed, in sentences."""

    def provenance(self) -> dict[str, str]:
        """Return what computes, for a checkpoint to remember."""

    def close(self) -> None:
        """End everything that the engine has started. A second call does nothing."""
