"""How often gates are nearly shut or open, and states saturated.

A gate is nearly shut below 0.1 and nearly open above 0.9 (Karpathy, Johnson and Li, "Visualizing
and Understanding Recurrent Networks", 2015); a state in [-1, 1] is saturated where |h| > 0.9, as
its derivative 1 - h^2 is below 0.19 there. Shares are of all time steps and units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charnn.analysis.trace import LayerTrace, Trace
from charnn.arrays import Array

SHUT, OPEN = 0.1, 0.9
MOSTLY = 0.9  # of the time
CANDIDATES = ("g", "n", "h")  # what gates let in: these are no gates
SIZE = "|h|"


@dataclass(frozen=True)
class Saturation:
    """A gate of a layer, or |h|: its mean, and the shares of time below 0.1 and above 0.9.

    `mostly_below` and `mostly_above` are the numbers of units of which that is so in more than 9
    of 10 time steps.
    """

    layer: str
    gate: str
    mean: float
    below: float
    above: float
    mostly_below: int
    mostly_above: int


class GateCounts:
    """Counts the time steps in which each unit's gates are nearly shut or open."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], int] = {}
        self._sums: dict[tuple[str, str], Array] = {}  # (3, H): values, below, above

    def add(self, trace: Trace) -> None:
        """Count the steps of a trace."""
        for layer in trace.layers:
            for gate, values in gates_of(layer):
                key = layer.name, gate
                rows = values.reshape(-1, values.shape[-1])
                counts = np.stack(
                    [rows.sum(axis=0), (rows < SHUT).sum(axis=0), (rows > OPEN).sum(axis=0)]
                ).astype(np.float64)
                self._steps[key] = self._steps.get(key, 0) + len(rows)
                self._sums[key] = self._sums.get(key, 0) + counts

    def found(self) -> list[Saturation]:
        """Return what was counted, layer by layer."""
        every = []
        for (layer, gate), sums in self._sums.items():
            mean, below, above = sums / self._steps[layer, gate]
            every.append(
                Saturation(
                    layer,
                    gate,
                    float(mean.mean()),
                    float(below.mean()),
                    float(above.mean()),
                    int((below > MOSTLY).sum()),
                    int((above > MOSTLY).sum()),
                )
            )
        return every


def gates_of(layer: LayerTrace) -> Iterator[tuple[str, Array]]:
    """Yield a layer's gates (T, B, H) by name, and the size of its states."""
    for name, values in layer.gates.items():
        if name not in CANDIDATES:
            yield name, values
    yield SIZE, np.abs(layer.states["h"][1:])
