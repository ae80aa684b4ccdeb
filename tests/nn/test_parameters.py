"""One flat vector with a named view for each array."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.nn.parameters import Parameters, count

SHAPES = {"layer1/W": (2, 3), "layer1/b": (3,), "layer10/W": (4,), "b_y": (1, 1)}


def test_views_lie_in_order_in_the_vector():
    """The arrays follow each other in `flat` as they do in the table of shapes."""
    parameters = Parameters(SHAPES, flat=np.arange(14.0))
    assert list(parameters) == list(SHAPES)
    assert {name: view.shape for name, view in parameters.items()} == SHAPES
    assert np.concatenate([view.ravel() for view in parameters.values()]).tolist() == [*range(14)]


def test_views_share_the_vector():
    """What is written to a view is in `flat`, and the other way round."""
    parameters = Parameters(SHAPES)
    parameters["layer1/b"][1] = 5
    assert parameters.flat[7] == 5
    parameters.flat[:] = 2
    assert all((view == 2).all() for view in parameters.values())


def test_fresh_parameters_are_zeros_in_float32():
    """Without a vector, the arrays are zeros of the type asked for, float32 if none is."""
    assert Parameters(SHAPES).flat.dtype == np.float32
    assert Parameters(SHAPES, np.float64).flat.dtype == np.float64
    assert not Parameters(SHAPES).flat.any()


@pytest.mark.parametrize("shape", [(13,), (15,), (2, 7)])
def test_vector_of_another_size_is_refused(shape):
    """A vector that the shapes do not fill exactly is an error that names both sizes."""
    with pytest.raises(ValueError, match=r"the shapes need \(14,\)"):
        Parameters(SHAPES, flat=np.zeros(shape))


def test_group_takes_one_layer_without_its_prefix():
    """`group` returns views, and does not take layer10 for layer1."""
    parameters = Parameters(SHAPES)
    group = parameters.group("layer1")
    assert list(group) == ["W", "b"]
    group["W"][0, 0] = 1
    assert parameters.flat[0] == 1
    assert parameters.group("layer2") == {}


def test_zeros_like_has_the_layout_and_its_own_memory():
    """The place for gradients has the same names and type, and is another vector."""
    parameters = Parameters(SHAPES, flat=np.ones(14))
    zeros = parameters.zeros_like()
    assert zeros.shapes == parameters.shapes
    assert zeros.flat.dtype == np.float64
    zeros.flat += 1
    assert zeros.flat.tolist() == parameters.flat.tolist()
    assert not np.shares_memory(zeros.flat, parameters.flat)


def test_astype_copies():
    """A copy in another type has equal values, and its views read its own vector."""
    parameters = Parameters(SHAPES, flat=np.arange(14.0))
    copy = parameters.astype(np.float32)
    assert copy.flat.dtype == np.float32
    assert copy["b_y"].dtype == np.float32
    copy.flat[:] = 0
    assert parameters["b_y"] == 13


def test_count_is_the_size():
    """`count` adds up the shapes without allocating."""
    assert count(SHAPES) == Parameters(SHAPES).flat.size == 14
    assert count({}) == 0
