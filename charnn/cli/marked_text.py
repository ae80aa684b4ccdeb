"""A text on the terminal whose symbols have levels: as backgrounds or lines, or as marks below.

Where there are colours, each level is a style. Where there are none, a line of marks stands below
each line of the text. What cannot be seen is shown by a sign: ↵ for the end of a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import wrap

from charnn.cli.console import cells, has_colours, show, show_pieces, terminal_width, visible

WIDEST = 80  # columns
SIGNS = {"\n": "↵", "\t": "⇥", "\r": "␍"}


def show_marked(
    symbols: Sequence[str], levels: Sequence[int], marks: str, styles: Sequence[str]
) -> None:
    """Print symbols with a level each, which `marks` and `styles` have a mark and a style for."""
    coloured = has_colours()
    for line in lines_of(symbols, min(terminal_width(), WIDEST)):
        pieces = [(sign(symbols[at]), levels[at]) for at in line]
        grouped = groupby(pieces, key=lambda piece: piece[1])
        if coloured:
            show_pieces(
                ("".join(text for text, _ in group), styles[level]) for level, group in grouped
            )
            continue
        show_pieces([("".join(text for text, _ in pieces).rstrip(" "), "")])
        below = "".join(marks[level].ljust(cells(text))[: cells(text)] for text, level in pieces)
        if below.strip():
            show_pieces([(below.rstrip(), "")])


def show_sentences(text: str) -> None:
    """Print sentences in lines that a terminal need not break."""
    for line in wrap(text, min(terminal_width(), WIDEST), break_on_hyphens=False):
        show(line)


def sign(symbol: str) -> str:
    """Return a symbol as it is shown."""
    return SIGNS.get(symbol) or visible(symbol)


def lines_of(symbols: Sequence[str], columns: int) -> Iterator[range]:
    """Yield the places of the symbols of each line, which ends where the text's does or is full."""
    begin = taken = 0
    for at, symbol in enumerate(symbols):
        wide = cells(sign(symbol))
        if taken + wide > columns and at > begin:
            yield range(begin, at)
            begin, taken = at, 0
        taken += wide
        if symbol == "\n":
            yield range(begin, at + 1)
            begin, taken = at + 1, 0
    if begin < len(symbols):
        yield range(begin, len(symbols))
