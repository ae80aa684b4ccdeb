"""Tables of sigma, tanh and exp, made with integers alone, so that every machine makes the same.

A state or a gate is an integer in units of 2^-15, what a function is looked up by in units of
2^-10:

    SIGMA[k]       = min(round(2^15 sigma(x)), 2^15 - 1)    for x = (k - 16 * 2^10) / 2^10
    TANH[k]        = round(2^15 tanh(x))                    for x = (k - 8 * 2^10) / 2^10
    EXPONENTIAL[k] = round(2^24 exp(-x))                    for x = k / 2^10

Outside a table its nearest entry counts. A gate of less than 1 keeps a cell state bounded: where
f <= 1 - 2^-15, |f c + i g| <= 2^15 follows from |c| <= 2^15, in units of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from charnn.arrays import Array

UNIT = 15  # binary places of states and gates
LOOKUP = 10  # binary places of what is looked up
MASS = 24  # binary places of exponentials
PRECISION = 160  # binary places that the tables are made with; an error is below 2^-130


@dataclass(frozen=True)
class Table:
    """A function's values (N,), integers in float64; `centre` is the place of that of 0."""

    values: Array
    centre: int

    def __call__(self, x: Array, places: int) -> Array:
        """Return the function's values of x, integers of some binary places, rounded half up."""
        at = x * 2.0 ** (LOOKUP - places)
        at += self.centre + 0.5
        np.maximum(at, 0, out=at)  # before it is cast: what is out of range has no integer
        np.minimum(at, len(self.values) - 1, out=at)
        found: Array = self.values.take(at.astype(np.intp), mode="clip")  # the fastest
        return found


def powers_of_e(step: int, count: int) -> list[int]:
    """Return 2^160 exp(-k step / 2^10) for k = 0 ... count, rounded down."""
    x = (step << PRECISION) >> LOOKUP
    factor, term, n = 0, 1 << PRECISION, 0
    while term:  # the series of exp(-x)
        factor += -term if n % 2 else term
        n += 1
        term = (term * x >> PRECISION) // n
    powers = [1 << PRECISION]
    for _ in range(count):
        powers.append(powers[-1] * factor >> PRECISION)
    return powers


def quotient(numerator: int, denominator: int) -> int:
    """Return a quotient, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


@cache
def sigma() -> Table:
    """Return sigma from -16 to 16."""
    one = 1 << PRECISION
    right = [quotient(one << UNIT, one + e) for e in powers_of_e(1, 16 << LOOKUP)]
    left = [(1 << UNIT) - value for value in right[:0:-1]]
    return table([min(value, (1 << UNIT) - 1) for value in left + right], len(left))


@cache
def tanh() -> Table:
    """Return tanh from -8 to 8."""
    one = 1 << PRECISION
    right = [quotient((one - e) << UNIT, one + e) for e in powers_of_e(2, 8 << LOOKUP)]
    return table([-value for value in right[:0:-1]] + right, len(right) - 1)


@cache
def exponential() -> Table:
    """Return exp(-x) from x = 0 to where it is less than 2^-25."""
    powers = powers_of_e(1, 18 << LOOKUP)
    return table([quotient(e << MASS, 1 << PRECISION) for e in powers], 0)


def table(values: list[int], centre: int) -> Table:
    """Return a table of integers."""
    array = np.array(values, np.float64)
    array.setflags(write=False)
    return Table(array, centre)
