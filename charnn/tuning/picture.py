"""What a search tried, as a picture: the loss of each configuration over the time of its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from charnn.pictures import Series, line_chart
from charnn.pictures.lines import FEW_POINTS
from charnn.tuning.search import START, Result, Search

WORST = 2.0  # times the best loss; what is above is left out, so that the rest can be told apart


def trials_picture(search: Search, unit: str) -> str:
    """Return lines from rung to rung as SVG: those given up after each rung, the start, the best.

    There is at least one result.
    """
    paths: dict[int, list[Result]] = {}
    for rung in range(len(search.plan.sizes)):
        for result in search.ranked(rung):
            paths.setdefault(result.trial, []).append(result)
    best = search.best()
    lowest = min((each.outcome.loss or 0.0 for path in paths.values() for each in path), default=0)
    most = WORST * lowest
    shown = {
        trial: path
        for trial, path in paths.items()
        if all((each.outcome.loss or 0.0) <= most for each in path)
    }
    special = {START} | ({best.trial} if best is not None else set())
    series = []
    for length in range(1, len(search.plan.sizes) + 1):
        group = [
            path for trial, path in shown.items() if len(path) == length and trial not in special
        ]
        if group:
            name = f"up to {group[0][-1].planned:.3g} s"
            series.append(joined(name, group[: FEW_POINTS // length]))
    if START in shown:
        series.append(joined("the start", [shown[START]]))
    if best is not None and best.trial in shown and best.trial != START:
        series.append(joined("the best", [shown[best.trial]]))
    hidden = len(search.candidates) - len(shown)
    return line_chart(
        series,
        title="What was tried: loss over the time of a run",
        x_label="seconds of a run",
        y_label=f"validation loss (nats/{unit})",
        log_x=True,
        description=(
            f"Successive halving of {len(search.candidates):,} configurations; each point is a "
            f"whole run. {hidden:,} are not shown, because they were not tried, diverged, or had "
            f"losses above {WORST:g} times the lowest; gaps between lines count as values, too."
        ),
    )


def joined(name: str, paths: Sequence[Sequence[Result]]) -> Series:
    """Return the lines of several configurations as one series, with gaps between them."""
    x: list[float] = []
    y: list[float] = []
    for path in paths:
        x += [*(each.planned for each in path), math.nan]
        y += [*(each.outcome.loss or math.nan for each in path), math.nan]
    return Series(name, x[:-1], y[:-1])
