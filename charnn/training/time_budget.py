"""How many updates fit into a time: the speed of a run is measured, and its end is planned by it.

A schedule of the learning rate needs to know its last update beforehand. So a few updates of the
very configuration are made and timed, on weights that are thrown away, and

    updates = share (seconds - evaluations) / seconds of an update

with a reserve, because a machine is seldom as idle throughout as it was for a moment.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass

from charnn.config import Config, EngineConfig
from charnn.engines.team import ALONE, Team
from charnn.tasks.task import Dataset
from charnn.training.prepared import prepared
from charnn.training.trainer import Trainer

SHARE = 0.93  # of the time is planned; the rest is a reserve
FIRST = 2  # updates that are not timed: memory is touched for the first time
FEWEST, MOST = 3, 10_000  # updates that are timed
MEASURED = 0.5  # seconds of measurement at the most, unless the fewest updates take longer
PART_MEASURED = 1 / 40  # of the time, unless that is more than `MEASURED`
NO_EVALUATION = 1 << 40  # updates


@dataclass(frozen=True)
class Pace:
    """How long an update and an evaluation take, in seconds."""

    update: float
    evaluation: float = 0.0

    def updates(self, seconds: float, eval_every: int) -> int:
        """Return how many updates, with their evaluations, fit into a time; at least one."""
        each = self.update + self.evaluation / eval_every
        return max(1, math.floor((SHARE * seconds - self.evaluation) / each))


def pace_of(
    config: Config,
    dataset: Dataset,
    compute: EngineConfig | None = None,
    seconds: float = MEASURED,
) -> Pace:
    """Measure the pace of a configuration on some data: some seconds of updates.

    The batches must fit the data, and `shards` must be chosen.
    """
    plan = config.replace(epochs=None, time=None, steps=FIRST + MOST, eval_every=NO_EVALUATION)
    run = prepared(plan, dataset, compute=compute)
    try:
        for _ in range(FIRST):
            run.step()
        update = update_seconds(run, seconds)
        evaluation = 0.0
        if dataset.has("val"):
            start = time.perf_counter()
            run.engine.evaluate("val")
            evaluation = time.perf_counter() - start
    finally:
        run.engine.close()
    return Pace(update, evaluation)


def update_seconds(run: Trainer, seconds: float, team: Team = ALONE) -> float:
    """Make a run's updates for some seconds, but at least a few, and return those of one.

    A batch of average weight is meant. All ranks of a team make as many, and rank 0's answer is for
    all of them.
    """
    first = run.progress.update
    began = time.perf_counter()
    make(run, FEWEST)
    each = (time.perf_counter() - began) / FEWEST
    more = min(MOST - FEWEST, int(max(0.0, seconds / each - FEWEST)))
    make(run, int(team.from_leader(b"%d" % more)))
    taken = time.perf_counter() - began
    made = range(first, run.progress.update)
    weight = sum(run.source.weight(update) for update in made)
    return taken * run.source.mean_weight / weight


def make(run: Trainer, updates: int) -> None:
    """Make some updates, be their losses finite or not: only their time matters."""
    for number in range(run.progress.update, run.progress.update + updates):
        with suppress(FloatingPointError):
            run.step()
        run.progress.update = number + 1
