"""The frame of a chart: title, legend, two axes with their ticks, labels and grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from charnn.pictures.axes import Axis
from charnn.pictures.canvas import (
    COLOURS,
    LETTER,
    clean,
    document,
    label,
    number,
    shortened,
    width_of,
)

WIDTH, HEIGHT = 720, 400
TOP, BOTTOM, LEFT, RIGHT = 34, 44, 20, 16  # margins without labels
ROW = 20  # pixels of a row of the legend
SWATCH = 34  # pixels of a line's sample in the legend, with its margins


@dataclass(frozen=True)
class Frame:
    """What surrounds a chart: its words, and its axes in pixels."""

    title: str
    x_label: str
    y_label: str
    x: Axis
    y: Axis
    legend: tuple[str, ...] = ()

    def drawn(self, description: str, inside: Sequence[str]) -> str:
        """Return the whole picture."""
        bottom = self.y.start
        height = bottom + BOTTOM
        middle = (self.y.start + self.y.end) / 2
        at = number(middle)
        body = [
            label(LEFT, 20, shortened(self.title, int((WIDTH - 2 * LEFT) / 8.8)), "title"),
            *legend(self.legend),
            *self.grid(),
            *inside,
            (
                f'<path class="axis" d="M{number(self.x.start)} {number(self.y.end)}'
                f'V{number(bottom)}H{number(self.x.end)}"/>'
            ),
            label((self.x.start + self.x.end) / 2, height - 8, self.x_label, "middle"),
            (
                f'<text class="middle" transform="translate(14 {at}) rotate(-90)">'
                f"{clean(self.y_label)}</text>"
            ),
        ]
        return document(WIDTH, height, self.title, description, body)

    def grid(self) -> list[str]:
        """Return the lines of the ticks and the numbers at their ends; none touches another."""
        lines, parts, taken = [], [], -1e9
        for tick, text in zip(self.x.ticks, self.x.labels(), strict=True):
            at, half = self.x.place(tick), width_of(text) / 2
            lines.append(f"M{number(at)} {number(self.y.start)}V{number(self.y.end)}")
            if at - half > taken:
                inside = min(at, WIDTH - half - 2)
                parts.append(label(inside, self.y.start + 17, text, "middle"))
                taken = at + half + LETTER
        for tick, text in zip(self.y.ticks, self.y.labels(), strict=True):
            at = self.y.place(tick)
            lines.append(f"M{number(self.x.start)} {number(at)}H{number(self.x.end)}")
            parts.append(label(self.x.start - 7, at + 4, text, "end"))
        return [f'<path class="grid" d="{"".join(lines)}"/>', *parts]


def rows_of_legend(names: Sequence[str]) -> list[list[tuple[int, float, str]]]:
    """Return for each row of the legend its entries: number, place and text."""
    rows: list[list[tuple[int, float, str]]] = []
    x = float(WIDTH)
    for number_of, name in enumerate(names):
        text = shortened(name, int((WIDTH - 2 * LEFT - SWATCH) / LETTER))
        wide = SWATCH + width_of(text) + 2 * LETTER
        if x + wide > WIDTH - RIGHT:
            rows.append([])
            x = float(LEFT)
        rows[-1].append((number_of, x, text))
        x += wide
    return rows


def legend(names: Sequence[str]) -> list[str]:
    """Return the legend: a sample of each line with its name."""
    parts = []
    for row, entries in enumerate(rows_of_legend(names)):
        y = TOP + ROW * row + 8
        for number_of, x, text in entries:
            kind = number_of % COLOURS
            parts.append(
                f'<path class="line l{kind}" d="M{number(x)} {y}h{SWATCH - 8}"/>'
                + dot(x + (SWATCH - 8) / 2, y, number_of)
                + label(x + SWATCH - 3, y + 4, text)
            )
    return parts


def dot(x: float, y: float, number_of: int) -> str:
    """Return the mark of a line's points: disc, square, triangle, diamond, cross or ring."""
    at, kind = f"M{number(x)} {number(y)}", number_of % COLOURS
    shape = (
        "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
        "m-3 -3h6v6h-6z",
        "m0 -4l4 7h-8z",
        "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
        "m-4 -1h3v-3h2v3h3v2h-3v3h-2v-3h-3z",
        "m-4 -3h8l-4 7z",
    )[kind]
    return f'<path class="f{kind}" d="{at}{shape}"/>'


def room(names: Sequence[str], labels: Sequence[str]) -> tuple[float, float, float, float]:
    """Return the pixels left, right, top and bottom of the chart itself.

    `names` are the legend's, `labels` what stands beside the vertical axis.
    """
    top = TOP + ROW * len(rows_of_legend(names)) + (6 if names else 0)
    left = LEFT + 12 + max(map(width_of, labels), default=0.0)
    return left, WIDTH - RIGHT, top, top + HEIGHT - TOP - BOTTOM
