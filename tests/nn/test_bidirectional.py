"""Turning sequences within their lengths: the values, its inverse and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
from planting import planted
from subjects import failing

from charnn.nn.bidirectional import reversed_in_time
from charnn.nn.central_differences import check_gradients

T, B, D = 4, 5, 3
LENGTHS = np.array([4, 1, 3, 2, 0])


@pytest.fixture
def x():
    """Return random steps of B sequences, padding included."""
    return np.random.default_rng(3).standard_normal((T, B, D))


def one_by_one(x, lengths):
    """Return the same, step by step and sequence by sequence."""
    y = x.copy()
    for b, length in enumerate(lengths):
        for t in range(length):
            y[t, b] = x[length - 1 - t, b]
    return y


def test_each_sequence_is_turned_within_its_length(x):
    """Each one's own steps are reversed; what stands behind its end stays."""
    assert np.array_equal(reversed_in_time(x, LENGTHS), one_by_one(x, LENGTHS))


def test_symbols_are_turned_like_vectors(x):
    """Arrays (T, B) of ids, and of more axes than three, are turned alike."""
    ids = np.arange(T * B).reshape(T, B)
    assert np.array_equal(reversed_in_time(ids, LENGTHS), one_by_one(ids, LENGTHS))
    deep = x.reshape(T, B, 1, D)
    assert np.array_equal(reversed_in_time(deep, LENGTHS), one_by_one(deep, LENGTHS))


def test_a_view_is_turned_like_a_copy(x):
    """What does not lie contiguously is turned alike."""
    view = x.swapaxes(0, 1).copy().swapaxes(0, 1)
    assert not view.flags.c_contiguous
    assert np.array_equal(reversed_in_time(view, LENGTHS), one_by_one(x, LENGTHS))


def test_without_lengths_all_steps_are_turned(x):
    """No lengths are T everywhere."""
    assert np.array_equal(reversed_in_time(x, None), x[::-1])
    assert np.array_equal(reversed_in_time(x, np.full(B, T)), x[::-1])


def test_the_argument_is_left_alone(x):
    """The result is a copy, also where nothing moves."""
    y = reversed_in_time(x[:1], None)
    assert not np.shares_memory(x, y)


def test_turned_twice_is_as_before(x):
    """The function is its own inverse, bit for bit."""
    assert np.array_equal(reversed_in_time(reversed_in_time(x, LENGTHS), LENGTHS), x)


def test_its_gradient_is_itself(x):
    """The gradient of x is that of the result, turned: every coordinate."""
    dy = np.random.default_rng(4).standard_normal(x.shape)
    comparisons = check_gradients(
        lambda: float((reversed_in_time(x, LENGTHS) * dy).sum()),
        {"x": x},
        {"x": reversed_in_time(dy, LENGTHS)},
    )
    assert failing(comparisons) == set()


def test_garbage_stays_behind_the_end(x):
    """No step within a length sees what stands behind an end, even if it is no number."""
    inside = np.arange(T)[:, None] < LENGTHS
    expected = reversed_in_time(x, LENGTHS)
    x[~inside] = np.nan
    assert np.array_equal(reversed_in_time(x, LENGTHS)[inside], expected[inside])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("np.full(B, T) if lengths is None else lengths", "np.full(B, T)"),
        ("ends - 1 - t, t)", "abs(ends - 2 - t), t)"),
        ("ends - 1 - t, t)", "ends - 1 - t, 0)"),
        ("t < ends", "t <= ends"),
    ],
    ids=["lengths ignored", "off by one", "padding moved", "one step too many"],
)
def test_a_planted_fault_is_caught(x, right, wrong, tmp_path, monkeypatch):
    """The comparison above sees a reversal that is wrong."""
    module = planted("charnn.nn.bidirectional", right, wrong, tmp_path, monkeypatch)
    assert not np.array_equal(module.reversed_in_time(x, LENGTHS), one_by_one(x, LENGTHS))
