"""A text whose characters are coloured by a number each: as SVG, and as HTML.

What cannot be seen is shown by a sign: a line's end by ↵, a tab by ⇥, control characters by their
pictures in Unicode. In a diverging scale, characters below a quarter of the lowest shade are
underlined, so that they are told apart without colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from charnn.pictures.axes import in_words
from charnn.pictures.canvas import DARK, LIGHT, allowed, clean, columns, document, label, number
from charnn.pictures.shades import LEVELS, UNDER_LETTERS, Scale, Shades, opacity, shades

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CELL, LINE = 9, 24  # pixels of a character and of a line
MARGIN = 16
TITLE, KEY = 34, 44  # pixels above the key, and of the key with its numbers
UNDERLINED = LEVELS // 4


def levels_style(colours: tuple[str, str]) -> str:
    """Return the backgrounds of HTML's shades for paper of one kind."""
    found = []
    for sign, colour in zip("pn", colours, strict=True):
        mixed = ",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
        for level in range(1, LEVELS + 1):
            paint = f"rgba({mixed},{opacity(level, UNDER_LETTERS)})"
            found.append(f".shaded .{sign}{level}{{background:{paint}}}")
    return "".join(found)


HTML_STYLE = (
    '.shaded{font:15px/1.6 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;'
    "white-space:pre-wrap;overflow-wrap:anywhere;print-color-adjust:exact}"
    ".shaded.key{font-size:13px;margin:.3em 0}.shaded i{font-style:normal;opacity:.45}"
    + levels_style((LIGHT[0], LIGHT[1]))
    + f"@media screen and (prefers-color-scheme:dark){{{levels_style((DARK[0], DARK[1]))}}}"
    + ",".join(f".shaded .n{level}" for level in range(UNDERLINED, LEVELS + 1))
    + "{text-decoration:underline}"
)


def coloured_text(
    symbols: Sequence[str],
    values: ArrayLike,
    *,
    title: str,
    scale: Scale = "sequential",
    low: float | None = None,
    high: float | None = None,
    width: int = 76,
    description: str = "",
) -> str:
    """Return a text as SVG, in lines of at most `width` columns; each symbol has a number.

    `low` and `high` are the ends of the shades, without them the ends of the numbers. A symbol
    whose number is not finite has no colour.
    """
    numbers = checked(symbols, values)
    shade = shades(scale, numbers, low, high, UNDER_LETTERS)
    body = [label(MARGIN, 20, title, "title"), *shade.key(MARGIN, TITLE)]
    y = TITLE + KEY
    for line in lines_of(symbols, width):
        body += drawn(line, symbols, [shade.level(float(numbers[at])) for at in line], y, shade)
        y += LINE
    words = f"{description} {in_sentences(symbols, numbers)}".strip()
    return document(width * CELL + 2 * MARGIN, y + MARGIN, title, words, body)


def coloured_html(
    symbols: Sequence[str],
    values: ArrayLike,
    *,
    title: str,
    scale: Scale = "sequential",
    low: float | None = None,
    high: float | None = None,
    notes: Sequence[str] | None = None,
) -> str:
    """Return a text as HTML: `<pre class="shaded">` for a page whose style holds `HTML_STYLE`.

    `notes` has a text for each symbol, which is shown when the mouse rests on it.
    """
    numbers = checked(symbols, values)
    shade = shades(scale, numbers, low, high, UNDER_LETTERS)
    parts = []
    if notes is None:
        leveled = [(shade.level(float(v)), s) for v, s in zip(numbers, symbols, strict=True)]
        for level, group in groupby(leveled, key=lambda pair: pair[0]):
            parts.append(span(level, "".join(in_html(symbol) for _, symbol in group)))
    else:
        for symbol, value, note in zip(symbols, numbers, notes, strict=True):
            parts.append(span(shade.level(float(value)), in_html(symbol), note))
    about = clean(title).replace('"', "&quot;")
    return (
        f'<pre class="shaded" role="group" aria-label="{about}" tabindex="0">{"".join(parts)}</pre>'
        f'<p class="shaded key">{key_in_html(shade)}</p>'
    )


def key_in_html(shade: Shades) -> str:
    """Return the lowest, the middle and the highest number on their shades."""
    middle = (shade.low + shade.high) / 2
    ends = [
        span(shade.level(value), f"&nbsp;{in_words(value)}&nbsp;")
        for value in (shade.low, middle, shade.high)
    ]
    return " to ".join(ends)


def span(level: int, inner: str, note: str = "") -> str:
    """Return symbols in HTML on the background of a level."""
    if level == 0 and not note:
        return inner
    kind = f' class="{"p" if level > 0 else "n"}{abs(level)}"' if level else ""
    told = f' title="{clean(note)}"' if note else ""
    return f"<span{kind}{told}>{inner}</span>"


def in_html(symbol: str) -> str:
    """Return a symbol in HTML; a line's end is a sign and an end."""
    if symbol in "\r\n" and symbol:
        return "<i>↵</i>\n"
    return clean("".join(map(visible, symbol)))


def visible(character: str) -> str:
    """Return a character, or the sign for one that cannot be seen."""
    code = ord(character)
    if character in "\n\t":
        return "↵" if character == "\n" else "⇥"
    if code < 32 or code == 127:
        return chr(0x2421 if code == 127 else 0x2400 + code)
    return character if allowed(character) else "\ufffd"


def shown(symbol: str) -> str:
    """Return a symbol as it is drawn, at least one column wide."""
    text = "".join(map(visible, symbol))
    return text if columns(text) else f"◌{text}"


def lines_of(symbols: Sequence[str], width: int) -> Iterator[list[int]]:
    """Yield the places of the symbols of each line, which ends at a line's end or at the edge."""
    line: list[int] = []
    taken = 0
    for at, symbol in enumerate(symbols):
        wide = columns(shown(symbol))
        if line and taken + wide > width:
            yield line
            line, taken = [], 0
        line.append(at)
        taken += wide
        if symbol == "\n":
            yield line
            line, taken = [], 0
    if line:
        yield line


def drawn(
    line: Sequence[int], symbols: Sequence[str], levels: Sequence[int], y: float, shade: Shades
) -> list[str]:
    """Return a line: its backgrounds, and its letters in their columns."""
    places, column = [], 0
    for at in line:
        places.append((column, shown(symbols[at])))
        column += columns(places[-1][1])
    parts, start = [], 0
    for level, group in groupby(levels):
        many = len(list(group))
        first, last = places[start], places[start + many - 1]
        begin, end = first[0], last[0] + columns(last[1])
        x, wide = MARGIN + CELL * begin, CELL * (end - begin)
        parts.append(shade.box(x, y, wide, LINE - 3, level))
        if level <= -UNDERLINED:
            parts.append(f'<path class="axis" d="M{x} {number(y + LINE - 5)}h{wide}"/>')
        start += many
    parts += letters(places, y + LINE - 8)
    return [part for part in parts if part]


def letters(places: Sequence[tuple[int, str]], y: float) -> Iterator[str]:
    """Yield letters: plain ones together, stretched to their columns, and others one by one."""
    for plain, group in groupby(places, key=lambda place: place[1].isascii()):
        found = list(group)
        runs = [(found[0][0], "".join(text for _, text in found))] if plain else found
        for column, text in runs:
            if text.strip(" "):
                wide = f' textLength="{CELL * columns(text)}"' if plain else ""
                yield label(MARGIN + CELL * column, y, text, "mono", f'{wide} xml:space="preserve"')


def checked(symbols: Sequence[str], values: ArrayLike) -> np.ndarray:
    """Return a number for each symbol. Raises ValueError where there are more or fewer."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if numbers.size != len(symbols):
        raise ValueError(f"{len(symbols)} symbols have {numbers.size} numbers.")
    return numbers


def in_sentences(symbols: Sequence[str], numbers: np.ndarray) -> str:
    """Return the text's length, its beginning, and the ends and the mean of its numbers."""
    known = numbers[np.isfinite(numbers)]
    beginning = "".join(map(shown, symbols[:60]))
    start = f"{len(symbols):,} symbols, which begin: {beginning}"
    if not known.size:
        return f"{start}. No values."
    ends = f"from {in_words(float(known.min()))} to {in_words(float(known.max()))}"
    return f"{start}. The numbers go {ends}; their mean is {in_words(float(known.mean()))}."
