"""Clipping of gradients (Pascanu et al., 2013), in place."""

from __future__ import annotations

import math

import numpy as np

from charnn.arrays import Array


def global_norm(gradients: Array) -> float:
    """Return the Euclidean norm of all gradients together."""
    flat = gradients.reshape(-1)
    return math.sqrt(float(flat @ flat))


def clip_by_global_norm(gradients: Array, threshold: float) -> float:
    """Scale gradients to `threshold` where their norm is above it; return the norm before.

    `g <- g threshold / ||g||`. All gradients of a model are one array: `Parameters.flat`.
    """
    norm = global_norm(gradients)
    if norm > threshold:
        gradients *= gradients.dtype.type(clipping_factor(norm, threshold))
    return norm


def clipping_factor(norm: float, threshold: float | None) -> float:
    """Return what gradients of a norm are multiplied by; without a threshold, 1."""
    return 1.0 if threshold is None or not norm > threshold else threshold / norm


def clip_by_value(gradients: Array, limit: float) -> None:
    """Limit every gradient to the interval from `-limit` to `limit`."""
    np.clip(gradients, -limit, limit, out=gradients)
