"""Shades: how strong a colour stands for a number, and the key that says so.

A shade is one colour, more or less opaque, so that it stands out on white paper and on black.
`sequential` numbers go from none to the first colour. `diverging` ones have two: the first colour
(blue) above 0 and the second (orange) below, none at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from charnn.pictures.axes import in_words
from charnn.pictures.canvas import label, number, width_of

Scale = Literal["sequential", "diverging"]
LEVELS = 20  # of opacity
STRONGEST = 0.95  # opacity
UNDER_LETTERS = 0.55  # opacity of the strongest shade on which letters stay readable
BOX, BOXES = 22, 9  # the key: its boxes and their number


@dataclass(frozen=True)
class Shades:
    """Shades for the numbers from `low` to `high`; what lies outside has the last shade."""

    scale: Scale
    low: float
    high: float
    strongest: float = STRONGEST

    def level(self, value: float) -> int:
        """Return the level of a number, from -LEVELS to LEVELS; 0 is no colour."""
        if not math.isfinite(value):
            return 0
        if self.scale == "diverging":
            share = value / max(abs(self.low), abs(self.high))
        else:
            share = (value - self.low) / (self.high - self.low)
            share = max(share, 0.0)
        return round(LEVELS * min(max(share, -1.0), 1.0))

    def box(
        self, x: float, y: float, width: float, height: float, level: int, title: str = ""
    ) -> str:
        """Return a box of a level; nothing where there is no shade and nothing to say."""
        if level == 0 and not title:
            return ""
        shape = (
            f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
            f'class="f{0 if level >= 0 else 1}" '
            f'fill-opacity="{opacity(level, self.strongest) if level else 0}"'
        )
        return f"<rect {shape}><title>{title}</title></rect>" if title else f"<rect {shape}/>"

    def key(self, x: float, y: float) -> list[str]:
        """Return boxes with the lowest, the middle and the highest number below them."""
        low = -self.high if self.scale == "diverging" else self.low
        steps = [low + (self.high - low) * n / (BOXES - 1) for n in range(BOXES)]
        parts = [
            (
                f'<rect class="grid" x="{number(x)}" y="{number(y)}" width="{BOX * BOXES}" '
                f'height="12"/>'
            )
        ]
        for place, step in enumerate(steps):
            parts.append(self.box(x + BOX * place, y, BOX, 12, self.level(step)))
            if place % (BOXES // 2) == 0:
                parts.append(label(x + BOX * (place + 0.5), y + 26, in_words(step), "middle"))
        return [part for part in parts if part]

    def key_width(self) -> float:
        """Return the width of the key with its numbers, in pixels."""
        return BOX * BOXES + width_of(in_words(self.high))


def opacity(level: int, strongest: float) -> str:
    """Return the opacity of a level's colour."""
    return f"{strongest * abs(level) / LEVELS:.2f}".lstrip("0")


def shades(
    scale: Scale,
    values: Any,
    low: float | None,
    high: float | None,
    strongest: float = STRONGEST,
) -> Shades:
    """Return shades for values; what is not given is their lowest or highest, or for diverging
    ones the one furthest from 0.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if scale == "diverging":
        most = float(np.abs(known).max()) if known.size else 1.0
        given = [abs(limit) for limit in (low, high) if limit is not None]
        most = max(given, default=most) or 1.0
        return Shades(scale, -most, most, strongest)
    if low is None:
        low = float(known.min()) if known.size else 0.0
    if high is None:
        high = float(known.max()) if known.size else 1.0
    return Shades(scale, low, high if high > low else low + 1.0, strongest)
