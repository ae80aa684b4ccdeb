"""All parameters of a model in one flat vector, with a named view for each array.

So adding gradients, clipping by the global norm, an optimiser's update, finite differences and a
checkpoint are each a line on the vector, while the mathematics reads the names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Shape


class Parameters(Mapping[str, Array]):
    """Named arrays that are views of one contiguous vector `flat`, in the order of `shapes`."""

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        dtype: npt.DTypeLike = np.float32,
        flat: Array | None = None,
    ) -> None:
        """Lay the arrays out over `flat`, or over zeros; flat.size must be the shapes' total."""
        self.shapes = dict(shapes)
        size = count(self.shapes)
        self.flat = np.zeros(size, dtype) if flat is None else flat
        if self.flat.shape != (size,):
            raise ValueError(f"flat has shape {self.flat.shape}, the shapes need ({size},)")
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            self._views[name] = self.flat[start:end].reshape(shape)
            start = end

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def group(self, prefix: str) -> dict[str, Array]:
        """Return the arrays named `prefix/...`, without the prefix."""
        start = f"{prefix}/"
        return {
            name.removeprefix(start): view
            for name, view in self._views.items()
            if name.startswith(start)
        }

    def zeros_like(self) -> Parameters:
        """Return zeros of the same layout and type: the place for gradients."""
        return Parameters(self.shapes, self.flat.dtype)

    def astype(self, dtype: npt.DTypeLike) -> Parameters:
        """Return a copy in another floating-point type."""
        return Parameters(self.shapes, flat=self.flat.astype(dtype))


def count(shapes: Mapping[str, Shape]) -> int:
    """Return the number of parameters in a table of shapes."""
    return sum(math.prod(shape) for shape in shapes.values())
