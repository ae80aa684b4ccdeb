"""Bars, heat maps and coloured text."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from svg_reading import SVG, description_of, of_class, overlaps, parsed

from charnn.pictures import HTML_STYLE, bar_chart, coloured_html, coloured_text, heat_map
from charnn.pictures.canvas import DARK, FAINT, INK, LIGHT, PAPER
from charnn.pictures.shades import LEVELS, STRONGEST, UNDER_LETTERS, shades


def brightness(colour: str) -> float:
    """Return a colour's relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    line = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    light, dark = sorted((brightness(one), brightness(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: str, paper: str, opacity: float) -> str:
    """Return a colour that lies on paper."""
    pairs = zip(
        *([int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in (colour, paper)), strict=True
    )
    return "#" + "".join(f"{round(opacity * a + (1 - opacity) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize(("mode", "colours"), [(0, LIGHT), (1, DARK)])
def test_colours_can_be_seen(mode: int, colours: tuple[str, ...]) -> None:
    """Lines have a contrast of 3 to their paper, words of 4.5, also on what is shaded."""
    assert min(contrast(colour, PAPER[mode]) for colour in colours) >= 3
    assert contrast(INK[mode], PAPER[mode]) >= 7
    assert contrast(FAINT[mode], PAPER[mode]) < 3
    for colour in colours[:2]:
        assert contrast(INK[mode], mixed(colour, PAPER[mode], UNDER_LETTERS)) >= 4.5


def test_bars() -> None:
    """A bar's length is its value's share of the axis, to the left below 0; words say all."""
    groups = {"below": [0.5, -0.25], "above": [1.0, math.nan]}
    text = bar_chart(["input", "forget"], groups, title="t", x_label="share")
    root = parsed(text)
    bars = [box for box in root.iter(f"{SVG}rect") if box.get("class") != "paper"][2:]
    widths = [float(bar.get("width", "")) for bar in bars]
    assert widths[0] == pytest.approx(widths[1] / 2, abs=0.2)
    assert widths[2] == pytest.approx(widths[0] / 2, abs=0.2)
    lefts = [float(bar.get("x", "")) for bar in bars]
    assert lefts[0] == lefts[1] == pytest.approx(lefts[2] + widths[2], abs=0.2)
    assert "below: input 0.5, forget -0.25." in description_of(text)
    assert "none" in {each.text for each in root.iter()}
    assert overlaps(root) == 0
    parsed(bar_chart([], {"a": []}, title="t", x_label="x"))
    parsed(bar_chart(["a"], {"a": [3.0]}, title="t", x_label="x", limits=(0, 1)))


def shade_of(box: object, strongest: float = STRONGEST) -> float:
    """Return how strong a box is shaded, below 0 in the second colour."""
    kind, opacity = box.get("class"), float(box.get("fill-opacity"))  # type: ignore[attr-defined]
    return (-opacity if kind == "f1" else opacity) / strongest


def test_heat_maps() -> None:
    """Rows go down and columns to the right; shades are as strong as the numbers."""
    values = np.array([[0.0, 0.5, 1.0], [-1.0, math.nan, 0.25]])
    text = heat_map(["r1", "r2"], ["a", "b", "c"], values, title="t", scale="diverging")
    root = parsed(text)
    cells = [box for box in root.iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]
    told = {box.findtext(f"{SVG}title"): box for box in cells}
    assert set(told) == {"r1, a: 0", "r1, b: 0.5", "r1, c: 1", "r2, a: -1", "r2, c: 0.25"}
    places = {name: [float(box.get(axis, "")) for axis in "xy"] for name, box in told.items()}
    assert places["r1, a: 0"][0] == places["r2, a: -1"][0] < places["r1, c: 1"][0]
    assert places["r1, c: 1"][1] == places["r1, a: 0"][1] < places["r2, c: 0.25"][1]
    shown = {name: shade_of(box) for name, box in told.items()}
    assert shown == pytest.approx(
        {"r1, a: 0": 0, "r1, b: 0.5": 0.5, "r1, c: 1": 1, "r2, a: -1": -1, "r2, c: 0.25": 0.25},
        abs=0.02,
    )
    words = description_of(text)
    assert "2 rows by 3 columns. Highest 1 at row r1, column c; lowest -1 at row r2" in words
    assert overlaps(root) == 0
    parsed(heat_map([], [], np.empty((0, 0)), title="t"))
    parsed(heat_map(["a"], ["b"], [[math.nan]], title="t"))


def test_long_labels_of_columns_stand_on_end() -> None:
    """A large map with long labels keeps them apart."""
    names = [f"a long label {n}" for n in range(60)]
    text = heat_map(names, names, np.ones((60, 60)), title="t", x_label="x", y_label="y")
    assert overlaps(parsed(text)) == 0
    assert len(text) < 500_000


def test_shades() -> None:
    """The ends are the strongest shade and none; what is beyond them is like the ends."""
    sequential = shades("sequential", [2.0, 6.0], None, None)
    assert [sequential.level(v) for v in (2, 4, 6, 9, -9, math.nan)] == [
        0,
        10,
        LEVELS,
        LEVELS,
        0,
        0,
    ]
    diverging = shades("diverging", [0.5, -2.0], None, None)
    assert [diverging.level(v) for v in (2, 1, 0, -1, -5)] == [LEVELS, 10, 0, -10, -LEVELS]
    assert shades("diverging", [], None, 0.5).low == -0.5
    assert shades("sequential", [3.0], None, None).level(3.0) == 0
    assert shades("diverging", [0.0], None, None).level(0.0) == 0


TEXT = "The  tide,\nthe\ttide \u65e5 e\u0301\x07\U0001f600\n\nend"


def test_coloured_text_has_every_character_in_its_place() -> None:
    """Letters stand on the shades of their numbers, line by line; nothing is lost."""
    values = np.linspace(-1, 1, len(TEXT))
    text = coloured_text(list(TEXT), values, title="t", scale="diverging", width=8)
    root = parsed(text)
    letters = of_class(root, "text", "mono")
    shown = "".join(each.text or "" for each in letters).replace(" ", "")
    expected = re.sub(" ", "", TEXT).replace("\n", "↵").replace("\t", "⇥").replace("\x07", "␇")
    assert shown == expected.replace("\u0301", "◌\u0301")
    backs = [box for box in root.iter(f"{SVG}rect") if box.get("height") == "21"]
    first = [
        (shade_of(b, UNDER_LETTERS), float(b.get("x", "")))
        for b in backs
        if b.get("y") == backs[0].get("y")
    ]
    assert first[0][1] == 16
    assert first[0][0] == pytest.approx(-1)
    assert [place for _, place in first] == sorted(place for _, place in first)
    assert min(float(each.get("textLength", 9)) % 9 for each in letters) == 0
    assert "their mean is" in description_of(text)
    wide = float(root.get("width", ""))
    assert all(float(b.get("x", "")) + float(b.get("width", "")) <= wide for b in backs)


def test_lines_break_at_the_width() -> None:
    """A text without line ends becomes lines of `width` columns; a wide symbol is not cut."""
    text = coloured_text(["ab", "c", "\u65e5", "d"] * 3, np.zeros(12), title="t", width=6)
    rows: dict[str, int] = {}
    for each in of_class(parsed(text), "text", "mono"):
        rows[each.get("y", "")] = rows.get(each.get("y", ""), 0) + len(each.text or "")
    assert list(rows.values()) == [5, 5, 5]
    parsed(coloured_text([], [], title="t"))
    with pytest.raises(ValueError, match="2 symbols have 1 numbers"):
        coloured_text(["a", "b"], [1.0], title="t")


class Spans(HTMLParser):
    """Collects text with the class that it stands in."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str] = []
        self.found: list[tuple[str, str]] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        values = dict(attrs)
        self.kinds.append(values.get("class") or "")
        if "title" in values:
            self.titles.append(values["title"] or "")

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self.kinds.pop()

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.found.append((self.kinds[-1], data))


def test_coloured_html() -> None:
    """Spans have the classes of their levels, and the page's style has each of these."""
    reader = Spans()
    reader.feed(coloured_html(list("ab<c\n"), [0.0, 1.0, -1.0, 0.5, 0.5], title="t&",
                              scale="diverging"))  # fmt: skip
    assert reader.found[:4] == [("shaded", "a"), ("p20", "b"), ("n20", "<"), ("p10", "c")]
    words = "".join(text for _, text in reader.found).replace("\xa0", "")
    assert words == "ab<c↵\n-1 to 0 to 1"
    for kind in ("p1", "p20", "n1", "n20"):
        assert f".shaded .{kind}{{" in HTML_STYLE
    notes = Spans()
    notes.feed(coloured_html(["a", '"'], [0, 1], title="t", notes=["likely: <b>", 'a "q"']))
    assert notes.titles == ["likely: <b>", 'a "q"']


def test_the_levels_of_html_are_those_of_the_pictures() -> None:
    """The strongest background has the opacity of the strongest shade."""
    strongest = re.search(rf"\.p{LEVELS}\{{background:rgba\(0,114,178,([.\d]+)\)", HTML_STYLE)
    assert strongest
    assert float(strongest[1]) == UNDER_LETTERS
