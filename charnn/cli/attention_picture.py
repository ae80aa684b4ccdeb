"""Attention as a picture: SVG that stands alone, a panel for each prediction.

Rows are the symbols of a prediction, its end the last of them; columns are the symbols of its
source. The darker a cell, the more a step of the decoder looked at the symbol.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from charnn.cli.console import cells, visible
from charnn.cli.picture_file import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from charnn.tasks.prediction import Prediction

PANELS = 20
CELL = 26  # pixels
LETTER = 9  # width of a character of the labels, about
MARGIN = 16
PAGE = 1100  # width that panels fill, where one alone is not wider
TITLE = 30  # pixels above the labels of the columns
END = "(end)"
STYLE = (
    'text{font:14px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#222}'
    '.title{font:bold 15px system-ui,"DejaVu Sans",Arial,sans-serif}'
    ".cell{fill:#0b4f8a}.frame{fill:none;stroke:#bbb}"
)


def write_picture(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write the attention of the best answers as SVG. Raises InputError."""
    write_file(path, picture(predictions))


def picture(predictions: Sequence[Prediction]) -> str:
    """Return the attention of the best answers as SVG, in rows of panels that fit a page."""
    parts, x, y, height, width = [], MARGIN, MARGIN, 0, 0
    for prediction in predictions:
        panel, panel_width, panel_height = drawn(prediction)
        if x > MARGIN and x + panel_width > PAGE:
            x, y, height = MARGIN, y + height + MARGIN, 0
        parts.append(f'<g transform="translate({x} {y})">\n{panel}\n</g>')
        x, height = x + panel_width + 2 * MARGIN, max(height, panel_height)
        width = max(width, x - MARGIN)
    y += height + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}">',
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{y}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def drawn(prediction: Prediction) -> tuple[str, int, int]:
    """Return a panel at the origin, its width and its height."""
    best, columns = prediction.best, [shown(symbol) for symbol in prediction.source]
    rows = [*(shown(symbol) for symbol in best.symbols), END]
    left = LETTER * max(map(cells, rows)) + 10
    longest = max(map(cells, columns))
    upright = longest * LETTER > CELL  # labels that are wider than a cell stand on end
    top = TITLE + (LETTER * longest + 10 if upright else 20)
    title = f"{' '.join(columns)} → {' '.join(rows[:-1])}"
    lines = [f'<text class="title" x="0" y="14">{escape(title)}</text>']
    for number, label in enumerate(columns):
        x = left + number * CELL + CELL // 2
        if upright:
            place = f'transform="translate({x + 5} {top - 6}) rotate(-90)"'
        else:
            place = f'x="{x}" y="{top - 6}" text-anchor="middle"'
        lines.append(f"<text {place}>{escape(label)}</text>")
    for number, label in enumerate(rows):
        y = top + number * CELL
        lines.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{escape(label)}</text>')
        if best.attention is None:
            continue
        for at, alpha in enumerate(best.attention[number]):
            if alpha >= 0.005:
                lines.append(
                    f'<rect class="cell" x="{left + at * CELL}" y="{y}" width="{CELL}" '
                    f'height="{CELL}" fill-opacity="{alpha:.2f}"><title>{alpha:.3f}</title></rect>'
                )
    width, height = CELL * len(columns), CELL * len(rows)
    lines.append(f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>')
    return "\n".join(lines), max(left + width, 9 * cells(title)), top + height


def shown(symbol: str) -> str:
    """Return a symbol as a label: spaces can be seen, and control characters are escapes."""
    return visible(symbol).replace(" ", "␣").replace("\t", "\\t").replace("\n", "\\n")
