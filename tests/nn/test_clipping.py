"""Clipping of gradients: by global norm, and by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.arrays import Array
from charnn.nn.clipping import clip_by_global_norm, clip_by_value, global_norm

vectors = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20).map(
    lambda values: np.array(values, np.float64)
)
quick = settings(derandomize=True, deadline=None, max_examples=100)


def test_the_norm_is_euclidean_over_all_axes() -> None:
    """The norm of an array of any shape is that of all its numbers together."""
    assert global_norm(np.array([3.0, 4.0])) == 5.0
    assert global_norm(np.array([[1.0, 2.0], [4.0, 2.0]])) == 5.0
    assert global_norm(np.zeros(7)) == 0.0
    assert isinstance(global_norm(np.ones(4, np.float32)), float)


def test_a_long_gradient_is_scaled_down_to_the_threshold() -> None:
    """`g <- g threshold / ||g||` keeps the direction; the norm before is returned."""
    gradient = np.array([3.0, 0.0, -4.0])
    assert clip_by_global_norm(gradient, 1.0) == 5.0
    assert gradient == pytest.approx([0.6, 0.0, -0.8], abs=1e-15)


@pytest.mark.parametrize("threshold", [5.0, 5.1, 1e30])
def test_a_short_gradient_is_left_alone(threshold: float) -> None:
    """At the threshold and below it nothing is changed, not by a bit."""
    gradient = np.array([3.0, -4.0])
    assert clip_by_global_norm(gradient, threshold) == 5.0
    assert gradient.tolist() == [3.0, -4.0]


@given(vectors, st.floats(1e-3, 1e3))
@quick
def test_no_gradient_is_longer_than_the_threshold(gradient: Array, threshold: float) -> None:
    """The norm afterwards is the smaller of the two, and the direction stays."""
    before = gradient.copy()
    norm = clip_by_global_norm(gradient, threshold)
    assert norm == pytest.approx(np.linalg.norm(before), rel=1e-12, abs=1e-300)
    assert np.linalg.norm(gradient) == pytest.approx(min(norm, threshold), rel=1e-9)
    assert gradient * max(norm, threshold) == pytest.approx(before * threshold, rel=1e-9)


def test_clipping_keeps_the_type() -> None:
    """A float32 gradient is scaled in float32, in place."""
    gradient = np.full(4, 10, np.float32)
    assert clip_by_global_norm(gradient, 0.1) == 20.0
    assert gradient.dtype == np.float32
    assert gradient == pytest.approx(0.05, rel=1e-6)


def test_a_gradient_that_is_not_finite_shows_in_the_norm() -> None:
    """Infinity and NaN come out as the norm, so that a run can notice."""
    with np.errstate(invalid="ignore"):
        assert clip_by_global_norm(np.array([1.0, np.inf]), 1.0) == np.inf
        assert np.isnan(clip_by_global_norm(np.array([1.0, np.nan]), 1.0))


@given(vectors, st.floats(1e-3, 1e3))
@quick
def test_values_are_limited_one_by_one(gradient: Array, limit: float) -> None:
    """A number within the limits stays; one beyond becomes the limit of its sign."""
    before = gradient.copy()
    clip_by_value(gradient, limit)
    expected = [max(-limit, min(limit, number)) for number in before.tolist()]
    assert gradient.tolist() == expected
