"""The functions of a cell's gates, and their derivatives.

`sigmoid` is for reading; the others write into given memory, as the kernels do.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from charnn.arrays import Array


def sigmoid(a: Array) -> Array:
    """Logistic function, `(1 + tanh(a / 2)) / 2`, which cannot overflow."""
    y: Array = (1 + np.tanh(a / 2)) / 2
    return y


@cache
def half_as(dtype: np.dtype[Any]) -> Array:
    """1/2 as an array: NumPy would make one of a number at each call."""
    return np.array(0.5, dtype)


def sigmoid_(a: Array) -> None:
    """Logistic function in place."""
    half = half_as(a.dtype)
    a *= half
    np.tanh(a, out=a)
    a *= half
    a += half


def sigmoid_derivative(y: Array, out: Array) -> None:
    """`y (1 - y)`, the derivative of y = sigma(a) by a."""
    np.subtract(1, y, out=out)
    out *= y


def tanh_derivative(y: Array, out: Array) -> None:
    """`1 - y^2`, the derivative of y = tanh(a) by a."""
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
