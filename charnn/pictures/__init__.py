"""Pictures: numbers in, SVG out. Nothing here knows models or files.

    line_chart      lines over an axis, with bands (quartiles) and marked places; also semilog
    histogram       how values are spread, one outline for each group
    bar_chart       bars beside their labels, in groups
    heat_map        a table of numbers as shades
    coloured_text   a text whose characters are coloured by a number each, as SVG
    coloured_html   the same as HTML, for a page that holds `HTML_STYLE`

Each picture stands alone: it has a title and a description for those who cannot see it, colours
that the colour-blind can tell apart, dashes and marks so that colour is not the only difference,
and a light and a dark form. The same numbers give the same text.
"""

from charnn.pictures.bars import bar_chart
from charnn.pictures.heat_map import heat_map
from charnn.pictures.lines import Mark, Series, histogram, line_chart
from charnn.pictures.shades import Scale
from charnn.pictures.text import HTML_STYLE, coloured_html, coloured_text

__all__ = [
    "HTML_STYLE",
    "Mark",
    "Scale",
    "Series",
    "bar_chart",
    "coloured_html",
    "coloured_text",
    "heat_map",
    "histogram",
    "line_chart",
]
