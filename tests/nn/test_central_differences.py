"""The check of gradients itself, on functions whose gradient is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from charnn.nn.central_differences import (
    EPSILON,
    FLOOR,
    TOLERANCE,
    check_coordinates,
    check_direction,
    check_gradients,
    relative_error,
)


@pytest.fixture
def x():
    """Return numbers of both signs."""
    return np.random.default_rng(1).standard_normal((3, 4))


def cubes(x):
    """Return `sum x^3`, whose gradient is `3 x^2`."""
    return float((x**3).sum())


def test_relative_error_is_its_definition():
    """`|a - n| / (|a| + |n|)`: 0 for equals, 1 for opposites and where one is 0."""
    assert relative_error(3.0, 3.0) == 0
    assert relative_error(3.0, 1.0) == 0.5
    assert relative_error(2.0, -2.0) == 1
    assert relative_error(0.0, 5.0) == 1


def test_relative_error_has_a_floor():
    """Two gradients of almost zero are compared with the floor."""
    assert relative_error(0.0, 0.0) == 0
    assert relative_error(FLOOR / 8, FLOOR / 4) == pytest.approx(1 / 8)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_infinitely_wrong(bad):
    """A gradient that is nan or infinite cannot pass, on either side."""
    assert relative_error(bad, 1.0) == math.inf
    assert relative_error(1.0, bad) == math.inf
    assert relative_error(bad, bad) == math.inf


def test_right_gradient_passes(x):
    """The true gradient agrees with the differences in all coordinates and directions."""
    random = np.random.default_rng(2)
    assert check_coordinates(lambda: cubes(x), "x", x, 3 * x**2).error < TOLERANCE
    assert check_direction(lambda: cubes(x), "x", x, 3 * x**2, random).error < TOLERANCE


def test_one_wrong_coordinate_is_found(x):
    """A gradient that is wrong in one place by one in ten thousand is reported at that place."""
    wrong = 3 * x**2
    wrong[1, 2] *= 1.0001
    found = check_coordinates(lambda: cubes(x), "x", x, wrong)
    assert found.error == pytest.approx(0.5e-4, rel=1e-3)
    assert (found.name, found.size, found.where) == ("x", 12, "(1, 2)")
    assert found.analytic == wrong[1, 2]
    assert found.numeric == pytest.approx(3 * x[1, 2] ** 2, rel=TOLERANCE)


@pytest.mark.parametrize("directions", [None, 3], ids=["each", "directions"])
def test_a_sharp_curve_is_no_wrong_gradient(x, directions):
    """Where the step is too long for the function, half of it tells that the gradient is right.

    A fault of one in a hundred thousand is found there all the same.
    """

    def waves():
        return float(np.sin(2000 * x).sum())

    def check(analytic):
        if directions is None:
            return check_coordinates(waves, "x", x, analytic).error
        return check_direction(waves, "x", x, analytic, np.random.default_rng(2), directions).error

    slope = 2000 * np.cos(2000 * x)
    difference = slope * math.sin(2000 * EPSILON) / (2000 * EPSILON)
    assert abs(difference / slope - 1).min() / 2 > 2 * TOLERANCE  # what one step alone would give
    assert check(slope) < TOLERANCE
    assert check(slope * 1.00001) > 2 * TOLERANCE


def test_nan_is_found(x):
    """One nan among right coordinates is the worst of them."""
    wrong = 3 * x**2
    wrong[2, 0] = np.nan
    found = check_coordinates(lambda: cubes(x), "x", x, wrong)
    assert (found.error, found.where) == (math.inf, "(2, 0)")


def test_directions_find_a_wrong_gradient(x):
    """Along random directions, too, a wrong factor shows, and its direction is named."""
    found = check_direction(lambda: cubes(x), "x", x, 2 * x**2, np.random.default_rng(2))
    assert found.error == pytest.approx(0.2, rel=1e-3)
    assert found.where.startswith("direction ")


def test_a_direction_is_a_combination_of_coordinates(x):
    """Along a unit direction the derivative is the gradient's component in it."""
    found = check_direction(lambda: cubes(x), "x", x, 3 * x**2, np.random.default_rng(2), 1)
    direction = np.random.default_rng(2).standard_normal(x.shape)
    direction /= np.linalg.norm(direction)
    expected = (3 * x**2 * direction).sum()
    assert found.analytic == pytest.approx(expected, rel=1e-12)
    assert found.numeric == pytest.approx(expected, rel=1e-8)


def test_arrays_are_left_as_they_were(x):
    """After a check each coordinate has the bits that it had."""
    before = x.copy()
    check_coordinates(lambda: cubes(x), "x", x, 3 * x**2)
    check_direction(lambda: cubes(x), "x", x, 3 * x**2, np.random.default_rng(2))
    assert np.array_equal(x, before)


@pytest.mark.parametrize("directions", [None, np.random.default_rng(2)], ids=["each", "directions"])
def test_each_array_has_its_comparison(x, directions):
    """`check_gradients` compares all arrays in their order, and finds the wrong one."""
    y = np.array([2.0, -1.0])
    analytic = {"x": 3 * x**2, "y": 2 * y + 0.1}
    found = check_gradients(
        lambda: cubes(x) + float((y**2).sum()), {"x": x, "y": y}, analytic, directions
    )
    assert [comparison.name for comparison in found] == ["x", "y"]
    assert found[0].error < TOLERANCE < found[1].error
