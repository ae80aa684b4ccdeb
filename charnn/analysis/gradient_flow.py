"""How far gradients reach back: the norms of dL_T/dh_{T-k} and dL_T/dc_{T-k} by lag k.

L_T is the loss at the last of some steps and nothing else (`charnn.analysis.trace`), so what is
seen at lag k has travelled k steps. The norms are over the units, for each of many random positions
T of a text; a curve is their median, and a band their quartiles. A layer's state counts with all
that it does, to the layers above it too. All is computed in float64: nothing is rounded to 0.

Beside the whole derivative stands its direct path, the way from state to state that passes no
weights, as if every other way were cut, with the gate f_t of the LSTMs and 1 - z_t of the GRUs:

    dL_T/dc_T prod_{t = T-k+1 .. T} f_t         GRU: dL_T/dh_T prod (1 - z_t)

    mean over t of a unit's f_t      what it keeps in a step; time constant -1 / ln mean f, in steps
    mean of 1 - h^2                  the derivative of tanh: 0 if saturated (of the RNN's, where
                                     tanh makes h)
    bound a step                     RNN: the geometric mean over t of sigma(W) max_i (1 - h_i^2)
                                     (`charnn.analysis.spectrum`)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charnn.analysis.decay import Decay, decay_of
from charnn.analysis.positions import states_before, windows_at_random
from charnn.analysis.spectrum import GateSpectrum, spectra
from charnn.analysis.trace import LayerTrace, state_gradients
from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.models.evaluation import WARM_UP
from charnn.models.language_model import LanguageModel
from charnn.nn.rnn import RNN

COLUMNS = 32  # positions side by side, at most
KEPT = 1 << 22  # pre-activations of positions side by side: what their steps compute is kept
LEAST = 4  # symbols of a text: two lags, and a target
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the units' time constants


@dataclass(frozen=True)
class Places:
    """Where gradients are looked at: windows that begin at `starts`, of lags 0 to K."""

    lags: int
    warm_up: int
    starts: Array


@dataclass(frozen=True)
class StateFlow:
    """The norms of a loss's gradient by a state, by lag from 0: median and quartiles.

    `direct` is the median of the direct path's norms, for the state that has such a path.
    """

    state: str
    median: list[float]
    low: list[float]
    high: list[float]
    decay: Decay
    direct: list[float] | None
    direct_decay: Decay | None


@dataclass(frozen=True)
class LayerFlow:
    """A layer: the flow by its states, and what its gates and weights say of it.

    `keeps` is what the state is multiplied by, `f` or `1 - z`, `mean_kept` its mean, and
    `time_constants` the quantiles over units, in steps; None where there is no such gate.
    `mean_slope` is the mean of 1 - h^2; `bound` is None for cells to which it does not apply.
    """

    name: str
    states: list[StateFlow]
    spectra: list[GateSpectrum]
    bound: float | None
    mean_slope: float
    keeps: str | None
    mean_kept: float | None
    time_constants: dict[str, float] | None


@dataclass(frozen=True)
class GradientFlow:
    """A model's gradient flow, layer by layer, at some positions; lags run from 0 to `lags`."""

    lags: int
    positions: int
    warm_up: int
    layers: list[LayerFlow]


def places_in(N: int, lags: int, positions: int, seed: int, warm_up: int = WARM_UP) -> Places:
    """Return random places in a text of N symbols; a short text has fewer lags and positions.

    Raises CorpusError for a text of less than four symbols.
    """
    if N < LEAST:
        raise CorpusError(
            f"the text has {N} symbols that the model knows; {LEAST} are needed; give more text."
        )
    lags = min(lags, (N - 2) // 2)
    span = lags + 2  # the states after lags + 1 symbols, and a target
    warm_up = min(warm_up, (N - span) // 2)
    return Places(lags, warm_up, windows_at_random(N, span, warm_up, positions, seed))


def gradient_flow(
    model: LanguageModel,
    ids: Array,
    places: Places,
    window: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> GradientFlow:
    """Return a model's gradient flow at some places of a text, ids (N,).

    `window` is the number of steps of training's windows; `advance` is told of positions done.
    """
    model = model.with_parameters(model.parameters.astype(np.float64))
    layers = [Sums() for _ in model.stack.layers]
    a_column = (places.lags + 1) * len(layers) * len(model.cell.gates) * model.stack.hidden_size
    columns = max(1, min(COLUMNS, KEPT // a_column))
    for first in range(0, len(places.starts), columns):
        starts = places.starts[first : first + columns]
        follow(model, ids, starts, places, layers)
        advance(len(starts))
    return GradientFlow(
        places.lags,
        len(places.starts),
        places.warm_up,
        [
            sums.flow(model, name, window)
            for sums, name in zip(layers, model.stack.layers, strict=True)
        ],
    )


def follow(
    model: LanguageModel, ids: Array, starts: Array, places: Places, layers: list[Sums]
) -> None:
    """Add some of the places to what is collected of the layers; nothing else is kept."""
    read = ids[starts + np.arange(places.lags + 2)[:, None]]
    before = states_before(model, ids, starts, places.warm_up)
    found = state_gradients(model, read, places.lags, before)
    for sums, gradients, layer in zip(layers, found.layers, found.traced, strict=True):
        sums.add(model, gradients, layer)


class Sums:
    """What is collected of one layer: norms (K + 1, B) by state, and what its gates did."""

    def __init__(self) -> None:
        self.norms: defaultdict[str, list[Array]] = defaultdict(list)
        self.direct: list[Array] = []
        self.kept: list[Array] = []  # by unit, the sum over time and positions
        self.slopes: list[Array] = []  # (T, B): mean over units
        self.steepest: list[Array] = []  # (T, B): largest over units

    def add(self, model: LanguageModel, gradients: dict[str, Array], layer: LayerTrace) -> None:
        """Add some positions: gradients (K + 1, B, H), and the gates and states on their way."""
        for state, gradient in gradients.items():
            self.norms[state].append(norms(gradient))
        slope = 1 - layer.states["h"][1:] ** 2
        self.slopes.append(slope.mean(axis=-1))
        self.steepest.append(slope.max(axis=-1))
        kept = keeping(layer.gates)
        if kept is not None:
            last = gradients[model.cell.states[-1]][0]
            self.direct.append(norms(direct_path(last, kept[1])))
            self.kept.append(kept[1].mean(axis=0))

    def flow(self, model: LanguageModel, name: str, window: int | None) -> LayerFlow:
        """Return what there is to say of the layer."""
        found = spectra(model, name)
        states = [
            self.of_state(state, window, direct=state == model.cell.states[-1])
            for state in model.cell.states
        ]
        bound = None
        if isinstance(model.cell, RNN):
            steps = np.concatenate(self.steepest, axis=1)
            bound = found[0].largest_singular * float(np.exp(np.log(steps).mean()))
        keeps, mean_kept, constants = None, None, None
        if self.kept:
            units = np.concatenate(self.kept).mean(axis=0)
            keeps, mean_kept = keeping_gate(model.cell.gates), float(units.mean())
            constants = time_constants(units)
        slope = float(np.concatenate(self.slopes, axis=1).mean())
        return LayerFlow(name, states, found, bound, slope, keeps, mean_kept, constants)

    def of_state(self, state: str, window: int | None, direct: bool) -> StateFlow:
        """Return the curves of one state."""
        every = np.concatenate(self.norms[state], axis=1)
        low, median, high = np.quantile(every, (0.25, 0.5, 0.75), axis=1)
        path = None
        if direct and self.direct:
            path = np.median(np.concatenate(self.direct, axis=1), axis=1)
        return StateFlow(
            state,
            median.tolist(),
            low.tolist(),
            high.tolist(),
            decay_of(median, window),
            None if path is None else path.tolist(),
            None if path is None else decay_of(path, window),
        )


def norms(gradients: Array) -> Array:
    """Return the Euclidean norms over the units: (..., H) -> (...)."""
    found: Array = np.linalg.norm(gradients, axis=-1)
    return found


def keeping_gate(gates: tuple[str, ...]) -> str | None:
    """Return what multiplies the state from one step to the next: a gate, 1 minus it, or None."""
    return "f" if "f" in gates else "1 - z" if "z" in gates else None


def keeping(gates: dict[str, Array]) -> tuple[str, Array] | None:
    """Return what multiplies the state from one step to the next, (T, B, H), and its name."""
    name = keeping_gate(tuple(gates))
    if name is None:
        return None
    return name, gates["f"] if name == "f" else 1 - gates["z"]


def direct_path(last: Array, kept: Array) -> Array:
    """Return the gradient's share on the direct path by lag, (K + 1, B, H).

    `last` (B, H) is the gradient by the last state, `kept` (K + 1, B, H) what multiplies the state
    at each step up to the last one.
    """
    product = np.cumprod(kept[:0:-1], axis=0)
    return np.concatenate([last[None], last * product])


def time_constants(kept: Array) -> dict[str, float]:
    """Return quantiles over units (H,) of -1 / ln of what each keeps of its state in a step."""
    steps = -1 / np.log(np.clip(kept, 1e-12, 1 - 1e-12))
    values = np.quantile(steps, QUANTILES)
    return {
        f"{quantile:.0%}": float(value) for quantile, value in zip(QUANTILES, values, strict=True)
    }
