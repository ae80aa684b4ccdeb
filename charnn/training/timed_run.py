"""Runs that fit a time: how long each part of a run takes, and how many updates go into the time.

    start  +  updates  +  an evaluation, with its sample and save, every so often  +  end

Each part is measured on the configuration itself, but for the options that follow from the number
of updates, with weights that are thrown away, before the first update. The number of updates is
then fixed, as if it had been asked for: so the schedule of the learning rate ends with the run, and
a run that is resumed is still exact. Where the machine is slower later on, the run takes longer.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from charnn.config import Config, EngineConfig
from charnn.config.times import seconds_of
from charnn.engines.choice import chosen
from charnn.engines.team import ALONE, Team
from charnn.errors import ConfigError
from charnn.options import Value, shown
from charnn.tasks.task import Dataset
from charnn.training.checkpoint import BEST, LAST, save_checkpoint
from charnn.training.prepared import prepared
from charnn.training.time_budget import MOST, NO_EVALUATION, PART_MEASURED, SHARE, update_seconds
from charnn.training.together import agreed
from charnn.training.trainer import Trainer

LONGEST_MEASURED = 3.0  # seconds of measurement of updates at the most
BOTH_ENDS = 0.3  # seconds for what cannot be measured: the interpreter begins and ends
CALM = 1e-9  # a learning rate with which no run diverges
ENDLESS = 1 << 62  # updates


@dataclass(frozen=True)
class Cost:
    """How long the parts of a run take, in seconds.

    While a curriculum grows, for `growth` updates, one takes `early` seconds on average. A save
    comes with each evaluation, and between them after `save_every` seconds.
    """

    update: float
    evaluation: float = 0.0
    save: float = 0.0
    start: float = 0.0
    end: float = 0.0
    early: float = 0.0
    growth: int = 0
    save_every: float = math.inf

    def total(self, updates: int, eval_every: int) -> float:
        """Return how long a run of some updates takes."""
        early = min(updates, self.growth)
        learning = early * self.early + (updates - early) * self.update
        evaluations = -(-updates // eval_every)
        saves = float(evaluations)
        if eval_every * self.update > self.save_every:
            saves += learning / self.save_every
        return self.start + learning + evaluations * self.evaluation + saves * self.save + self.end

    def updates(self, seconds: float, eval_every: int) -> int:
        """Return the most updates that take no longer than some seconds; 0 if not even one does."""
        low, high = 0, 1
        while high < ENDLESS and self.total(high, eval_every) <= seconds:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            if self.total(middle, eval_every) <= seconds:
                low = middle
            else:
                high = middle
        return low


def fitted_to_time(
    config: Config,
    dataset: Dataset,
    began: float,
    *,
    saves: bool = True,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
) -> tuple[Config, list[str]]:
    """Return a configuration with `steps` in place of `time`, and a note that says so.

    One without a time is returned as it is. The time `began` at a value of `time.perf_counter`; the
    batches must fit the data, and `shards` must be chosen. All ranks of a team must call this, and
    rank 0 decides. Raises ConfigError where not even one update fits into the time.
    """
    if config.training.time is None:
        return config, []
    asked = config.training.time
    seconds = seconds_of(asked)
    part = min(LONGEST_MEASURED, PART_MEASURED * seconds)
    cost = cost_of(config, dataset, part, saves=saves, compute=compute, team=team)

    def decided() -> Config:
        if team.rank:
            return config
        every = config.training.eval_every
        gone = time.perf_counter() - began + BOTH_ENDS
        updates = cost.updates(SHARE * (seconds - gone), every)
        if updates == 0:
            least = math.ceil(gone + cost.total(1, every) / SHARE)
            raise ConfigError(
                f"time is {shown(asked)}, but the start of this run, one update and the evaluation "
                f"after it take about {least:,} s; give more time."
            )
        return config.replace(time=None, steps=updates)

    config = agreed(team, team.together(decided))
    note = (
        f"steps is {config.training.steps:,}, from --time {asked}: {brief(cost.update)} an update."
    )
    return config, [note]


def cost_of(
    config: Config,
    dataset: Dataset,
    seconds: float,
    *,
    saves: bool = True,
    compute: EngineConfig | None = None,
    team: Team = ALONE,
) -> Cost:
    """Measure what a run of a configuration on some data costs, with some seconds of updates."""
    growth = config.training.curriculum or 0
    middle = growth + 2 * MOST  # of the run: there a share of the inputs may be the model's own
    length: dict[str, Value] = {"epochs": None, "time": None, "steps": 2 * middle}
    plan = config.replace(**length, eval_every=NO_EVALUATION, learning_rate=CALM)
    if chosen(compute or EngineConfig()) == "torch":
        # Once, for nothing: what a process does only the first time takes seconds.
        started(plan, dataset, compute, team)[0].engine.close()
    run, start = started(plan, dataset, compute, team)
    try:
        early = 0.0
        if growth:
            run.progress.update = growth // 2
            early = update_seconds(run, seconds / 2, team)
        run.progress.update = middle
        update = update_seconds(run, seconds / 2 if growth else seconds, team)
        evaluation = evaluation_seconds(run, seconds, team)
        save = save_seconds(run, leads=team.rank == 0) if saves else 0.0
        end = 0.0
        if dataset.has("test"):
            model = run.model
            end = timed(lambda: run.task.evaluate(model, dataset.arrays, "test"))
    finally:
        run.engine.close()
    every = config.training.save_every
    return Cost(update, evaluation, save, start, end, early, growth, every)


def started(
    plan: Config, dataset: Dataset, compute: EngineConfig | None, team: Team
) -> tuple[Trainer, float]:
    """Start a run, and return it with the seconds until it has made its first updates.

    They are slower than others, because they touch memory for the first time.
    """
    began = time.perf_counter()
    run = prepared(plan, dataset, compute=compute, team=team)
    try:
        update_seconds(run, 0.0, team)
    except BaseException:
        run.engine.close()
        raise
    return run, time.perf_counter() - began


def evaluation_seconds(run: Trainer, seconds: float, team: Team) -> float:
    """Return how long an evaluation takes, with the sample that is shown after it.

    One that takes less than some seconds is made twice, and the second counts.
    """

    def evaluate() -> None:
        if run.corpus.has("val"):
            run.engine.evaluate("val")
        run.task.illustration(run.model, run.corpus, run.config)

    first = timed(evaluate)
    again = team.from_leader(b"again" if first < seconds else b"")
    return timed(evaluate) if again else first


def save_seconds(run: Trainer, leads: bool) -> float:
    """Return how long it takes to save a run and its best model, which one rank does."""

    def save() -> None:
        checkpoint = run.checkpoint()
        if leads:
            with tempfile.TemporaryDirectory(prefix="charnn-") as folder, suppress(OSError):
                save_checkpoint(Path(folder) / BEST, checkpoint.best_only())
                save_checkpoint(Path(folder) / LAST, checkpoint)

    return timed(save)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def brief(seconds: float) -> str:
    """Return a short time for people to read: `4.1 ms`, `1.2 s`."""
    milliseconds = 1000 * seconds
    return f"{seconds:.1f} s" if seconds >= 1 else f"{milliseconds:.{milliseconds < 10:d}f} ms"
