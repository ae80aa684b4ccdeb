"""Line charts: the points stand where the ticks' labels say that their numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from svg_reading import (
    description_of,
    frame_of,
    lines_of,
    of_class,
    overlaps,
    parsed,
    read_back,
    ticks_of,
)

from charnn.pictures import Mark, Series, histogram, line_chart
from charnn.pictures.axes import Axis
from charnn.pictures.frame import Frame

X = np.array([2.0, 3.5, 7.0, 11.0, 26.0])
Y = np.array([[3.25, 0.7, 1.9, 0.11, 4.9], [0.052, 44.0, 3.1, 170.0, 0.9]])


def chart(**options: object) -> str:
    """Return a picture of two lines."""
    series = [Series("first", X, Y[0]), Series("second", X, Y[1])]
    return line_chart(series, title="Two", x_label="lag", y_label="norm", **options)


def wrong(log_x: bool, log_y: bool) -> bool:
    """Return whether a point stands elsewhere than its numbers, read by the labels' places."""
    found = read_back(parsed(chart(log_x=log_x, log_y=log_y)), log_x, log_y)
    for line, y in zip(found, Y, strict=True):
        for axis, values, log in ((0, X, log_x), (1, y, log_y)):
            scale = 1.0 if not log else np.abs(values)
            room = 0.01 * np.ptp(np.concatenate([X, *Y]) if axis else X) if not log else 0.02
            if np.any(np.abs(line[:, axis] - values) / scale > room):
                return True
    return False


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
def test_points_stand_where_their_numbers_are(log_x: bool, log_y: bool) -> None:
    """The ticks' labels, read back, give the numbers; upwards and to the right is more."""
    assert not wrong(log_x, log_y)
    across, upwards = ticks_of(parsed(chart(log_x=log_x, log_y=log_y)))
    assert np.all(np.diff(across[:, 1]) > 0)
    assert np.all(np.diff(upwards[:, 1]) < 0)


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points on an inverted axis, or in another scale than their labels, are seen to be wrong."""
    place, calls = Axis.place, []

    def inverted(axis: Axis, value: float) -> float:
        at = place(axis, value)
        calls.append(value)
        return axis.start + axis.end - at if value in Y else at

    def without_logarithm(axis: Axis, value: float) -> float:
        if not axis.logarithmic or value not in Y:
            return place(axis, value)
        return axis.start + (value - axis.low) / (axis.high - axis.low) * (axis.end - axis.start)

    monkeypatch.setattr(Axis, "place", inverted)
    assert wrong(False, False)
    assert calls
    monkeypatch.setattr(Axis, "place", without_logarithm)
    assert wrong(False, True)
    assert not wrong(False, False)


def test_bands_and_marks() -> None:
    """A band follows its edges; marks stand at their numbers with their words."""
    band = Series("median", X, Y[0], low=Y[0] - 0.1, high=Y[0] + 1)
    marks = [Mark(11, "window"), Mark(2.0, "half", level=True)]
    text = line_chart([band], title="t", x_label="x", y_label="y", marks=marks)
    root = parsed(text)
    (area,) = of_class(root, "path", "band")
    corners = np.array([p.split() for p in area.get("d", "")[1:-1].split("L")], float)
    (pieces,) = lines_of(root)
    line = np.concatenate(pieces)
    assert np.array_equal(corners[:5, 0], line[:, 0])
    assert np.array_equal(corners[:4:-1, 0], line[:, 0])
    assert np.all(corners[:5, 1] < line[:, 1])
    assert np.all(corners[:4:-1, 1] > line[:, 1])
    upright, level = of_class(root, "path", "mark")
    _, upwards = ticks_of(root)
    slope, start = np.polyfit(upwards[:, 0], upwards[:, 1], 1)
    assert float(upright.get("d", "")[1:].split()[0]) == line[3, 0]
    assert float(level.get("d", "").split()[1].split("H")[0]) == pytest.approx(
        start + 2 * slope, abs=0.2
    )
    assert {"window", "half"} <= {each.text for each in root.iter() if each.text}
    assert "window at 11" in description_of(text)


def test_what_cannot_be_shown_interrupts_a_line() -> None:
    """So do None, not a number, infinity and, on a logarithmic axis, zero; the words say it."""
    y = [1.0, 2.0, None, 3.0, math.nan, math.inf, 0.0, 5.0]
    linear = line_chart([Series("a", range(8), y)], title="t", x_label="x", y_label="y")
    (pieces,) = lines_of(parsed(linear))
    assert [len(piece) for piece in pieces] == [2, 1, 2]
    assert "3 values cannot be shown" in description_of(linear)
    log = line_chart([Series("a", range(8), y)], title="t", x_label="x", y_label="y", log_y=True)
    (pieces,) = lines_of(parsed(log))
    assert [len(piece) for piece in pieces] == [2, 1, 1]


@pytest.mark.parametrize("series", [[], [Series("a", [], [])], [Series("a", [1], [math.nan])]])
@pytest.mark.parametrize("log", [False, True])
def test_nothing_to_show_is_said(series: list[Series], log: bool) -> None:
    """A picture without points has axes and says that there is no data."""
    text = line_chart(
        series, title="t", x_label="x", y_label="y", log_x=log, log_y=log, marks=[Mark(-1, "m")]
    )
    assert "no data" in {each.text for each in parsed(text).iter()}


def test_long_lines_are_thinned_out() -> None:
    """They keep their first and last point and every peak, and the picture is small."""
    y = np.sin(np.arange(200_000) / 50)
    y[77_777] = 9.0
    text = line_chart([Series("a", np.arange(y.size), y)], title="t", x_label="x", y_label="y")
    (line,) = read_back(parsed(text))
    assert len(line) <= 1000
    assert len(text) < 25_000
    assert line[:, 1].max() == pytest.approx(9, abs=0.1)
    assert line[0, 0] == pytest.approx(0, abs=200)
    assert line[-1, 0] == pytest.approx(y.size, abs=200)
    assert "highest 9 at 77,777" in description_of(text)


def test_words() -> None:
    """The description names the lines' main numbers; the legend stands where there are several."""
    text = chart(description="What is shown.")
    words = description_of(text)
    assert words.startswith("What is shown. first: norm from 3.25 at lag 2 to 4.9 at 26;")
    assert "lowest 0.11 at 11, highest 4.9 at 26." in words
    names = [each.text for each in parsed(text).iter()]
    assert names.count("first") == names.count("second") == 1
    alone = line_chart([Series("first", X, Y[0])], title="t", x_label="x", y_label="y")
    assert "first" not in [each.text for each in parsed(alone).iter()]


def test_hostile_words_are_escaped() -> None:
    """Markup and control characters of names are shown, not obeyed."""
    name = "<b>&amp;\"'\x00\x1b\ud800]]>"
    text = line_chart(
        [Series(name, X, Y[0]), Series("b", X, Y[1])], title=name, x_label=name, y_label=name
    )
    title = parsed(text).findtext("{http://www.w3.org/2000/svg}title")
    assert title == "<b>&amp;\"'\ufffd\ufffd\ufffd]]>"


def test_labels_do_not_overlap() -> None:
    """Neither with long names nor with long numbers, and all stay inside the picture."""
    series = [Series(f"a rather long name of a run, number {n}", X * 1e7, Y[0]) for n in range(9)]
    for log in (False, True):
        text = line_chart(series, title="t" * 200, x_label="x", y_label="y", log_y=log)
        root = parsed(text)
        assert overlaps(root) == 0
        left, top, bottom, right = frame_of(root)
        assert 0 < left < right < 720
        assert 0 < top < bottom < float(root.get("height", ""))


def test_pictures_are_deterministic() -> None:
    """The same numbers give the same text."""
    assert chart() == chart()


def test_lines_differ_by_more_than_colour() -> None:
    """Each line has a dash pattern and a mark of its own."""
    root = parsed(chart())
    style = root.findtext("{http://www.w3.org/2000/svg}style") or ""
    dashes = [part.split("}")[0] for part in style.split("stroke-dasharray:")[2:8]]
    assert len(set(dashes)) == 6
    dots = {kind: {p.get("d", "").split("m")[1] for p in of_class(root, "path", f"f{kind}")}
            for kind in (0, 1)}  # fmt: skip
    assert not dots[0] & dots[1]


def test_histograms() -> None:
    """Each group's shares are those of its bins, and add up to one."""
    values = {"a": [0.1, 0.2, 0.6, 0.9], "b": [0.5, 0.5, math.nan]}
    text = histogram(values, title="t", x_label="x", bins=4, limits=(0, 1))
    first, second = read_back(parsed(text))
    assert first[1::2, 1] == pytest.approx([0.5, 0, 0.25, 0.25, 0], abs=0.01)
    assert second[1::2, 1] == pytest.approx([0, 0, 1, 0, 0], abs=0.01)
    assert "a: 4 values, quartiles 0.175, 0.4, 0.675." in description_of(text)
    assert "b: 2 values" in description_of(text)
    parsed(histogram({"none": []}, title="t", x_label="x"))
    parsed(histogram({"one": [3, 3]}, title="t", x_label="x"))


def test_crowded_ticks_have_fewer_labels() -> None:
    """Numbers that are too wide for all ticks leave some out."""
    narrow = Axis(0, 9e8, 50, 250, tuple(1e8 * n for n in range(10)))
    frame = Frame("t", "x", "y", narrow, Axis(0, 1, 300, 100, (0.0, 1.0)))
    root = parsed(frame.drawn("Nothing.", []))
    assert overlaps(root) == 0
    across, _ = ticks_of(root)
    assert 2 <= len(across) < 10


@pytest.mark.parametrize(("many", "marked"), [(5, 5), (25, 25), (400, 10)])
def test_points_are_marked(many: int, marked: int) -> None:
    """All points of a short line, some of a long one, each where the line passes."""
    x = np.arange(many)
    root = parsed(line_chart([Series("a", x, x % 7)], title="t", x_label="x", y_label="y"))
    (pieces,) = lines_of(root)
    corners = {tuple(point) for piece in pieces for point in piece}
    dots = [path.get("d", "")[1:].split("m")[0] for path in of_class(root, "path", "f0")]
    assert len(dots) == marked
    assert {tuple(map(float, dot.split())) for dot in dots} <= corners
