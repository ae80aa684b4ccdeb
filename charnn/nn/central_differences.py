"""Analytic gradients against central differences.

    numeric = (f(x + epsilon) - f(x - epsilon)) / (2 epsilon)
    error   = |analytic - numeric| / max(|analytic| + |numeric|, floor)

The functions must be computed in float64. The floor keeps coordinates whose gradient is all but
zero from turning the difference's rounding, about 1e-16 |f| / epsilon, into a large relative error.

A difference is itself off by about f''' epsilon^2 / 6, which is not little where f curves sharply,
as it does when few units are normalised. So where the two disagree, half the step decides, by
Richardson's extrapolation (1911), whose own error falls with epsilon^4:

    numeric = (4 numeric(epsilon / 2) - numeric(epsilon)) / 3
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays

EPSILON = 1e-5
FLOOR = 1e-4
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Comparison:
    """The coordinate (or direction) of one array on which the two gradients differ most."""

    name: str
    size: int
    error: float
    where: str
    analytic: float
    numeric: float


def relative_error(analytic: float, numeric: float) -> float:
    """Return `|a - n| / max(|a| + |n|, floor)`; infinite where either is not a number."""
    analytic, numeric = float(analytic), float(numeric)
    error = abs(analytic - numeric) / max(abs(analytic) + abs(numeric), FLOOR)
    return error if math.isfinite(error) else math.inf


def compared(analytic: float, difference: Callable[[float], float]) -> tuple[float, float]:
    """Return the numeric derivative and its relative error; `difference` is given the step."""
    numeric = difference(EPSILON)
    error = relative_error(analytic, numeric)
    if error > TOLERANCE:
        numeric = (4 * difference(EPSILON / 2) - numeric) / 3
        error = relative_error(analytic, numeric)
    return numeric, error


def check_coordinates(
    function: Callable[[], float], name: str, x: Array, analytic: Array
) -> Comparison:
    """Compare every coordinate of `analytic` with differences of `function`, which reads x."""
    worst = Comparison(name, x.size, -1.0, "", 0.0, 0.0)
    for index in np.ndindex(x.shape):
        at = x[index]

        def difference(step: float, index: tuple[int, ...] = index, at: Any = at) -> float:
            x[index] = at + step
            above = function()
            x[index] = at - step
            below = function()
            x[index] = at
            return (above - below) / (2 * step)

        numeric, error = compared(float(analytic[index]), difference)
        if error > worst.error:
            worst = Comparison(name, x.size, error, str(index), float(analytic[index]), numeric)
    return worst


def check_direction(
    function: Callable[[], float],
    name: str,
    x: Array,
    analytic: Array,
    random: np.random.Generator,
    directions: int = 3,
) -> Comparison:
    """Compare the gradient along a few random unit directions: two evaluations each, or four."""
    worst = Comparison(name, x.size, -1.0, "", 0.0, 0.0)
    at = x.copy()
    for number in range(directions):
        direction = random.standard_normal(x.shape)
        direction /= np.linalg.norm(direction)

        def difference(step: float, direction: Array = direction) -> float:
            np.add(at, step * direction, out=x)
            above = function()
            np.subtract(at, step * direction, out=x)
            below = function()
            x[...] = at
            return (above - below) / (2 * step)

        along = float((analytic * direction).sum())
        numeric, error = compared(along, difference)
        if error > worst.error:
            worst = Comparison(name, x.size, error, f"direction {number + 1}", along, numeric)
    return worst


def check_gradients(
    function: Callable[[], float],
    arrays: Arrays,
    analytic: Arrays,
    directions: np.random.Generator | None = None,
) -> list[Comparison]:
    """Check each named array that `function` reads: every coordinate, or random directions."""
    return [
        check_coordinates(function, name, x, analytic[name])
        if directions is None
        else check_direction(function, name, x, analytic[name], directions)
        for name, x in arrays.items()
    ]
