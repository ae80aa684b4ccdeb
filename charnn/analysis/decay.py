"""How fast a curve of gradient norms by lag falls.

    g_k ~ g_0 r^k      r is fitted to ln g_k by least squares over k = 1, 2, ...
    half-life          ln(1/2) / ln r steps, where r < 1

What falls to 0 has no logarithm: the fit uses the lags whose norm is above 0, and finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array

LITTLE = 0.01  # of the norm at lag 0


@dataclass(frozen=True)
class Decay:
    """How fast norms fall. What cannot be said is None.

    `factor` is r. `lag_at_one_percent` is the first lag from which on all norms are below 1 % of
    that at lag 0; None where the last still is not. `beyond` is the share of the norms' sum at lags
    that training never sees, as its windows are shorter; None where no such lag was looked at.
    """

    factor: float | None
    half_life: float | None
    lag_at_one_percent: int | None
    beyond: float | None


def decay_of(norms: Array, window: int | None = None) -> Decay:
    """Return how fast norms (K + 1,) by lag fall; `window` is the steps of training's windows.

    In a window of T steps the loss of the last step reaches back T - 1 steps, the others' less.
    """
    factor = fitted_factor(norms)
    half_life = None
    if factor is not None and 0 < factor < 1:
        half_life = math.log(0.5) / math.log(factor)
    total = float(norms.sum())
    beyond = None
    if window is not None and window < len(norms) and total > 0:
        beyond = float(norms[window:].sum()) / total
    return Decay(factor, half_life, lag_below(norms, LITTLE), beyond)


def fitted_factor(norms: Array) -> float | None:
    """Return r of `g_k ~ g_0 r^k`, fitted over the lags after 0; None without two such lags."""
    lags = np.arange(1, len(norms))
    known = (norms[1:] > 0) & np.isfinite(norms[1:])
    if known.sum() < 2:
        return None
    slope = np.polyfit(lags[known], np.log(norms[1:][known]), 1)[0]
    return float(np.exp(slope))


def lag_below(norms: Array, share: float) -> int | None:
    """Return the first lag from which on all norms are below a share of that at lag 0."""
    above = np.flatnonzero(norms >= share * norms[0])
    first = int(above[-1]) + 1 if above.size else 0
    return first if first < len(norms) else None
