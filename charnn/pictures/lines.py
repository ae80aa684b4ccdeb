"""Lines over an axis, and the outlines of histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from charnn.pictures.axes import in_words, linear, logarithmic
from charnn.pictures.canvas import COLOURS, label, number, shortened, width_of
from charnn.pictures.frame import WIDTH, Frame, dot, room

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

LEAST, MOST = 1e-300, 1e300  # what is beyond is not drawn
MOST_POINTS = 1000  # of a line; a longer one keeps its highest and lowest points
FEW_POINTS = 25  # of a line whose points are marked


@dataclass(frozen=True)
class Series:
    """A line: its name, its points, and the edges of a band around it, such as quartiles.

    A point that is not finite, or not above 0 on a logarithmic axis, interrupts the line.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class Mark:
    """A dotted line across the picture at a value of the horizontal axis, or with `level` of the
    vertical one, and the words beside it.
    """

    at: float
    label: str
    level: bool = False


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    marks: Sequence[Mark] = (),
    description: str = "",
) -> str:
    """Return lines as SVG, with a legend if there are several.

    `description` precedes the main numbers of each line in the text for those who cannot see it.
    """
    lines = [Line(one, log_x, log_y) for one in series]
    x_marks = [mark.at for mark in marks if not mark.level]
    y_marks = [mark.at for mark in marks if mark.level]
    names = tuple(line.name for line in lines) if len(lines) > 1 else ()
    vertical = extent([*(each for line in lines for each in line.heights()), y_marks], log_y)
    across = extent([*(line.x for line in lines), x_marks], log_x)
    scale = logarithmic if log_y else linear
    left, right, top, bottom = room(names, scale(*vertical, 1, 0).labels())
    horizontal = (
        logarithmic(*across, left, right, 8)
        if log_x
        else linear(*across, left, right, 8, fit=False)
    )
    frame = Frame(title, x_label, y_label, horizontal, scale(*vertical, bottom, top), names)
    inside = [line.band(frame, n) for n, line in enumerate(lines)]
    inside += [line.drawn(frame, n) for n, line in enumerate(lines)]
    inside += marked(frame, marks)
    if not any(line.good.any() for line in lines):
        inside.append(label((left + right) / 2, (top + bottom) / 2, "no data", "middle"))
    sentences = [description, *(line.in_words(x_label, y_label) for line in lines)]
    sentences += [f"Marked: {mark.label} at {in_words(mark.at)}." for mark in marks]
    return frame.drawn(" ".join(filter(None, sentences)), [each for each in inside if each])


def histogram(
    groups: Mapping[str, ArrayLike],
    *,
    title: str,
    x_label: str,
    y_label: str = "share of the values",
    bins: int = 40,
    limits: tuple[float, float] | None = None,
    marks: Sequence[Mark] = (),
    description: str = "",
) -> str:
    """Return how the values of groups are spread, as SVG: their shares in `bins` equal bins.

    Without `limits` the bins reach from the lowest value to the highest one.
    """
    values = {name: finite(group) for name, group in groups.items()}
    whole = [group for group in values.values() if group.size]
    low, high = limits or (
        (float(min(map(np.min, whole))), float(max(map(np.max, whole)))) if whole else (0.0, 1.0)
    )
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    lines, words = [], [description]
    for name, group in values.items():
        share = np.histogram(group, edges)[0] / max(group.size, 1)
        around = np.concatenate([[0.0], np.repeat(share, 2), [0.0]])
        lines.append(Series(name, np.repeat(edges, 2), around, np.zeros_like(around), around))
        if group.size:
            quarters = (in_words(float(q)) for q in np.quantile(group, (0.25, 0.5, 0.75)))
            words.append(f"{name}: {group.size:,} values, quartiles {', '.join(quarters)}.")
    return line_chart(
        lines,
        title=title,
        x_label=x_label,
        y_label=y_label,
        marks=marks,
        description=" ".join(filter(None, words)),
    )


class Line:
    """The points of a series that can be shown, thinned out if there are many of them."""

    def __init__(self, series: Series, log_x: bool, log_y: bool) -> None:
        self.name = series.name
        self.x, self.y = numbers(series.x), numbers(series.y)
        self.log_y = log_y
        self.good = drawable(self.x, log_x) & drawable(self.y, log_y)
        self.low = None if series.low is None else numbers(series.low)
        self.high = None if series.high is None else numbers(series.high)
        self.left_out = int(self.y.size - self.good.sum())
        keep = thinned(np.where(self.good, self.y, np.nan))
        self.x, self.y, self.good = self.x[keep], self.y[keep], self.good[keep]
        if self.low is not None and self.high is not None:
            self.low, self.high = self.low[keep], self.high[keep]

    def heights(self) -> list[Numbers]:
        """Return the values that the vertical axis has to hold."""
        edges = [self.low, self.high] if self.low is not None and self.high is not None else []
        return [self.y[self.good], *(edge for edge in edges if edge is not None)]

    def drawn(self, frame: Frame, kind: int) -> str:
        """Return the line, with marks at its points if they are few."""
        path, dots, before = [], [], False
        for x, y, good in zip(self.x, self.y, self.good, strict=True):
            if good:
                at = (frame.x.place(x), frame.y.place(y))
                path.append(f"{'L' if before else 'M'}{number(at[0])} {number(at[1])}")
                dots.append(at)
            before = bool(good)
        if not dots:
            return ""
        few = len(dots) <= FEW_POINTS
        every = [*dots] if few else dots[:: -(-len(dots) // 10)]  # some, so that a line is known
        points = "".join(dot(*at, kind) for at in every)
        return f'<path class="line l{kind % COLOURS}" d="{"".join(path)}"/>{points}'

    def band(self, frame: Frame, kind: int) -> str:
        """Return the band around the line, if it has one."""
        if self.low is None or self.high is None:
            return ""
        edge = frame.y.low
        inside = self.good & drawable(self.low, False) & drawable(self.high, self.log_y)
        upper = [
            (frame.x.place(x), frame.y.place(y))
            for x, y in zip(self.x[inside], self.high[inside], strict=True)
        ]
        lower = [
            (frame.x.place(x), frame.y.place(max(y, edge)))
            for x, y in zip(self.x[inside], self.low[inside], strict=True)
        ]
        around = "L".join(f"{number(x)} {number(y)}" for x, y in [*upper, *reversed(lower)])
        return f'<path class="band f{kind % COLOURS}" d="M{around}Z"/>' if around else ""

    def in_words(self, x_label: str, y_label: str) -> str:
        """Return the line's main numbers as a sentence."""
        x, y = self.x[self.good], self.y[self.good]
        if not x.size:
            return f"{self.name}: no values."
        least, most = int(y.argmin()), int(y.argmax())
        out = f" {self.left_out:,} values cannot be shown." if self.left_out else ""
        return (
            f"{self.name}: {y_label} from {in_words(y[0])} at {x_label} {in_words(x[0])} to "
            f"{in_words(y[-1])} at {in_words(x[-1])}; lowest {in_words(y[least])} at "
            f"{in_words(x[least])}, highest {in_words(y[most])} at {in_words(x[most])}.{out}"
        )


def marked(frame: Frame, marks: Sequence[Mark]) -> list[str]:
    """Return marks with their words: those of one direction stand in rows below each other."""
    parts, upright = [], 0
    for mark in marks:
        axis = frame.y if mark.level else frame.x
        if not drawable(numbers(mark.at), axis.logarithmic).all():
            continue
        at = number(axis.place(mark.at))
        text = shortened(mark.label, 50)
        if mark.level:
            parts.append(
                f'<path class="mark" d="M{number(frame.x.start)} {at}H{number(frame.x.end)}"/>'
                + label(frame.x.end - 4, float(at) - 4, text, "end")
            )
            continue
        y = frame.y.end + 12 + 15 * upright
        upright += 1
        fits = float(at) + 5 + width_of(text) < WIDTH - 4
        place = (float(at) + 5, "") if fits else (float(at) - 5, "end")
        parts.append(
            f'<path class="mark" d="M{at} {number(frame.y.start)}V{number(frame.y.end)}"/>'
            + label(place[0], y, text, place[1])
        )
    return parts


def thinned(y: Numbers) -> NDArray[np.intp]:
    """Return the points that a line of more than `MOST_POINTS` keeps.

    These are the lowest and the highest one of each of equal pieces, and the first and last one.
    """
    if y.size <= MOST_POINTS:
        return np.arange(y.size)
    kept = {0, y.size - 1}
    for piece in np.array_split(np.arange(y.size), MOST_POINTS // 2 - 1):
        known = piece[np.isfinite(y[piece])]
        if known.size:
            kept |= {int(known[y[known].argmin()]), int(known[y[known].argmax()])}
        if known.size < piece.size:  # the line is interrupted here
            kept.add(int(piece[~np.isfinite(y[piece])][0]))
    return np.array(sorted(kept))


def extent(groups: Sequence[Any], positive: bool) -> tuple[float, float]:
    """Return the lowest and the highest value that can be shown, or an axis for no values."""
    values = np.concatenate([finite(group) for group in groups] or [np.empty(0)])
    values = values[drawable(values, positive)]
    if not values.size:
        return (1.0, 10.0) if positive else (0.0, 1.0)
    return float(values.min()), float(values.max())


def numbers(values: Any) -> Numbers:
    """Return values as a vector of floats; None is not a number."""
    return np.array([math.nan if v is None else v for v in np.asarray(values).ravel()], float)


def drawable(values: Numbers, positive: bool) -> NDArray[np.bool_]:
    """Return which values have a place on an axis; on a logarithmic one these are `positive`."""
    known = np.nan_to_num(values, nan=np.inf)
    return (np.abs(known) <= MOST) & ((known >= LEAST) | (not positive))


def finite(values: Any) -> Numbers:
    """Return those values that are finite."""
    vector = numbers(values)
    return vector[np.isfinite(vector)]
