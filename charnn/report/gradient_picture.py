"""Gradient norms by lag as a picture: how far a loss reaches back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from charnn.analysis.gradient_flow import GradientFlow, LayerFlow
from charnn.arrays import Array
from charnn.pictures import Mark, Series, line_chart

X_LABEL, Y_LABEL = "lag k (steps back from the loss)", "norm of the gradient"


def gradient_picture(
    trained: GradientFlow, untrained: GradientFlow | None = None, window: int | None = None
) -> str:
    """Return a model's gradient flow as SVG, beside that of its untrained weights.

    One layer has all its states, with quartiles, and the direct path; of several layers it is the
    median of each one's last state. `window` marks the steps of training's windows.
    """
    flows = {"trained": trained} | ({} if untrained is None else {"untrained": untrained})
    if len(trained.layers) == 1:
        return layer_picture({name: flow.layers[0] for name, flow in flows.items()}, window)
    series = [
        Series(f"{name}, {layer.name} {layer.states[-1].state}", *points(layer.states[-1].median))
        for name, flow in flows.items()
        for layer in flow.layers
    ]
    return semilog(series, "How far a loss reaches back, layer by layer", window)


def layer_picture(flows: Mapping[str, LayerFlow], window: int | None = None) -> str:
    """Return one layer's gradient flow as SVG: its states in each of some networks, by name."""
    series: list[Series] = []
    paths: list[tuple[str, list[float]]] = []
    for name, layer in flows.items():
        for state in layer.states:
            lags, median = points(state.median)
            series.append(Series(f"{name}, {state.state}", lags, median, state.low, state.high))
            if state.direct is not None and not paths:
                label = f"{name}, {state.state} by prod {in_brackets(layer.keeps)} alone"
                paths.append((label, state.direct))
    floor = min(min(layer.states[0].median) for layer in flows.values())
    for label, direct in paths:  # as far down as the other lines: they are what matters
        lags, values = points(direct)
        series.append(Series(label, lags, np.where(values >= floor, values, np.nan)))
    return semilog(series, "How far a loss reaches back", window)


def cells_picture(flows: Mapping[str, GradientFlow]) -> str:
    """Return the gradient flow by h of networks with one layer as SVG, cell against cell."""
    series = []
    for name, flow in flows.items():
        h = flow.layers[0].states[0]
        lags, median = points(h.median)
        series.append(Series(name, lags, median, h.low, h.high))
    return semilog(series, "How far a loss reaches back in untrained networks: by h", None)


def semilog(series: list[Series], title: str, window: int | None) -> str:
    """Return lines by lag over a logarithmic axis."""
    marks = [] if window is None else [Mark(window, "training's windows end here")]
    last = max(len(np.asarray(one.x)) for one in series) - 1
    return line_chart(
        series,
        title=title,
        x_label=X_LABEL,
        y_label=Y_LABEL,
        log_y=True,
        marks=[mark for mark in marks if mark.at <= last],
        description="Medians of the gradients' norms, with their quartiles as bands where drawn.",
    )


def points(values: Sequence[float]) -> tuple[Array, Array]:
    """Return lags and values."""
    return np.arange(len(values)), np.array(values, np.float64)


def in_brackets(gate: str | None) -> str:
    """Return what keeps the state as a factor: `f`, or `(1 - z)`."""
    return f"({gate})" if gate is not None and " " in gate else str(gate)
