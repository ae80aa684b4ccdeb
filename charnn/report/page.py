"""The report as one page: its sections in order, its contents, its style.

The page holds everything that it shows and loads nothing; a policy in its head forbids it to.
"""

from __future__ import annotations

from collections.abc import Callable

from charnn.errors import CharnnError
from charnn.pictures import HTML_STYLE
from charnn.report.material import Material
from charnn.report.parts import Section, filled, text_of, words
from charnn.report.sections import SECTIONS
from charnn.text.source import ignore
from charnn.version import __version__


def report(material: Material, advance: Callable[[int], None] = ignore) -> str:
    """Return the report as HTML; `advance` is called with 1 after each section."""
    sections = []
    for title, write in SECTIONS.items():
        try:
            sections.append(write(material))
        except CharnnError as error:
            sections.append(Section(title, [f"This cannot be shown: {error}"]))
        advance(1)
    return page(material, sections)


def page(material: Material, sections: list[Section]) -> str:
    """Return sections as a page."""
    anchors = [f"section-{number}" for number, _ in enumerate(sections, 1)]
    contents = (
        filled("content.html", anchor=anchor, title=words(section.title))
        for anchor, section in zip(anchors, sections, strict=True)
    )
    return filled(
        "report.html",
        title=words(f"Inside {material.path.name}: a character language model"),
        introduction=words(
            f"A report on the model '{material.path}' and what it does with the text "
            f"{material.text}. Each picture stands above a sentence that says what it shows and "
            "what to compare it with."
        ),
        style=text_of("report.css") + HTML_STYLE,
        contents="\n".join(contents),
        sections="\n".join(
            section.html(anchor) for anchor, section in zip(anchors, sections, strict=True)
        ),
        written=words(f"Written by charnn {__version__}, with seed {material.seed}."),
    ) + "\n"  # fmt: skip
