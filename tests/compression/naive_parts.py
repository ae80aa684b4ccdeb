"""The parts of `naive_network`: rounding, tables, products, normalisation and frequencies."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal, getcontext
from functools import cache
from typing import NamedTuple

from charnn.compression.quantized import QuantizedArray

getcontext().prec = 60
STATE, ADDED, LOOKED_UP, BEFORE_NORM = 15, 14, 10, 12  # binary places
TOTAL = 1 << 24
BOUNDS = ((24, range(15, 6, -1)), (53, range(15, 14, -1)))  # of sums, and places of what is summed


class TooLargeError(Exception):
    """A network that cannot be computed exactly."""


def half_even(number: int, places: int) -> int:
    """Return number * 2^-places, rounded, halves to even."""
    if places <= 0:
        return number << -places
    down = number >> places
    twice_rest = (number - (down << places)) * 2
    up = twice_rest > 1 << places or (twice_rest == 1 << places and down % 2 == 1)
    return down + up


def half_up(number: int, places: int) -> int:
    """Return number * 2^-places, rounded, halves up."""
    return (number + (1 << places >> 1)) >> places


def rounded(number: Decimal, places: int) -> int:
    """Return number * 2^places, rounded, halves away from 0."""
    return int((number * (1 << places)).to_integral_value(ROUND_HALF_UP))


@cache
def sigma_entry(k: int) -> int:
    """Return sigma(k / 2^10) in units of 2^-15, below 1."""
    return min(rounded(1 / (1 + (-Decimal(k) / 1024).exp()), 15), (1 << 15) - 1)


@cache
def tanh_entry(k: int) -> int:
    """Return tanh(k / 2^10) in units of 2^-15."""
    e = (-2 * abs(Decimal(k)) / 1024).exp()
    return rounded((1 - e) / (1 + e), 15) * (-1 if k < 0 else 1)


@cache
def exponential_entry(k: int) -> int:
    """Return exp(-k / 2^10) in units of 2^-24."""
    return rounded((-Decimal(k) / 1024).exp(), 24)


def sigma(x: int, places: int = ADDED) -> int:
    """Return sigma of x."""
    return sigma_entry(min(max(half_up(x, places - LOOKED_UP), -16 << 10), 16 << 10))


def tanh(x: int, places: int = ADDED) -> int:
    """Return tanh of x."""
    return tanh_entry(min(max(half_up(x, places - LOOKED_UP), -8 << 10), 8 << 10))


def frequencies(logits: list[int]) -> list[int]:
    """Return frequencies that sum to 2^24, of logits in units of 2^-14."""
    top = max(logits)
    e = [exponential_entry(min(half_up(top - y, 4), 18 << 10)) for y in logits]
    f = [1 + each * (TOTAL - len(logits)) // sum(e) for each in e]
    f[logits.index(top)] += TOTAL - sum(f)
    return f


def normalized(x: list[int], places: int) -> list[int]:
    """Return LN(x) in units of 2^-14."""
    mean = round(float(sum(x)) / len(x))
    d = [each - mean for each in x]
    variance = float(sum(each * each for each in d)) / len(x) + 1e-5 * 4.0**places
    inverse = round(2.0**32 / math.sqrt(variance))
    return [half_even(each * inverse, 18) for each in d]


def largest_normalized(N: int) -> int:
    """Return the largest |x| of N numbers that are normalised."""
    return 1 << ((51 - math.ceil(math.log2(N))) // 2)


class Weights(NamedTuple):
    """A matrix: weight (i, j) is rows[i][j] * 2^-exponents[j]."""

    rows: list[list[int]]
    exponents: list[int]

    @classmethod
    def of(cls, array: QuantizedArray) -> Weights:
        """Take the integers."""
        return cls(array.values.tolist(), array.exponents.tolist())

    def columns(self, begin: int, end: int) -> Weights:
        """Return some columns."""
        return Weights([row[begin:end] for row in self.rows], self.exponents[begin:end])

    def transposed(self) -> Weights:
        """Return the rows as columns, of an embedding, whose exponents are all the same."""
        return Weights(
            [list(row) for row in zip(*self.rows, strict=True)], self.exponents[:1] * len(self.rows)
        )

    def in_places(self, places: int) -> list[list[int]]:
        """Return the weights in units of 2^-places."""
        return [
            [half_even(w, e - places) for w, e in zip(row, self.exponents, strict=True)]
            for row in self.rows
        ]

    def times(self, number: int, x: list[int], places: int) -> list[int]:
        """Return row `number` times x, element by element, in units of 2^-14."""
        return [
            half_even(w * each, places + e - ADDED)
            for w, e, each in zip(self.rows[number], self.exponents, x, strict=True)
        ]


class Product:
    """y = x W with x in units of 2^-15, of which as many places are kept as fit a sum."""

    def __init__(self, W: Weights, largest: int, places: int = ADDED, beside: int = 0) -> None:
        """Raises TooLargeError."""
        self.W, self.places = W, places
        largest = max(largest, 1 << STATE)
        columns = [sum(map(abs, column)) for column in zip(*W.rows, strict=True)]
        for self.bits, choices in BOUNDS:
            for self.kept in choices:
                sums = [column * -(-largest // 2 ** (STATE - self.kept)) for column in columns]
                shifts = [self.kept + e - places for e in W.exponents]
                y = [s >> n if n > 0 else s << -n for s, n in zip(sums, shifts, strict=True)]
                self.largest = max(y) + 1
                if max(sums) < 2**self.bits and self.largest + beside < 2 ** (self.bits - 1):
                    return
        raise TooLargeError

    def __call__(self, x: list[int]) -> list[int]:
        """Return y of x."""
        x = [half_even(each, STATE - self.kept) for each in x]
        return [
            half_even(
                sum(each * row[j] for each, row in zip(x, self.W.rows, strict=True)),
                self.kept + e - self.places,
            )
            for j, e in enumerate(self.W.exponents)
        ]


def embedded(E: Weights, W: Weights, places: int) -> list[list[int]]:
    """Return E W in units of 2^-places."""
    return [
        [
            half_even(
                sum(x * w[j] for x, w in zip(row, W.rows, strict=True)), E.exponents[0] + e - places
            )
            for j, e in enumerate(W.exponents)
        ]
        for row in E.rows
    ]
