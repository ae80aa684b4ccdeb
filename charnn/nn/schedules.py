"""Courses of the learning rate, as factors of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias


class Course(Protocol):
    """The constants of the schedules; a configuration's training section has them."""

    @property
    def learning_rate(self) -> float:
        """The learning rate after warm-up."""

    @property
    def warmup_steps(self) -> int:
        """Updates of linear warm-up."""

    @property
    def lr_floor(self) -> float:
        """The lowest factor."""

    @property
    def lr_decay(self) -> float:
        """The factor of each reduction."""

    @property
    def lr_decay_every(self) -> int:
        """Updates between the reductions of `step_decay`."""


Schedule: TypeAlias = Callable[[Course, int, int, int], float]


def learning_rate(
    schedule: Schedule, course: Course, update: int, total: int, reductions: int
) -> float:
    """Return the learning rate of an update (from 0) out of `total`.

    Linear warm-up first; `reductions` counts those that the plateau schedule has made so far.
    """
    warmup = min(course.warmup_steps, total - 1)
    if update < warmup:
        return course.learning_rate * (update + 1) / (warmup + 1)
    return course.learning_rate * schedule(course, update - warmup, total - warmup, reductions)


def constant(course: Course, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Always 1."""
    return 1.0


def step_decay(course: Course, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Multiply by `lr_decay` every `lr_decay_every` updates, down to `lr_floor`."""
    return max(course.lr_floor, course.lr_decay ** (update // course.lr_decay_every))


def cosine(course: Course, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Fall from 1 to `lr_floor` along half a cosine (Loshchilov and Hutter, 2017)."""
    share = (1 + math.cos(math.pi * update / total)) / 2
    return course.lr_floor + (1 - course.lr_floor) * share


def plateau(course: Course, update: int, total: int, reductions: int) -> float:  # noqa: ARG001
    """Multiply by `lr_decay` whenever evaluations have stopped improving, down to `lr_floor`."""
    return max(course.lr_floor, course.lr_decay**reductions)
