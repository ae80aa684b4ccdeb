"""How long a model reads the data's symbols instead of its own: scheduled sampling.

(Bengio et al., 2015, "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks".)
The share of inputs that come from the data falls from 1 to a floor f in the course of N updates:

    linear             1 - (1 - f) i / N
    exponential        k^i                  with k = f^(1/N)
    inverse sigmoid    k / (k + exp(i / k)) with the k that gives f at i = N
"""

from __future__ import annotations

import math
from functools import lru_cache


def share_of_data(kind: str, update: int, total: int, floor: float) -> float:
    """Return the share of inputs from the data at an update, counted from 0, of `total`."""
    if floor == 1:
        return 1.0
    passed = min(1.0, update / total)
    if kind == "linear":
        return 1 - (1 - floor) * passed
    if kind == "exponential":
        return math.pow(floor, passed)
    k = steepness(total, floor)
    return k / (k + math.exp(passed * total / k))


@lru_cache(maxsize=8)
def steepness(total: int, floor: float) -> float:
    """Return the k with `k / (k + exp(total / k)) = floor`, by bisection of its logarithm."""
    low, high = math.log(total / 700), math.log(total) + 40
    for _ in range(100):
        middle = (low + high) / 2
        above = total / math.exp(middle) > middle + math.log((1 - floor) / floor)
        low, high = (middle, high) if above else (low, middle)
    return math.exp(low)
