"""One run of a search: a run as `charnn train` makes it, whose number of updates fits a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from charnn.config import Config, EngineConfig
from charnn.engines.shards import default_shards, work_of
from charnn.errors import ConfigError, DivergenceError
from charnn.nn.parameters import count
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset
from charnn.training.events import Evaluation
from charnn.training.setup import new_run
from charnn.training.time_budget import pace_of, updates_within
from charnn.training.trainer import Trainer
from charnn.tuning.search import Outcome, Values

FEWEST_UPDATES = 100  # of the start's run on the first rung
FEWEST_FINAL_UPDATES = 1000  # of what is searched for, in the final training
OVERRUN = 2.0  # times its time, a run is given up
MEASURED, PART_MEASURED = 0.5, 1 / 100  # seconds of measurement, and their share of a search's


@dataclass(frozen=True)
class Laboratory:
    """What trials are made on: data, the configuration to start from, and what computes."""

    dataset: Dataset
    start: Config
    compute: EngineConfig | None = None

    def measured(self, seconds: float) -> tuple[float, float]:
        """Return the seconds of the start's update, and of the shortest run that says something.

        They are measured in a small part of the `seconds` of a search.
        """
        began = time.perf_counter()
        config = self.ready(self.start)
        share = min(MEASURED, PART_MEASURED * seconds)
        pace = pace_of(config, self.dataset, self.compute, share)
        taken = time.perf_counter() - began
        return pace.update, FEWEST_UPDATES * pace.update + pace.evaluation + taken

    def allows(self, config: Config, seconds: float, update: float) -> bool:
        """Return whether a configuration fits the data, and can be trained within some seconds.

        `update` is how long the start's update takes; others take as much longer as they have more
        to calculate.
        """
        task = task_of(config)
        if task.adapted(config, self.dataset, ())[0] != config:
            return False
        most = max(seconds / FEWEST_FINAL_UPDATES, update)
        return update * self.work(config) / self.work(self.start) <= most

    def work(self, config: Config) -> float:
        """Return about how many floating-point operations an update is."""
        task = task_of(config)
        symbols = task.source(self.dataset.arrays, config).mean_symbols
        return work_of(config, task.sizes(self.dataset.vocabulary), symbols)

    def ready(self, config: Config) -> Config:
        """Return a configuration with its shards, as a new run would choose them."""
        if config.training.shards is not None:
            return config
        task = task_of(config)
        symbols = task.source(self.dataset.arrays, config).mean_symbols
        sizes = task.sizes(self.dataset.vocabulary)
        return config.replace(shards=default_shards(config, sizes, symbols))

    def train(self, values: Values, seconds: float, over: Callable[[], bool]) -> Outcome | None:
        """Train a configuration for so many seconds; return None where it was `over` before.

        A run that diverges, or that takes twice its time, is a bad result.
        """
        began = time.monotonic()
        config = self.ready(self.start.replace(**values))
        steps = updates_within(config, self.dataset, seconds, self.compute)
        if over():
            return None
        run = new_run(self.dataset, config.replace(steps=steps), write=False, compute=self.compute)
        trainer, failure = run.trainer, None
        most = OVERRUN * seconds + (time.monotonic() - began)
        try:
            for event in run:
                late = time.monotonic() - began > most
                trainer.stop_requested = late or over()
                # What ends a run is not waited for: it would score the test part.
                if isinstance(event, Evaluation) and (ends(trainer) or trainer.stop_requested):
                    break
        except DivergenceError as error:
            failure = str(error)
        finally:
            trainer.engine.close()
        if failure is None and not ends(trainer):
            if over():
                return None
            failure = f"the run took more than {OVERRUN:g} times its time of {seconds:.1f} s"
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
