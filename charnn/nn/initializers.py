"""How parameters start."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array


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
