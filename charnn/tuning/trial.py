"""One run of a search: a run as `charnn train` makes it, whose number of updates fits a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from charnn.config import Config, EngineConfig
from charnn.engines.choice import chosen
from charnn.engines.shards import default_shards, work_of
from charnn.errors import ConfigError, DivergenceError
from charnn.nn.parameters import count
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.training.events import Evaluation
from charnn.training.setup import new_run, prepared
from charnn.training.time_budget import Pace
from charnn.training.trainer import Trainer
from charnn.tuning.search import Outcome, Values
from charnn.tuning.space import SEARCHED

FEWEST_UPDATES = 100  # of the start's run on the first rung
FEWEST_FINAL_UPDATES = 1000  # of what is searched for, in the final training
FIRST = 2  # updates that are not timed: memory is touched for the first time
FEWEST, MOST = 5, 100  # updates that are timed
MEASURED, PART_MEASURED = 0.5, 1 / 40  # seconds of measurement, and their share of a run's
NO_EVALUATION = 1 << 40  # updates
FINE_CLOCK = 1e-4  # seconds

Shape: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Measured:
    """What was measured of the start before a search: its pace in seconds while nothing disturbs.

    `slowness` is by how much it was disturbed, `least` the shortest run that says something.
    """

    pace: Pace
    slowness: float
    least: float


@dataclass(frozen=True)
class Laboratory:
    """What trials are made on: data, the configuration to start from, and what computes.

    `pace` is the start's. `quickest` remembers the updates of each shape, so that configurations of
    one shape make equally many.
    """

    dataset: Dataset
    start: Config
    pace: Pace
    compute: EngineConfig | None = None
    quickest: dict[Shape, float] = field(default_factory=dict)

    def allows(self, config: Config, seconds: float) -> bool:
        """Return whether a configuration fits the data, and can be trained within some seconds.

        An update is taken to last as much longer than the start's as there is more to calculate.
        """
        task = task_of(config)
        if task.adapted(config, self.dataset, ())[0] != config:
            return False
        most = max(seconds / FEWEST_FINAL_UPDATES, self.pace.update)
        return self.pace.update * self.work(config) / self.work(self.start) <= most

    def work(self, config: Config) -> float:
        """Return about how many floating-point operations an update is."""
        task = task_of(config)
        symbols = task.source(self.dataset.arrays, config).mean_symbols
        return work_of(config, task.sizes(self.dataset.vocabulary), symbols)

    def updates(self, config: Config, seconds: float) -> int:
        """Return how many updates of a configuration, with evaluations, take so many seconds."""
        measured = min(MEASURED, PART_MEASURED * seconds)
        pace, _ = timed(config, self.dataset, measured, self.compute)
        known = self.quickest or {shape(self.start): self.pace.update}
        update = min(pace.update, known.get(shape(config), pace.update))
        self.quickest.update(known | {shape(config): update})
        symbols = [
            task_of(each).source(self.dataset.arrays, each).mean_symbols
            for each in (self.start, config)
        ]
        longer = update / self.pace.update * symbols[0] / symbols[1]  # for a symbol
        pace = Pace(update, self.pace.evaluation * longer)
        return pace.updates(seconds, config.training.eval_every)

    def ready(self, config: Config) -> Config:
        """Return a configuration with its shards: see `ready`."""
        return ready(config, self.dataset)

    def train(self, values: Values, seconds: float, over: Callable[[], bool]) -> Outcome | None:
        """Train a configuration for so many seconds; return None where it was `over` before.

        The time is that of a machine that does nothing else. A run that diverges is a bad result.
        """
        began = time.monotonic()
        config = self.ready(self.start.replace(**values))
        steps = self.updates(config, seconds)
        if over():
            return None
        config = config.replace(steps=steps)
        run = new_run(self.dataset, config, fixed=SEARCHED, write=False, compute=self.compute)
        trainer, failure = run.trainer, None
        try:
            for event in run:
                trainer.stop_requested = over()
                # What ends a run is not waited for: it would score the test part.
                if isinstance(event, Evaluation) and (ends(trainer) or trainer.stop_requested):
                    break
        except DivergenceError as error:
            failure = str(error)
        finally:
            trainer.engine.close()
        if failure is None and not ends(trainer):
            return None
        progress = trainer.progress
        return Outcome(
            loss=None if failure else progress.best_loss,
            train_loss=None if failure else progress.smoothed_loss,
            accuracy=None if failure else progress.best_accuracy,
            steps=steps,
            best_update=progress.best_update,
            parameters=count(trainer.best.parameters.shapes),
            seconds=time.monotonic() - began,
            failure=failure,
        )


def shape(config: Config) -> Shape:
    """Return what of the options that are searched an update's time depends on, or nearly so."""
    return config.model.hidden_size, config.model.num_layers, config.training.seq_length


def ready(config: Config, dataset: Dataset) -> Config:
    """Return a configuration with its shards, as a new run would choose them."""
    if config.training.shards is not None:
        return config
    task = task_of(config)
    symbols = task.source(dataset.arrays, config).mean_symbols
    return config.replace(shards=default_shards(config, task.sizes(dataset.vocabulary), symbols))


def suited(
    start: Config, dataset: Dataset, updates: int, asked: Collection[str]
) -> tuple[Config, list[str]]:
    """Return a start with the defaults that suit a training of some updates, and notes of them."""
    config, notes = task_of(start).suited(start.replace(steps=updates), dataset, asked)
    return config.replace(steps=None), notes


def measured(
    start: Config, dataset: Dataset, seconds: float, compute: EngineConfig | None = None
) -> Measured:
    """Measure the start's pace in a small part of the `seconds` of a search."""
    began = time.perf_counter()
    share = min(MEASURED, PART_MEASURED * seconds / 4)
    pace, slowness = timed(ready(start, dataset), dataset, share, compute, evaluates=True)
    whole = (time.perf_counter() - began) / slowness
    return Measured(pace, slowness, FEWEST_UPDATES * pace.update + pace.evaluation + whole)


def timed(
    config: Config,
    dataset: Dataset,
    seconds: float,
    compute: EngineConfig | None,
    evaluates: bool = False,
) -> tuple[Pace, float]:
    """Return a configuration's pace, and how much longer things take for what else is going on.

    Updates are made for so many seconds. What tells configurations apart is the processor's time:
    none of them is to get fewer updates because it was measured at a moment when others computed.
    """
    clock = clock_of(compute)
    run = prepared(
        config.replace(epochs=None, steps=FIRST + MOST, eval_every=NO_EVALUATION),
        dataset,
        compute=compute,
    )
    taken: list[float] = []
    evaluation = 0.0
    began, start = time.perf_counter(), clock()
    try:
        for _ in range(FIRST):
            run.step()
        began, start = time.perf_counter(), clock()
        while len(taken) < FEWEST or (len(taken) < MOST and time.perf_counter() - began < seconds):
            before = clock()
            run.step()
            taken.append(clock() - before)
        if evaluates:
            before = clock()
            run.engine.evaluate("val")
            evaluation = clock() - before
    except FloatingPointError:  # it diverges at once, which its run will tell
        taken = taken or [clock() - start]
    finally:
        run.engine.close()
    slowness = (time.perf_counter() - began) / max(clock() - start, 1e-9)
    return Pace(max(min(taken), 1e-9), evaluation), max(1.0, slowness)


def clock_of(compute: EngineConfig | None) -> Callable[[], float]:
    """Return the clock for an engine: this process's share of the processor, where it says enough.

    Shards are all alike, so one of them stands for all. PyTorch has threads, or a GPU.
    """
    fine = time.get_clock_info("process_time").resolution <= FINE_CLOCK
    if fine and chosen(compute or EngineConfig()) == "shards":
        return time.process_time
    return time.perf_counter


def ends(trainer: Trainer) -> bool:
    """Return whether a run has made its updates, or runs out of patience."""
    patience = trainer.config.training.early_stopping
    out = patience is not None and trainer.progress.stale >= patience
    return trainer.progress.update >= trainer.total or out


def beginning(config: Config, dataset: Dataset) -> tuple[Config, list[str]]:
    """Return the configuration that a search starts from, fitted to the data, and notes.

    Raises ConfigError where there is no validation part to choose by.
    """
    if not dataset.has("val"):
        raise ConfigError(
            f"val_fraction is {config.data.val_fraction:g}, which leaves no validation part to "
            "choose by; raise --val-fraction, or give more text."
        )
    # The length of runs is what the search decides, also where a file for --config says it.
    return task_of(config).adapted(config.replace(epochs=None, steps=None), dataset, ())
