"""Courses of the learning rate, as factors of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from charnn.config import TrainingConfig
from charnn.registry import SCHEDULES

Schedule: TypeAlias = Callable[[TrainingConfig, int, int, int], float]


def learning_rate(config: TrainingConfig, update: int, total: int, reductions: int) -> float:
    """Return the learning rate of an update (from 0) out of `total`.

    Linear warm-up first; `reductions` counts those that the plateau schedule has made so far.
    """
    warmup = min(config.warmup_steps, total - 1)
    if update < warmup:
        return config.learning_rate * (update + 1) / (warmup + 1)
    factor = SCHEDULES[config.lr_schedule](config, update - warmup, total - warmup, reductions)
    return config.learning_rate * factor


def constant(config: TrainingConfig, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Always 1."""
    return 1.0


def step_decay(config: TrainingConfig, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Multiply by `lr_decay` every `lr_decay_every` updates, down to `lr_floor`."""
    return max(config.lr_floor, config.lr_decay ** (update // config.lr_decay_every))


def cosine(config: TrainingConfig, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Fall from 1 to `lr_floor` along half a cosine (Loshchilov and Hutter, 2017)."""
    course = (1 + math.cos(math.pi * update / total)) / 2
    return config.lr_floor + (1 - config.lr_floor) * course


def plateau(config: TrainingConfig, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Multiply by `lr_decay` whenever evaluations have stopped improving, down to `lr_floor`."""
    return max(config.lr_floor, config.lr_decay**reductions)
