"""The search itself: what enters each rung, how long it is trained, and what is best.

How a configuration is trained is not its business: it is given a function, `Train`. Neither is how
results are kept: it is given those that are there, and another function for new ones. So a search
that was killed goes on by being made again with the results that it left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from charnn.errors import DivergenceError
from charnn.options import Value
from charnn.tuning.plan import Plan

START = 0  # the number of the configuration that the search starts from
LEAST_SHARE = 0.5  # of a rung's time, without which a run cannot be compared with the others
GRACE = 0.05  # of the search's time, by which the run that is under way may end late
Values: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True)
class Outcome:
    """What became of one run: losses in nats per symbol, None where it diverged (`failure`).

    `loss` is the lowest validation loss, at `best_update` of `steps`, and `accuracy` the one there,
    where the task has it; `seconds` are those of the whole trial, with all that preceded it.
    """

    loss: float | None
    train_loss: float | None
    accuracy: float | None
    steps: int
    best_update: int
    parameters: int
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of configuration `trial` on a rung, of a run of `planned` undisturbed seconds."""

    rung: int
    trial: int
    planned: float
    outcome: Outcome


@dataclass(frozen=True)
class Rung:
    """A rung begins, or goes on: so many configurations, `done` of them already, seconds each."""

    rung: int
    entrants: int
    done: int
    seconds: float


Train: TypeAlias = Callable[[Values, float, Callable[[], bool]], Outcome | None]
# Train(values, seconds, over) trains for so many seconds, and gives up (None) once over() is true.


class Search:
    """Successive halving. `run()` yields rungs and results; `ended` says how it ended."""

    def __init__(
        self,
        plan: Plan,
        candidates: Sequence[Values],
        train: Train,
        results: Sequence[Result] = (),
        record: Callable[[Result], None] | None = None,
        by_accuracy: bool = False,
        clock: Callable[[], float] = time.monotonic,
        began: float | None = None,
    ) -> None:
        """Prepare a search, or the rest of one that has results.

        `began` is when the clock began to count; what results took before counts, too.
        """
        self.plan, self.candidates = plan, candidates
        self.results = list(results)
        self.stop_requested = False
        self.ended: Literal["completed", "interrupted", "time is up"] = "completed"
        self._train, self._record, self._clock = train, record, clock
        self._by_accuracy = by_accuracy
        before = sum(result.outcome.seconds for result in results)
        self._deadline = (clock() if began is None else began) + plan.seconds - before

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._deadline - self._clock()

    @property
    def slowness(self) -> float:
        """How much longer runs take than planned: those of the last rung that has any."""
        last = max((result.rung for result in self.results), default=0)
        recent = [result for result in self.results if result.rung == last]
        if not recent:
            return self.plan.slowness
        planned = sum(result.planned for result in recent)
        return max(1.0, sum(result.outcome.seconds for result in recent) / planned)

    def run(self) -> Iterator[Rung | Result]:
        """Search to the end, until the time is up, or until `stop_requested` is set.

        A run that is under way then leaves no result. Raises DivergenceError where all runs of a
        rung have diverged.
        """
        for rung in range(len(self.plan.sizes)):
            entrants = self.entrants(rung)
            done = {result.trial for result in self.results if result.rung == rung}
            missing = [trial for trial in entrants if trial not in done]
            if not missing:
                continue
            seconds = self._seconds(rung, len(entrants))
            longer = seconds > self._longest(rung - 1)  # or it would say less than that rung
            if longer and not self._over():
                yield Rung(rung, len(entrants), len(entrants) - len(missing), seconds)
            for number, trial in enumerate(missing):
                # Where earlier runs took longer than planned, the others get somewhat less.
                left = max(self.left, 0.0) / self.slowness
                given = min(seconds, left / (len(missing) - number))
                outcome = None
                if longer and given >= LEAST_SHARE * seconds and not self._over():
                    outcome = self._train(self.candidates[trial], given, self._late)
                if outcome is None:
                    self.ended = "interrupted" if self.stop_requested else "time is up"
                    return
                result = Result(rung, trial, given, outcome)
                if self._record is not None:
                    self._record(result)
                self.results.append(result)
                yield result

    def entrants(self, rung: int) -> list[int]:
        """Return the configurations of a rung: the start, then the best of the rung before.

        So what the others are compared with is there even if the time is up before the rung ends.
        Raises DivergenceError where there are none.
        """
        if rung == 0:
            return list(range(len(self.candidates)))[: self.plan.sizes[0]]
        better = [result.trial for result in self.ranked(rung - 1)]
        if not better:
            raise DivergenceError(
                f"all runs of rung {rung} diverged; give a lower --learning-rate, or a file with "
                "one by --config, from which the search starts."
            )
        kept = better[: self.plan.sizes[rung]]
        others = [trial for trial in kept if trial != START]
        return [START, *others] if START in better else others

    def ranked(self, rung: int) -> list[Result]:
        """Return the results of a rung, the best first, without those that diverged."""
        known = [each for each in self.results if each.rung == rung]
        return sorted((each for each in known if each.outcome.failure is None), key=self._order)

    def best(self) -> Result | None:
        """Return the best result of the highest rung that counts; None where there is none.

        A rung counts once two of its configurations can be compared, the start and the best before.
        """
        for rung in reversed(range(len(self.plan.sizes))):
            made = sum(result.rung == rung for result in self.results)
            found = self.ranked(rung)
            if found and made >= min(2, len(self.ranked(rung - 1))):
                return found[0]
        return None

    def at_start(self, rung: int) -> Result | None:
        """Return what the search's start came to on a rung."""
        return next((each for each in self.ranked(rung) if each.trial == START), None)

    def final_steps(self, result: Result) -> int:
        """Return how many updates of a result's configuration the final training may make."""
        target = result.planned if self.plan.target is None else self.plan.target
        return max(1, round(result.outcome.steps * target / result.planned))

    def _order(self, result: Result) -> tuple[float, float, int]:
        outcome = result.outcome
        right = outcome.accuracy if self._by_accuracy and outcome.accuracy is not None else 0.0
        return -right, float("inf") if outcome.loss is None else outcome.loss, result.trial

    def _seconds(self, rung: int, entrants: int) -> float:
        """Return how long a rung's runs may take: as long as those that have been made."""
        longest = self._longest(rung)
        return longest or self.plan.trial_seconds(rung, entrants, self.left / self.slowness)

    def _longest(self, rung: int) -> float:
        """Return how long the longest run of a rung was to take; 0 if there is none."""
        return max((each.planned for each in self.results if each.rung == rung), default=0.0)

    def _over(self) -> bool:
        return self.stop_requested or self.left <= 0

    def _late(self) -> bool:
        """Return whether a run that is under way is to end."""
        return self.stop_requested or self.left <= -GRACE * self.plan.seconds
