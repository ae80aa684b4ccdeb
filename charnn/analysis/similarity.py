"""Which symbols a model takes for similar: the cosines between their input vectors.

A symbol's vector is its row of the embedding E (V, D) or, with one-hot inputs, its rows of the
first layer's W_xh (G, V, H), of all gates one after the other. The cosine of x and y is

    cos(x, y) = x . y / (||x|| ||y||),

and for independent Gaussian vectors of n numbers |cos| is sqrt(2 / (pi n)) on average, for n that
are not small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel

MOST_SYMBOLS = 40


@dataclass(frozen=True)
class Similarities:
    """Symbols, and the cosines (S, S) between their vectors of `width` numbers.

    The symbols are in an order in which each stands beside one that is like it.
    """

    symbols: tuple[int, ...]
    cosines: Array
    width: int
    source: Literal["embedding", "input weights"]

    @property
    def by_chance(self) -> float:
        """The mean size of the cosine of two random vectors of this width."""
        return min(math.sqrt(2 / (math.pi * self.width)), 1.0)

    @property
    def strongest(self) -> float | None:
        """The largest size of a cosine between two different symbols; None where there is one."""
        off = np.abs(self.cosines[~np.eye(len(self.symbols), dtype=bool)])
        return float(off.max()) if off.size and off.max() > 0 else None

    def pairs(self, many: int) -> list[tuple[int, int, float]]:
        """Return the pairs of symbols that are most alike, the closest first."""
        upper = np.argwhere(np.triu(np.ones(self.cosines.shape, bool), 1))
        ordered = sorted(upper.tolist(), key=lambda at: -float(self.cosines[at[0], at[1]]))
        return [
            (self.symbols[row], self.symbols[column], float(self.cosines[row, column]))
            for row, column in ordered[:many]
        ]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return {
            "symbols": list(self.symbols),
            "cosines": self.cosines.tolist(),
            "width": self.width,
            "source": self.source,
        }


def similar_symbols(model: LanguageModel, ids: Array, most: int = MOST_SYMBOLS) -> Similarities:
    """Return the cosines between the vectors of the `most` frequent symbols of a text, ids (N,)."""
    vectors, source = input_vectors(model)
    counts = np.bincount(ids, minlength=len(vectors))
    frequent = np.argsort(-counts, kind="stable")[: min(most, int((counts > 0).sum()))]
    unit = vectors[frequent]
    lengths = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = unit / np.where(lengths > 0, lengths, 1.0)
    cosines = np.clip(unit @ unit.T, -1.0, 1.0)
    order = chained(cosines)
    return Similarities(
        tuple(int(symbol) for symbol in frequent[order]),
        cosines[np.ix_(order, order)],
        vectors.shape[1],
        source,
    )


def input_vectors(model: LanguageModel) -> tuple[Array, Literal["embedding", "input weights"]]:
    """Return each symbol's vector, (V, D) or (V, G H), in float64, and what it is."""
    if "E" in model.parameters:
        return model.parameters["E"].astype(np.float64), "embedding"
    weights = model.parameters["layer1/W_xh"].astype(np.float64)
    return weights.transpose(1, 0, 2).reshape(weights.shape[1], -1), "input weights"


def chained(cosines: Array) -> list[int]:
    """Return an order that begins with the first and goes on to the likest of those left."""
    order, left = [0][: len(cosines)], list(range(1, len(cosines)))
    while left:
        following = max(left, key=lambda other: float(cosines[order[-1], other]))
        order.append(following)
        left.remove(following)
    return order
