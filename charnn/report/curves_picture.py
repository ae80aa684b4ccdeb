"""Learning curves of runs as a picture."""

from __future__ import annotations

import os

from charnn.analysis.curves import Comparison
from charnn.pictures import Series, line_chart

BOTH = 3  # runs, up to which training losses are drawn, too


def curves_picture(found: Comparison) -> str:
    """Return validation losses, and of few runs training losses, as SVG."""
    names = short_names([run.run for run in found.runs])
    several = len(found.runs) > 1
    series = []
    for name, run in zip(names, found.runs, strict=True):
        before = f"{name}, " if several else ""
        if run.val.x:
            series.append(Series(f"{before}validation", run.val.x, run.val.y))
        if run.train.x and (len(found.runs) <= BOTH or not run.val.x):
            series.append(Series(f"{before}training", run.train.x, run.train.y))
    return line_chart(
        series,
        title=f"Learning curves: loss over {found.across}",
        x_label=found.across,
        y_label=f"loss ({found.unit})",
    )


def short_names(runs: list[str]) -> list[str]:
    """Return the names of runs without the folder that they share."""
    names = [run.replace(os.sep, "/").rstrip("/") for run in runs]
    last = [name.rpartition("/")[2] for name in names]
    return last if len(set(last)) == len(last) else names
