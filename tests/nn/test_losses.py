"""Softmax and cross-entropy: the values, also where the exponential function overflows."""

from __future__ import annotations

import math

import numpy as np

from charnn.nn.losses import cross_entropy, softmax

LOGITS = np.array([[0.5, -1.0, 2.0], [3.0, 3.0, -3.0], [0.0, 0.0, 0.0]])
TARGETS = np.array([2, 0, 1])


def test_softmax_is_its_definition():
    """`exp(a) / sum exp(a)` over the last axis."""
    expected = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1)[:, None]
    np.testing.assert_allclose(softmax(LOGITS), expected, rtol=1e-14)


def test_softmax_leaves_its_argument():
    """The logits are not written to."""
    logits = LOGITS.copy()
    softmax(logits)
    assert np.array_equal(logits, LOGITS)


def test_softmax_of_huge_logits():
    """Logits of +-10,000 give a distribution, with no overflow."""
    y = softmax(np.array([10_000.0, 9_999.0, -10_000.0]))
    np.testing.assert_allclose(y, [1 / (1 + math.exp(-1)), 1 / (1 + math.e), 0], rtol=1e-12)


def test_cross_entropy_is_minus_log_softmax():
    """Each row's loss is `-log softmax(logits)[target]` in nats."""
    losses, _ = cross_entropy(LOGITS.copy(), TARGETS)
    expected = [-math.log(y[target]) for y, target in zip(softmax(LOGITS), TARGETS, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-14)


def test_cross_entropy_of_equal_logits_is_ln_v():
    """A model that knows nothing has the loss ln V."""
    losses, _ = cross_entropy(np.full((4, 65), 7.0), np.array([0, 1, 2, 64]))
    np.testing.assert_allclose(losses, math.log(65), rtol=1e-14)


def test_cross_entropy_of_huge_logits():
    """A target that has all but no probability has a large, finite loss."""
    losses, backward = cross_entropy(np.array([[10_000.0, -10_000.0]]), np.array([1]))
    assert losses.tolist() == [20_000.0]
    assert backward(1.0).tolist() == [[1.0, -1.0]]


def test_gradient_is_probability_minus_one_hot():
    """The gradient of the logits is `scale (softmax - one_hot)`."""
    _, backward = cross_entropy(LOGITS.copy(), TARGETS)
    expected = 0.5 * (softmax(LOGITS) - np.eye(3)[TARGETS])
    np.testing.assert_allclose(backward(0.5), expected, rtol=0, atol=1e-15)
