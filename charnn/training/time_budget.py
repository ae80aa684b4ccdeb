"""How many updates fit into a time: the speed of a run is measured, and its end is planned by it.

A schedule of the learning rate needs to know its last update beforehand. So a few updates of the
very configuration are made and timed, on weights that are thrown away, and

    updates = share (seconds - evaluations) / seconds of an update

with a reserve, because a machine is seldom as idle throughout as it was for a moment.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass

from charnn.config import Config, EngineConfig
from charnn.errors import ConfigError
from charnn.options import shown
from charnn.tasks.task import Dataset
from charnn.training.setup import prepared

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
PART = r"[0-9]+(?:\.[0-9]+)?[smhd]"
SHARE = 0.93  # of the time is planned; the rest is a reserve
FIRST = 2  # updates that are not timed: memory is touched for the first time
FEWEST, MOST = 3, 200  # updates that are timed
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


def seconds_of(text: str) -> float:
    """Return a time such as `90s`, `5m`, `1.5h` or `1h30m` in seconds. Raises ConfigError."""
    compact = "".join(text.lower().split())
    parts = re.findall(PART, compact)
    if not parts or "".join(parts) != compact:
        raise ConfigError(
            f"time is {shown(text)}; give a number with its unit: 90s, 5m, 1.5h or 1h30m."
        )
    seconds = sum(float(part[:-1]) * UNITS[part[-1]] for part in parts)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"time is {shown(text)}; give more than no time, such as 5m.")
    return seconds


def pace_of(
    config: Config,
    dataset: Dataset,
    compute: EngineConfig | None = None,
    seconds: float = MEASURED,
) -> Pace:
    """Measure the pace of a configuration on some data: some seconds of updates.

    The batches must fit the data, and `shards` must be chosen.
    """
    plan = config.replace(epochs=None, steps=FIRST + MOST, eval_every=NO_EVALUATION)
    run = prepared(plan, dataset, compute=compute)
    try:
        for _ in range(FIRST):
            run.step()
        began = time.perf_counter()
        taken: list[float] = []
        while len(taken) < FEWEST or (len(taken) < MOST and time.perf_counter() - began < seconds):
            start = time.perf_counter()
            run.step()
            taken.append(time.perf_counter() - start)
        evaluation = 0.0
        if dataset.has("val"):
            start = time.perf_counter()
            run.engine.evaluate("val")
            evaluation = time.perf_counter() - start
    finally:
        run.engine.close()
    return Pace(sum(taken) / len(taken), evaluation)


def updates_within(
    config: Config, dataset: Dataset, seconds: float, compute: EngineConfig | None = None
) -> int:
    """Return how many updates of a configuration fit into a time on this machine; at least one.

    The measurement itself is part of the time, and so are the evaluations every `eval_every`
    updates where the data have a validation part.
    """
    began = time.perf_counter()
    pace = pace_of(config, dataset, compute, min(MEASURED, PART_MEASURED * seconds))
    left = seconds - (time.perf_counter() - began)
    return pace.updates(left, config.training.eval_every)
