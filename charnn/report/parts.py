"""What a section of the report is made of, and how it becomes HTML.

The HTML is in `templates/`, filled by the standard library's `string.Template`: the report needs
no more than places for text, and no dependency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Protocol

CONTROLS = {
    code: chr(0x2421 if code == 127 else 0x2400 + code)
    for code in (*range(32), 127)
    if chr(code) not in "\n\t"
} | dict.fromkeys((*range(128, 160), *range(0xD800, 0xE000)), "\ufffd")


class Part(Protocol):
    """A piece of a section below its sentences."""

    def html(self) -> str:
        """Return it as HTML."""


@dataclass(frozen=True)
class Figure:
    """A picture, as SVG or HTML, and the sentences below it: what it shows, what to compare."""

    picture: str
    caption: str

    def html(self) -> str:
        """Return it as HTML."""
        return filled("figure.html", picture=self.picture, caption=words(self.caption))


@dataclass(frozen=True)
class Passage:
    """A text as it is, and the sentences below it."""

    text: str
    caption: str

    def html(self) -> str:
        """Return it as HTML."""
        return filled("passage.html", text=words(self.text), caption=words(self.caption))


@dataclass(frozen=True)
class Table:
    """Rows under the names of columns; the first cell of a row is its name."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        """Return it as HTML."""
        rows = [
            filled(
                "row.html",
                first=words(first),
                cells="".join(filled("cell.html", text=words(cell)) for cell in cells),
            )
            for first, *cells in self.rows
        ]
        head = "".join(filled("column.html", text=words(column)) for column in self.columns)
        return filled("table.html", caption=words(self.caption), head=head, rows="\n".join(rows))


@dataclass(frozen=True)
class Section:
    """A section: its title, what it says in sentences, and its pictures, tables and texts."""

    title: str
    sentences: Sequence[str]
    parts: Sequence[Part] = field(default=())

    def html(self, anchor: str) -> str:
        """Return it as HTML; links to it name its anchor."""
        return filled(
            "section.html",
            anchor=anchor,
            title=words(self.title),
            paragraphs="\n".join(
                filled("paragraph.html", text=words(sentence)) for sentence in self.sentences
            ),
            parts="\n".join(part.html() for part in self.parts),
        )


def filled(name: str, **places: str) -> str:
    """Return a template with its places filled in; what is filled in is HTML already."""
    return template(name).substitute(places).rstrip("\n")


@cache
def template(name: str) -> Template:
    """Return a template of this folder."""
    return Template(text_of(name))


def text_of(name: str) -> str:
    """Return the text of a file beside the templates."""
    return files("charnn.report").joinpath("templates", name).read_text(encoding="utf-8")


def words(text: str) -> str:
    """Return text as HTML; control characters become their pictures in Unicode."""
    return escape(text.translate(CONTROLS))
