"""How well numbers follow each other: correlations from sums, and the area under the ROC curve."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array

NEGLIGIBLE = 1e-10  # of the mean square: what varies less does not vary


class Sums:
    """Sums over observations of features f (n, F) and units u (n, U), for Pearson's correlation."""

    def __init__(self) -> None:
        self._n = 0
        self._sums: list[Array] = []

    def add(self, features: Array, units: Array) -> None:
        """Add observations, both in float64."""
        parts = [
            features.sum(axis=0),
            (features**2).sum(axis=0),
            units.sum(axis=0),
            (units**2).sum(axis=0),
            features.T @ units,
        ]
        self._n += len(features)
        if self._sums:
            for total, part in zip(self._sums, parts, strict=True):
                total += part
        else:
            self._sums = parts

    def correlations(self) -> Array:
        """Return r (F, U); NaN where one of the two does not vary."""
        f, ff, u, uu, fu = (total / self._n for total in self._sums)
        across, down = (
            np.where(square - mean**2 > NEGLIGIBLE * square, square - mean**2, np.nan)
            for mean, square in ((f, ff), (u, uu))
        )
        r: Array = (fu - np.outer(f, u)) / np.sqrt(np.outer(across, down))
        return r


def correlation(x: Array, y: Array) -> float | None:
    """Return Pearson's correlation of two rows of numbers; None where one does not vary."""
    sums = Sums()
    sums.add(x[:, None].astype(np.float64), y[:, None].astype(np.float64))
    r = float(sums.correlations()[0, 0])
    return None if np.isnan(r) else r


def area(values: Array, truth: Array) -> float | None:
    """Return the AUC: the probability that a value (n,) is larger where `truth` than where not.

    Equal values count half. None where all or none are true.
    """
    true, other = np.sort(values[truth]), np.sort(values[~truth])
    if not len(true) or not len(other):
        return None
    below = np.searchsorted(other, true, "left") + np.searchsorted(other, true, "right")
    return float(below.sum(dtype=np.float64)) / (2 * len(true) * len(other))
