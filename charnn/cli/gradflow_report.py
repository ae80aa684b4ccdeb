"""What `charnn gradflow` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charnn.analysis.clipping_record import ClippingRecord
from charnn.analysis.gradient_flow import GradientFlow, LayerFlow, StateFlow
from charnn.analysis.vanishing import STEPS, UNITS, Arithmetic
from charnn.cli.console import show, show_table
from charnn.cli.marked_text import show_sentences
from charnn.cli.text_plot import Points, text_plot
from charnn.report.gradient_words import clipping_in_words, course, meaning, percent, product_of

NONE = "-"
AT = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # lags of a table
COLUMNS = 46  # of a terminal with 80, for figures beside their names
LOWEST = 1e-15  # of a plot, in shares of the highest norm


@dataclass(frozen=True)
class Findings:
    """A model's gradient flow, that of its untrained weights, and what its run's record says."""

    checkpoint: str
    symbols: int
    seq_length: int
    trained: GradientFlow
    untrained: GradientFlow
    clipping: ClippingRecord | None


def show_findings(found: Findings, cell: str, quiet: bool) -> None:
    """Print tables, a plot and what they mean, layer by layer."""
    trained = found.trained
    show(
        f"{found.checkpoint}: {cell}, the losses at {trained.positions} of {found.symbols:,} "
        f"symbols, lags 0 to {trained.lags}"
    )
    for after, before in zip(trained.layers, found.untrained.layers, strict=True):
        show("")
        flows = {"trained": after, "untrained": before}
        show_flow(after.name, flows, found.seq_length)
        if not quiet:
            plot_layer(after, before)
            show("")
        show_spectra(after.name, flows)
        show_units(after.name, flows)
        if not quiet:
            for sentence in meaning(after, before, found.seq_length):
                show_sentences(sentence)
    if found.clipping is not None:
        show("")
        show_sentences(clipping_in_words(found.clipping))


def show_cells(flows: Mapping[str, GradientFlow], start: str, quiet: bool) -> None:
    """Print the experiment: tables, a plot, and the arithmetic of the textbooks."""
    show(f"untrained networks: {UNITS} units, {STEPS} steps, recurrent weights start {start}")
    show("")
    layers = {cell: flow.layers[0] for cell, flow in flows.items()}
    parts = side_by_side(layers)
    for part in parts:
        show_flow("", part, None)
    if not quiet:
        marks = marks_for(list(layers))
        show("by h: " + ", ".join(f"{mark} {cell}" for cell, mark in marks.items()))
        plot({marks[cell]: layer.states[0].median for cell, layer in layers.items()})
        show("")
    for part in parts:
        show_spectra("", part)
        show_units("", part)
    if not quiet:
        for cell, layer in layers.items():
            h = layer.states[0]
            left = h.median[-1] / (h.median[0] or 1)
            show(
                f"{cell}: by h, a loss's gradient {course(h)}; {STEPS - 1} steps back, "
                f"{left:.2g} of its norm is left."
            )
        show("These networks have learned nothing: compare `charnn gradflow CKPT TEXT`.")
        show("")
    facts = Arithmetic()
    show(f"0.9^100 = {facts.shrinking:.2e}, 1.1^100 = {facts.growing:,.0f}: a factor a step")
    show(
        f"sigma(1) = {facts.gate:.2f}: what a forget gate of bias 1 keeps; "
        f"half-life {facts.half_life:.1f} steps"
    )


def side_by_side(layers: Mapping[str, LayerFlow]) -> list[dict[str, LayerFlow]]:
    """Return networks in groups whose columns fit into a terminal."""
    parts: list[dict[str, LayerFlow]] = []
    room = 0
    for name, layer in layers.items():
        width = len(layer.states) * (len(name) + 5)
        if width > room:
            parts.append({})
            room = COLUMNS
        parts[-1][name] = layer
        room -= width
    return parts


def show_flow(title: str, flows: Mapping[str, LayerFlow], window: int | None) -> None:
    """Print the curves of some networks' layer, a column for each state."""
    columns: list[tuple[str, StateFlow]] = []
    for name, layer in flows.items():
        columns += [(f"{name} {state.state}", state) for state in layer.states]
    last = len(columns[0][1].median) - 1
    rows = [["norm at lag 0", *(number(state.median[0]) for _, state in columns)]]
    lags = [lag for lag in AT if lag < last] + [last]
    for lag in lags:
        left = (state.median[lag] / (state.median[0] or 1) for _, state in columns)
        rows.append([f"share at lag {lag}", *map(number, left)])
    rows += [
        ["factor a step", *(number(state.decay.factor, ".4f") for _, state in columns)],
        ["half-life, steps", *(number(state.decay.half_life, ".1f") for _, state in columns)],
        ["below 1 % from lag", *(number(s.decay.lag_at_one_percent, "d") for _, s in columns)],
    ]
    if window is not None:
        shares = [percent(state.decay.beyond) for _, state in columns]
        rows.append([f"at lags from {window}", *shares])
    if any(state.direct_decay is not None for _, state in columns):
        gates = {str(layer.keeps) for layer in flows.values() if layer.keeps is not None}
        name = " or ".join(map(product_of, sorted(gates)))
        direct = [state.direct_decay for _, state in columns]
        factors = [None if each is None else each.factor for each in direct]
        lives = [None if each is None else each.half_life for each in direct]
        rows += [
            [f"factor of {name}", *(number(factor, ".4f") for factor in factors)],
            ["its half-life, steps", *(number(life, ".1f") for life in lives)],
        ]
    heading = "gradient of the loss at T by the state at T - k"
    show_table(
        f"{title}: {heading}" if title else heading,
        ["median norm", *(name for name, _ in columns)],
        rows,
        ["median norm"],
    )


def show_spectra(title: str, flows: Mapping[str, LayerFlow]) -> None:
    """Print the spectral radius and largest singular value of the recurrent weights, by gate."""
    known = {name: layer for name, layer in flows.items() if layer.spectra}
    if not known:
        show(f"{title + ': ' if title else ''}no weights multiply the state of this cell.")
        return
    gates = list(dict.fromkeys(s.gate for layer in known.values() for s in layer.spectra))
    rows = []
    for gate in gates:
        row = [gate]
        for layer in known.values():
            own = next((s for s in layer.spectra if s.gate == gate), None)
            row += (
                [NONE, NONE]
                if own is None
                else [
                    f"{own.radius:.3f}",
                    f"{own.largest_singular:.3f}",
                ]
            )
        rows.append(row)
    heading = "recurrent weights W_hh, by gate"
    names = [f"{name} {letter}" for name in known for letter in ("rho", "sigma")]
    show_table(f"{title}: {heading}" if title else heading, ["gate", *names], rows, ["gate"])


def show_units(title: str, flows: Mapping[str, LayerFlow]) -> None:
    """Print what units and gates say of the flow."""
    layers = list(flows.values())
    rows = [["mean 1 - h^2", *(f"{layer.mean_slope:.3f}" for layer in layers)]]
    if any(layer.bound is not None for layer in layers):
        bounds = [number(layer.bound, ".3f") for layer in layers]
        rows.append(["factor a step at most (geometric mean)", *bounds])
    keeps = {layer.keeps for layer in layers if layer.keeps is not None}
    if keeps:
        name = " or ".join(sorted(keeps))
        rows.append([f"mean {name}", *(number(layer.mean_kept, ".3f") for layer in layers)])
        quantiles = next(layer.time_constants for layer in layers if layer.time_constants)
        for quantile in quantiles:
            values = [(layer.time_constants or {}).get(quantile) for layer in layers]
            what = f"time constant, {quantile} of units below (steps)"
            rows.append([what, *(number(value, ".1f") for value in values)])
    heading = "units and gates"
    show_table(f"{title}: {heading}" if title else heading, ["", *flows], rows, [""])


def plot_layer(after: LayerFlow, before: LayerFlow) -> None:
    """Draw a layer's norms by lag: trained, and before training by h."""
    curves = {".": before.states[0].median}
    words = [". untrained h"]
    for mark, state in zip("*o", after.states, strict=False):
        curves[mark] = state.median
        words.append(f"{mark} trained {state.state}")
    show(", ".join(reversed(words)))
    plot(curves)


def plot(curves: Mapping[str, Sequence[float]]) -> None:
    """Draw norms by lag as a text plot over a logarithmic axis; what is far down is left out."""
    floor = LOWEST * max(max(norms) for norms in curves.values())
    drawn = [
        Points(mark, [(k, math.log10(norm)) for k, norm in enumerate(norms) if norm > floor])
        for mark, norms in curves.items()
    ]
    if any(group.points for group in drawn):
        for line in text_plot(drawn, "k", "log10 of the norm"):
            show(line.rstrip())


def marks_for(names: Sequence[str]) -> dict[str, str]:
    """Return a character for each name: its first letter that is still free."""
    marks: dict[str, str] = {}
    for name in names:
        free = [letter for letter in f"{name}0123456789" if letter not in (*marks.values(), "-")]
        marks[name] = free[0]
    return marks


def number(value: float | None, form: str = ".3g") -> str:
    """Return a number for a table."""
    return NONE if value is None else format(value, form)
