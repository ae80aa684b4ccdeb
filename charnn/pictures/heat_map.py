"""A table of numbers as shades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from charnn.pictures.axes import in_words
from charnn.pictures.canvas import (
    LETTER,
    clean,
    document,
    label,
    number,
    shortened,
    width_of,
)
from charnn.pictures.shades import Scale, shades

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MARGIN = 16
TITLE = 34  # pixels above the key
KEY = 40  # pixels of the key with its numbers
LEAST, MOST = 12, 26  # pixels of a cell's side
PAGE = 720  # width that a picture keeps to where it can
SMALL = 1000  # cells, up to which each says its number when the mouse rests on it
LONGEST = 24  # letters of a label


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: ArrayLike,
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    scale: Scale = "sequential",
    low: float | None = None,
    high: float | None = None,
    description: str = "",
) -> str:
    """Return numbers (R, C) as shades under the labels of columns, beside those of rows, as SVG.

    A number that is not finite has no shade. `low` and `high` are the ends of the shades, without
    them the ends of the numbers. Of labels that are too narrow for each to stand, every other one
    or fewer are written.
    """
    table = np.asarray(values, dtype=np.float64).reshape(len(rows), len(columns))
    shade = shades(scale, table, low, high)
    rows = [shortened(row, LONGEST) for row in rows]
    columns = [shortened(column, LONGEST) for column in columns]
    longest = max(map(width_of, columns), default=0.0)
    left = MARGIN + max(map(width_of, rows), default=0.0) + 8 + (18 if y_label else 0)
    side = min(max((PAGE - left - MARGIN) // max(len(columns), 1), LEAST), MOST)
    upright = longest + LETTER > side  # labels wider than a cell stand on end
    top = TITLE + KEY + (18 if x_label else 0) + (longest + 8 if upright else 20)
    wide, tall = side * len(columns), side * len(rows)
    body = [
        label(MARGIN, 20, title, "title"),
        *shade.key(MARGIN, TITLE),
        *(across(columns, left, top, side, upright)),
    ]
    if x_label:
        body.append(label(left, TITLE + KEY + 12, x_label))
    if y_label:
        place = f'transform="translate({MARGIN + 10} {number(top + tall / 2)}) rotate(-90)"'
        body.append(f'<text class="middle" {place}>{clean(y_label)}</text>')
    for at, row in enumerate(rows):
        body.append(label(left - 7, top + side * at + side / 2 + 4, row, "end"))
        for place_of, value in enumerate(table[at]):
            told = ""
            if table.size <= SMALL and np.isfinite(value):
                told = clean(f"{row}, {columns[place_of]}: {in_words(float(value))}")
            place_x = left + side * place_of
            level = shade.level(float(value))
            body.append(shade.box(place_x, top + side * at, side, side, level, told))
    body.append(
        f'<rect class="grid" x="{number(left)}" y="{number(top)}" width="{number(wide)}" '
        f'height="{number(tall)}"/>'
    )
    width = max(left + wide + MARGIN, MARGIN * 2 + 8.8 * len(title), MARGIN + shade.key_width())
    words = f"{description} {in_sentences(rows, columns, table)}".strip()
    return document(width, top + tall + MARGIN, title, words, [part for part in body if part])


def across(
    columns: Sequence[str], left: float, top: float, side: float, upright: bool
) -> list[str]:
    """Return the labels of columns."""
    parts = []
    for at, text in enumerate(columns):
        x = left + side * at + side / 2
        if upright:
            place = f'transform="translate({number(x + 4)} {number(top - 6)}) rotate(-90)"'
            parts.append(f"<text {place}>{clean(text)}</text>")
        else:
            parts.append(label(x, top - 6, text, "middle"))
    return parts


def in_sentences(rows: Sequence[str], columns: Sequence[str], table: np.ndarray) -> str:
    """Return the size of a table, and where its highest and lowest numbers are."""
    size = f"{len(rows):,} rows by {len(columns):,} columns."
    if not np.isfinite(table).any():
        return f"{size} No values."
    places = (("Highest", int(np.nanargmax(table))), ("lowest", int(np.nanargmin(table))))
    ends = []
    for name, place in places:
        row, column = divmod(place, table.shape[1])
        value = in_words(float(table[row, column]))
        ends.append(f"{name} {value} at row {rows[row]}, column {columns[column]}")
    return f"{size} {'; '.join(ends)}."
