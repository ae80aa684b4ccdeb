"""How parameters start: functions `(out, random)` that fill an array."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from charnn.arrays import Array
from charnn.nn.parameters import Start


def glorot(out: Array, random: np.random.Generator, gain: float = 1.0) -> None:
    """Fill `(..., D, H)` uniformly within +- gain sqrt(6 / (D + H)) (Glorot and Bengio, 2010)."""
    bound = gain * (6 / (out.shape[-2] + out.shape[-1])) ** 0.5
    out[...] = random.uniform(-bound, bound, out.shape)


def orthogonal(out: Array, random: np.random.Generator) -> None:
    """Fill each `(H, H)` of `(..., H, H)` with a random orthogonal matrix (Saxe et al., 2014).

    The Q of a Gaussian matrix, its columns' signs set by R's diagonal, is uniformly distributed.
    """
    Q, R = np.linalg.qr(random.standard_normal(out.shape))
    diagonal = np.sign(np.diagonal(R, axis1=-2, axis2=-1))
    out[...] = Q * diagonal[..., None, :]


def gaussian(out: Array, random: np.random.Generator) -> None:
    """Fill with the standard normal distribution, as embeddings start."""
    out[...] = random.standard_normal(out.shape)


def zeros(out: Array, random: np.random.Generator) -> None:  # noqa: ARG001
    """Fill with zeros, as most biases start."""
    out[...] = 0


def ones(out: Array, random: np.random.Generator) -> None:  # noqa: ARG001
    """Fill with ones, as gains start."""
    out[...] = 1


def scaled_glorot(gain: float) -> Start:
    """Return `glorot` with a gain."""
    return partial(glorot, gain=gain)


def by_gate(values: Sequence[float]) -> Start:
    """Return a start for `(G, H)` that gives all units of a gate the gate's value."""

    def start(out: Array, random: np.random.Generator) -> None:  # noqa: ARG001
        out.T[...] = values

    return start


RECURRENT: dict[str, Start] = {"orthogonal": orthogonal, "glorot": glorot}
