"""Invented trials for the tests of a search: no network is trained, and no time passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from charnn.tuning.plan import Plan
from charnn.tuning.search import Outcome, Result, Search, Values

PLAN = Plan(100.0, None, (8, 4, 2))
CANDIDATES: list[dict[str, float]] = [{"learning_rate": 0.01 * (n + 1)} for n in range(8)]


class Clock:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def outcome(loss: float | None, seconds: float = 1.0, accuracy: float | None = None) -> Outcome:
    """Return the outcome of a run, diverged where there is no loss."""
    failure = "it diverged." if loss is None else None
    return Outcome(loss, loss, accuracy, int(100 * seconds) + 1, 7, 11, seconds, failure)


class Invented:
    """Trains in no time: configuration n has the loss `losses[n]`, and takes what it is given."""

    def __init__(self, losses: Sequence[float | None], clock: Clock, slow: float = 1.0) -> None:
        self.losses, self.clock, self.slow = losses, clock, slow
        self.made: list[tuple[int, float]] = []

    def __call__(self, values: Values, seconds: float, over: Callable[[], bool]) -> Outcome | None:
        """Train a configuration, unless the time is up before it ends."""
        number = CANDIDATES.index(dict(values))  # type: ignore[arg-type]
        self.clock.now += seconds * self.slow
        if over():
            return None
        self.made.append((number, seconds))
        return outcome(self.losses[number], seconds * self.slow)


def invented(
    losses: Sequence[float | None],
    plan: Plan = PLAN,
    results: Sequence[Result] = (),
    slow: float = 1.0,
    **more: object,
) -> tuple[Search, Invented]:
    """Return a search of invented runs, and what trains them."""
    clock = Clock()
    train = Invented(losses, clock, slow)
    return Search(plan, CANDIDATES, train, results, clock=clock, **more), train  # type: ignore[arg-type]


def rungs(train: Invented) -> list[list[int]]:
    """Return the configurations that were trained, those of the same time together."""
    times = sorted({seconds for _, seconds in train.made})
    return [[number for number, each in train.made if each == seconds] for seconds in times]
