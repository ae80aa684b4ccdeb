"""The paper of a picture: SVG with its style, its text alternatives, and the size of labels."""

from __future__ import annotations

import unicodedata
from html import escape

LETTER = 7.2  # width of a letter of a label in pixels, about
COLOURS = 6
# Okabe and Ito's colours for the colour-blind, made darker on white and lighter on black where
# they would not stand out; in the order of the lines.
LIGHT = ("#0072b2", "#d55e00", "#008764", "#b0568a", "#8a6d00", "#3f7fa6")
DARK = ("#56b4e9", "#ff8a3d", "#2dbf95", "#e39cc4", "#f0e442", "#a9c7ff")
INK, PAPER, FAINT = ("#222222", "#eeeeee"), ("#ffffff", "#16181d"), ("#d8d8d8", "#3a3f4a")
DASHES = ("", "7 4", "2 3", "10 3 2 3", "5 2 1 2 1 2", "12 5")


def style() -> str:
    """Return the style that every picture carries with it."""

    def colours(which: int, lines: tuple[str, ...]) -> str:
        named = "".join(f"--s{number}:{colour};" for number, colour in enumerate(lines))
        return f"--ink:{INK[which]};--paper:{PAPER[which]};--faint:{FAINT[which]};{named}"

    lines = "".join(
        f".picture .l{number}{{stroke:var(--s{number});stroke-dasharray:{dash or 'none'}}}"
        f".picture .f{number}{{fill:var(--s{number})}}"
        for number, dash in enumerate(DASHES)
    )
    return (
        f".picture{{{colours(0, LIGHT)}color:var(--ink);max-width:100%;height:auto}}"
        f"@media (prefers-color-scheme:dark){{.picture{{{colours(1, DARK)}}}}}"
        f"@media print{{.picture{{{colours(0, LIGHT)}}}}}"
        ".picture text{fill:currentColor;stroke:none;"
        'font:12px system-ui,"DejaVu Sans",Arial,sans-serif}'
        ".picture .title{font-weight:bold;font-size:15px}"
        '.picture .mono{font:15px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;'
        "white-space:pre}"
        ".picture .end{text-anchor:end}.picture .middle{text-anchor:middle}"
        ".picture .paper{fill:var(--paper)}.picture .grid{stroke:var(--faint);fill:none}"
        ".picture .axis{stroke:currentColor;fill:none}"
        ".picture .mark{stroke:currentColor;stroke-dasharray:1 3;fill:none}"
        ".picture .line{fill:none;stroke-width:2;stroke-linejoin:round}"
        f".picture .band{{stroke:none;fill-opacity:.18}}{lines}"
    )


def document(width: float, height: float, title: str, description: str, body: list[str]) -> str:
    """Return a picture of this size in pixels; its body is drawn on paper of its own."""
    size = f"{number(width)} {number(height)}"
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" '
                f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {size}">'
            ),
            f"<title>{clean(title)}</title>",
            f"<desc>{clean(description)}</desc>",
            f"<style>{style()}</style>",
            f'<rect class="paper" width="{number(width)}" height="{number(height)}"/>',
            *body,
            "</svg>\n",
        ]
    )


def clean(text: str) -> str:
    """Return text that can stand in XML: escaped, and without what XML 1.0 does not allow."""
    return escape("".join(symbol if allowed(symbol) else "\ufffd" for symbol in text))


def allowed(symbol: str) -> bool:
    """Return whether XML 1.0 allows a character."""
    code = ord(symbol)
    return symbol in "\t\n\r" or (
        code >= 32 and not 0x7F <= code < 0xA0 and not 0xD800 <= code < 0xE000
        and code not in (0xFFFE, 0xFFFF)
    )  # fmt: skip


def number(value: float) -> str:
    """Return a coordinate with at most one digit after the point."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def columns(text: str) -> int:
    """Return how many letters' width a text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(symbol) else 1 + (unicodedata.east_asian_width(symbol) in "WF")
        for symbol in text
    )


def width_of(text: str) -> float:
    """Return the width of a label in pixels, about."""
    return LETTER * columns(text)


def label(x: float, y: float, text: str, kind: str = "", more: str = "") -> str:
    """Return a text at a place; kinds are classes of the style."""
    kinds = f' class="{kind}"' if kind else ""
    return f'<text x="{number(x)}" y="{number(y)}"{kinds}{more}>{clean(text)}</text>'


def shortened(text: str, letters: int) -> str:
    """Return a text of at most so many letters' width; what is cut off is an ellipsis."""
    if columns(text) <= letters:
        return text
    kept = ""
    for symbol in text:
        if columns(kept + symbol) > letters - 1:
            break
        kept += symbol
    return f"{kept}…"
