"""How parameters start."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.nn.initializers import gaussian, glorot, orthogonal


@pytest.fixture
def random():
    """Return a generator that is the same for each test."""
    return np.random.default_rng(3)


def test_orthogonal(random):
    """Each gate's matrix has `Q^T Q = I`, and no two gates are alike."""
    W = np.empty((3, 20, 20))
    orthogonal(W, random)
    for Q in W:
        np.testing.assert_allclose(Q.T @ Q, np.eye(20), rtol=0, atol=1e-14)
    assert not np.allclose(W[0], W[1])


def test_orthogonal_is_uniform():
    """Q is that of the drawn Gaussian matrix A = Q R with R's diagonal positive (Mezzadri, 2007).

    With the signs that a QR routine happens to choose, Q would not be uniformly distributed.
    """
    W = np.empty((3, 20, 20))
    orthogonal(W, np.random.default_rng(3))
    A = np.random.default_rng(3).standard_normal(W.shape)
    R = W.swapaxes(1, 2) @ A
    np.testing.assert_allclose(R, np.triu(R), rtol=0, atol=1e-13)
    assert (np.diagonal(R, axis1=1, axis2=2) > 0).all()


def test_glorot(random):
    """Entries fill `+-sqrt(6 / (D + H))`, whatever the number of gates."""
    W = np.empty((4, 100, 50))
    glorot(W, random)
    bound = (6 / 150) ** 0.5
    assert 0.999 * bound < W.max() <= bound
    assert -bound <= W.min() < -0.999 * bound
    assert abs(W.mean()) < 4 * bound / (3 * W.size) ** 0.5


def test_gaussian(random):
    """Entries have mean 0 and variance 1."""
    E = np.empty((200, 100))
    gaussian(E, random)
    assert abs(E.mean()) < 4 / E.size**0.5
    assert abs(E.var() - 1) < 4 * (2 / E.size) ** 0.5


@pytest.mark.parametrize("initializer", [glorot, orthogonal, gaussian])
def test_equal_seeds_give_equal_weights(initializer):
    """An initializer draws only from the generator that it is given, in place and in any type."""
    arrays = [np.empty((2, 5, 5), np.float32) for _ in range(3)]
    for array, seed in zip(arrays, (1, 1, 2), strict=True):
        initializer(array, np.random.default_rng(seed))
    assert np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])
