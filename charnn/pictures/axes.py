"""Axes: where a number stands in a picture, and which numbers are written beside it.

Ticks of a linear axis are multiples of 1, 2 or 5 times a power of ten. Those of a logarithmic one
are powers of ten, and if there are few of them, also 2 and 5 times these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """The numbers from `low` to `high`, drawn from pixel `start` to pixel `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return the pixel of a number; a logarithmic axis needs one above 0."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def labels(self) -> list[str]:
        """Return the ticks as they are written."""
        if self.logarithmic:
            return [power(tick) for tick in self.ticks]
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else self.high - self.low
        return [written(tick, step) for tick in self.ticks]


def linear(
    low: float, high: float, start: float, end: float, ticks: int = 6, fit: bool = True
) -> Axis:
    """Return a linear axis with about so many ticks; `fit` lets it end at ticks."""
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-280):
        around = max(abs(low) / 10, 1e-12) if low else 1.0
        low, high = low - around, high + around
    step = nice_step((high - low) / ticks)
    if fit:
        low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low, high, start, end, tuple(step * n for n in range(first, last + 1)))


def logarithmic(low: float, high: float, start: float, end: float, ticks: int = 6) -> Axis:
    """Return a logarithmic axis for numbers above 0, whose ends are 1, 2 or 5 times 10^k."""
    if high <= low:
        low, high = low / 2, high * 2
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    steps = [factor * 10.0**k for k in range(first, last + 1) for factor in (1, 2, 5)]
    low = max(step for step in steps if step <= low * (1 + 1e-9))
    high = min(step for step in [*steps, 10.0 ** (last + 1)] if step >= high * (1 - 1e-9))
    inside = [step for step in steps if low <= step <= high]
    if last - first > 2:
        every = math.ceil((last - first) / ticks)
        powers = [10.0**k for k in range(first, last + 1) if k % every == 0]
        inside = [power for power in powers if low <= power <= high]
    return Axis(low, high, start, end, tuple(inside), logarithmic=True)


def nice_step(rough: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a number."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))


def written(value: float, step: float) -> str:
    """Return a number with the decimals that a step between numbers needs."""
    if value == 0:
        return "0"
    if step < 1e-4 or abs(value) >= 1e9:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}"


def power(value: float) -> str:
    """Return a tick of a logarithmic axis: from 0.001 to 1,000,000 in full."""
    if 1e-3 <= value < 1e7:
        return f"{value:,.10g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10.0**exponent)
    return f"{'' if factor == 1 else f'{factor}·'}10{str(exponent).translate(SUPERSCRIPTS)}"


def in_words(value: float) -> str:
    """Return a number as descriptions and tables state it: four digits that count."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e9:
        return f"{value:.3g}"
    digits = 0 if abs(value) >= 1000 else 4 - len(str(int(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
