"""Softmax and cross-entropy: the values, also where the exponential function overflows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planting import planted
from subjects import failing

from charnn.nn.central_differences import check_gradients
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


SMOOTHING = 0.3
UNLIKELY = np.array([1, 2, 0])  # not the largest logit, which is shifted to 0


def smoothed(logits, targets, smoothing):
    """Return each row's cross-entropy with the smoothed distribution, symbol by symbol."""
    losses = []
    for row, target in zip(logits, targets, strict=True):
        log_y = row - math.log(sum(math.exp(logit) for logit in row))
        p = [smoothing / len(row) + (1 - smoothing) * (v == target) for v in range(len(row))]
        losses.append(-sum(p_v * log_y_v for p_v, log_y_v in zip(p, log_y, strict=True)))
    return np.array(losses)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, SMOOTHING, 1.0])
def test_smoothed_loss_is_the_cross_entropy_with_the_smoothed_target(smoothing):
    """`-sum_v p[v] log y[v]`, p = (1 - e) one_hot + e / V."""
    losses, _ = cross_entropy(LOGITS.copy(), UNLIKELY, smoothing)
    np.testing.assert_allclose(losses, smoothed(LOGITS, UNLIKELY, smoothing), rtol=1e-12)


@pytest.mark.parametrize("scale", [0.5, np.array([0.5, 0.0, 2.0])], ids=["a number", "by row"])
def test_gradient_of_the_smoothed_loss(scale):
    """Every coordinate against central differences, by one scale or by one a row."""
    logits = LOGITS.copy()
    _, backward = cross_entropy(LOGITS.copy(), UNLIKELY, SMOOTHING)

    def value():
        return float((scale * cross_entropy(logits.copy(), UNLIKELY, SMOOTHING)[0]).sum())

    gradients = {"logits": backward(scale)}
    assert failing(check_gradients(value, {"logits": logits}, gradients)) == set()


def test_a_row_of_weight_zero_has_a_smoothed_gradient_of_zero():
    """A target behind an end pulls at nothing, smoothed or not."""
    _, backward = cross_entropy(LOGITS.copy(), UNLIKELY, SMOOTHING)
    gradient = backward(np.array([1.0, 0.0, 1.0]))
    assert not gradient[1].any()
    assert gradient[0].all()


@pytest.mark.parametrize("scale", [0.25, np.array([0.25, 0.5, 0.0], np.float32)])
def test_without_smoothing_no_bit_changes(scale):
    """A smoothing of zero is the plain arithmetic, bit for bit, also in float32."""
    logits = (1.3 * LOGITS).astype(np.float32)
    rows = np.arange(len(UNLIKELY))
    shifted = logits - logits.max(axis=1, keepdims=True)
    y = np.exp(shifted)
    total = y.sum(axis=1, keepdims=True)
    by_row = scale[:, None] if isinstance(scale, np.ndarray) else scale
    expected = y * (by_row / total)
    expected[rows, UNLIKELY] -= scale
    losses, backward = cross_entropy(logits, UNLIKELY, 0.0)
    assert np.array_equal(losses, -shifted[rows, UNLIKELY] + np.log(total[:, 0]))
    gradient = backward(scale)
    assert gradient.dtype == losses.dtype == np.float32
    assert np.array_equal(gradient, expected)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("losses *= 1 - smoothing", "pass"),
        ("logits.mean(axis=1)", "logits.sum(axis=1)"),
        ("d_logits -= by_row * (smoothing / y.shape[1])", "pass"),
        ("smoothing / y.shape[1]", "smoothing"),
        ("scale * (1 - smoothing) if smoothing else scale", "scale"),
    ],
)
def test_a_planted_fault_of_smoothing_is_caught(right, wrong, tmp_path, monkeypatch):
    """The value or its differences tell each of these mistakes."""
    module = planted("charnn.nn.losses", right, wrong, tmp_path, monkeypatch)
    logits = LOGITS.copy()
    losses, backward = module.cross_entropy(LOGITS.copy(), UNLIKELY, SMOOTHING)
    wrong_value = not np.allclose(losses, smoothed(LOGITS, UNLIKELY, SMOOTHING), rtol=1e-9)
    comparisons = check_gradients(
        lambda: float(smoothed(logits, UNLIKELY, SMOOTHING).sum()),
        {"logits": logits},
        {"logits": backward(1.0)},
    )
    assert wrong_value or failing(comparisons)
