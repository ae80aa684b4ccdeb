"""Pictures of how much of the past a model uses, and of what its states hold of it."""

from __future__ import annotations

import numpy as np

from charnn.analysis.context import ContextUse
from charnn.analysis.probes import Probes
from charnn.pictures import Mark, Series, line_chart


def context_picture(context: ContextUse, window: int | None = None) -> str:
    """Return the loss by the number of characters read as SVG; `window` is training's steps."""
    loss, error = np.array(context.loss)[1:], np.array(context.error)[1:]
    k = np.arange(1, len(context.loss))
    marks = [Mark(context.full, "with all of the context", level=True)]
    if window is not None and window < len(context.loss):
        marks.append(Mark(window, "a window of training"))
    return line_chart(
        [Series("loss", k, loss, loss - 2 * error, loss + 2 * error)],
        title="How much of the past the model uses",
        x_label="characters read since zero states",
        y_label="bits per character",
        log_x=True,
        marks=marks,
        description=(
            "The loss by the number of characters read; the band is two standard errors of its "
            "difference from the loss with all of the context."
        ),
    )


def probes_picture(trained: Probes, untrained: Probes | None = None) -> str:
    """Return what states tell of earlier characters by lag as SVG, below H(x)."""
    first = trained.states[0].probes
    lags = [probe.lag for probe in first]
    series = [Series("H(x): all there is", lags, [probe.entropy for probe in first])]
    for name, probes in (("trained", trained), ("untrained", untrained)):
        for state in probes.states if probes is not None else ():
            bits = [probe.bits for probe in state.probes]
            series.append(Series(f"{name}, {state.state}", lags, bits))
    return line_chart(
        series,
        title="What a state still tells of earlier characters, at least",
        x_label="lag k (steps back)",
        y_label="bits",
        description="Lower bounds of the information by linear probes, on text they did not see.",
    )
