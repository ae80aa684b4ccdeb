"""Curves as lines of text, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 62, 10


class Points(NamedTuple):
    """Points (x, y), and the character that stands for them."""

    mark: str
    points: Sequence[tuple[float, float]]


def text_plot(
    groups: Sequence[Points], x_label: str, y_label: str, height: int = HEIGHT
) -> list[str]:
    """Draw points as lines of text; later groups cover earlier ones. There is at least one."""
    points = [point for group in groups for point in group.points]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    canvas = [[" "] * WIDTH for _ in range(height)]
    for group in groups:
        for x, y in group.points:
            column = round((x - first) / max(last - first, 1e-12) * (WIDTH - 1))
            row = round((high - y) / max(high - low, 1e-12) * (height - 1))
            canvas[row][column] = group.mark
    labels = {0: f"{high:.3f}", height - 1: f"{low:.3f}"}
    lines = [f"{labels.get(row, ''):>8} |{''.join(cells)}" for row, cells in enumerate(canvas)]
    begin, end = in_short(first), in_short(last)
    axis = begin.ljust(WIDTH - len(end)) + end
    return [f" {y_label}", *lines, f"{'':>8} +{'-' * WIDTH}", f"{'':>9} {axis} {x_label}"]


def in_short(value: float) -> str:
    """Return a number of an axis: whole, or with two digits after the point."""
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:,.2f}"
