"""Starting from another model's weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charnn.models.model import Model

Symbols = Mapping[int, int]


def adopt_weights(model: Model, source: Model, symbols: Mapping[str, Symbols]) -> None:
    """Copy a model's weights into one with other symbols: `symbols` maps ids to the source's.

    It does so for each axis that runs over symbols, by the axis's name. What belongs to a symbol (a
    row of the input, a column of the output) is copied by the symbol; symbols that the source lacks
    keep the weights that they have.
    """
    for name, spec in model.specs.items():
        array, known = model.parameters[name], source.parameters[name]
        axis = next((n for n, axis in enumerate(spec.axes) if axis.name in symbols), None)
        if axis is None:
            array[...] = known
            continue
        shared = symbols[spec.axes[axis].name]
        rows = np.moveaxis(array, axis, 0)
        rows[list(shared)] = np.moveaxis(known, axis, 0)[list(shared.values())]
