"""Pictures of what single units do."""

from __future__ import annotations

from collections.abc import Sequence

from charnn.analysis.neurons import Neurons
from charnn.analysis.unit_portrait import Portrait
from charnn.pictures import bar_chart, coloured_text


def neurons_picture(trained: Neurons, untrained: Neurons | None = None) -> str:
    """Return how well the best unit for each feature follows it as SVG, beside untrained units."""
    names = list(trained.followers)
    labels = []
    for name in names:
        best = trained.followers[name][0]
        labels.append(f"{name} ({best.layer}:{best.unit} {best.state})")
    groups = {
        which: [size_of_r(found, name) for name in names]
        for which, found in (("trained", trained), ("untrained", untrained))
        if found is not None
    }
    return bar_chart(
        labels,
        groups,
        title="What units follow: the best unit for each feature of the text",
        x_label="|r| on the half of the text that did not choose it",
        limits=(0.0, 1.0),
        description="Correlations of a single unit with a feature of the text.",
    )


def unit_picture(found: Portrait, symbols: Sequence[str]) -> str:
    """Return a text coloured by a unit as SVG: blue above its median, orange below."""
    median = found.quantiles["50%"]
    values = [value - median for value in found.beginning]
    return coloured_text(
        symbols,
        values,
        title=f"Unit {found.layer}:{found.unit}, {found.state}: value above its median",
        scale="diverging",
        high=found.spread or 1.0,
        description="Each character has the unit's value after the model has read it.",
    )


def size_of_r(found: Neurons, name: str) -> float:
    """Return |r| of a feature's best unit; NaN where there is none."""
    followers = found.followers.get(name, [])
    r = followers[0].r if followers else None
    return float("nan") if r is None else abs(r)
