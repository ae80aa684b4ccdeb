"""Bars beside their labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from charnn.pictures.axes import in_words, linear
from charnn.pictures.canvas import COLOURS, document, label, number, shortened, width_of
from charnn.pictures.frame import ROW, TOP, WIDTH, rows_of_legend

BAR, NARROW = 16, 13  # pixels of a bar: alone, and in a group
GAP = 8  # pixels between labels' bars
LONGEST = 32  # letters of a label
MARGIN = 16


def bar_chart(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    limits: tuple[float, float] | None = None,
    description: str = "",
) -> str:
    """Return bars from 0 to the right (or, below 0, to the left) as SVG, a row for each label.

    Each group has a value for each label; several groups stand below each other in each row, and
    a legend names them. A value that is not finite has no bar. `limits` are the ends of the axis,
    which always holds 0; without them it reaches as far as the values.
    """
    labels = [shortened(text, LONGEST) for text in labels]
    values = [value for group in groups.values() for value in group if math.isfinite(value)]
    names = list(groups) if len(groups) > 1 else []
    thick = BAR if len(groups) == 1 else NARROW
    step = thick * len(groups) + GAP
    left = MARGIN + max(map(width_of, labels), default=0.0) + 8
    room = max((width_of(in_words(value)) for value in values), default=0.0) + 6
    room_left = room if min(values, default=0.0) < 0 else 0.0
    low, high = limits or (min([0.0, *values]), max([0.0, *values]))
    axis = linear(
        min(low, 0.0), max(high, 0.0), left + room_left, WIDTH - MARGIN - room, 6, fit=False
    )
    top = TOP + ROW * len(rows_of_legend(names)) + 4
    bottom = top + step * len(labels) + GAP / 2
    body = [label(MARGIN, 20, title, "title"), *key(names)]
    grid = "".join(
        f"M{number(axis.place(tick))} {number(top)}V{number(bottom)}" for tick in axis.ticks
    )
    body.append(f'<path class="grid" d="{grid}"/>')
    taken = -1e9
    for tick, text in zip(axis.ticks, axis.labels(), strict=True):
        at, half = axis.place(tick), width_of(text) / 2
        if at - half > taken:
            body.append(label(at, bottom + 17, text, "middle"))
            taken = at + half + 6
    for row, text in enumerate(labels):
        y = top + step * row + GAP
        body.append(label(left - 8, y + (step - GAP) / 2 + 4, text, "end"))
        for kind, group in enumerate(groups.values()):
            body += bar(axis.place(0.0), axis.place(clipped(group[row], axis.low, axis.high)),
                        y + thick * kind, thick, kind, group[row])  # fmt: skip
    zero = number(axis.place(0.0))
    body.append(f'<path class="axis" d="M{zero} {number(top)}V{number(bottom)}"/>')
    middle = (axis.start + axis.end) / 2
    body.append(label(middle, bottom + 36, x_label, "middle"))
    words = f"{description} {in_sentences(labels, groups)}".strip()
    return document(WIDTH, bottom + 46, title, words, body)


def clipped(value: float, low: float, high: float) -> float:
    """Return a value, or the end of the axis that it lies beyond; not a number stays."""
    return value if not math.isfinite(value) else min(max(value, low), high)


def bar(zero: float, end: float, y: float, thick: float, kind: int, value: float) -> list[str]:
    """Return a bar and its value; later groups are paler and have an outline."""
    if not math.isfinite(value):
        return [label(zero + 4, y + thick / 2 + 4, "none")]
    left, width = min(zero, end), abs(end - zero)
    text = label(*((end + 4, y + thick / 2 + 4, in_words(value)) if value >= 0 else
                   (end - 4, y + thick / 2 + 4, in_words(value), "end")))  # fmt: skip
    return [box(left, y, width, thick - 1, kind), text]


def box(x: float, y: float, width: float, height: float, kind: int) -> str:
    """Return a bar's box: whole for the first group, pale with an outline for the others."""
    pale = ' fill-opacity=".35"' if kind else ""
    colour = kind % COLOURS
    outline = f" l{colour}" if kind else ""
    return (
        f'<rect class="f{colour}{outline}"{pale} x="{number(x)}" y="{number(y)}" '
        f'width="{number(width)}" height="{number(height)}"/>'
    )


def key(names: Sequence[str]) -> list[str]:
    """Return the legend of groups."""
    parts = []
    for row, entries in enumerate(rows_of_legend(names)):
        y = TOP + ROW * row
        for kind, x, text in entries:
            parts += [box(x + 8, y + 2, 18, 11, kind), label(x + 31, y + 12, text)]
    return parts


def in_sentences(labels: Sequence[str], groups: Mapping[str, Sequence[float]]) -> str:
    """Return all values in words."""
    return " ".join(
        f"{name}: "
        + ", ".join(f"{text} {in_words(value)}" for text, value in zip(labels, group, strict=True))
        + "."
        for name, group in groups.items()
    )
