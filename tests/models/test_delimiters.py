"""Where a predicted sequence begins and ends."""

from __future__ import annotations

import numpy as np

from charnn.models.delimiters import delimited

V = 6
SYMBOLS = np.array([[1, 5, 3], [2, 4, 3], [0, 4, 3]])
LENGTHS = np.array([2, 3, 0])


def test_inputs_and_targets() -> None:
    """A sequence is read from the begin symbol on, and predicted up to the end symbol."""
    inputs, targets = delimited(SYMBOLS, LENGTHS, V)
    for b, expected in enumerate(([1, 2], [5, 4, 4], [])):
        steps = len(expected) + 1
        assert inputs[:steps, b].tolist() == [V, *expected]
        assert targets[:steps, b].tolist() == [*expected, V]


def test_teacher_forcing() -> None:
    """What was to be predicted at t is read at t + 1, up to the end."""
    inputs, targets = delimited(SYMBOLS, LENGTHS, V)
    for b, length in enumerate(LENGTHS):
        assert np.array_equal(inputs[1 : length + 1, b], targets[:length, b])


def test_shapes() -> None:
    """There is one step more than symbols; the symbols are left alone."""
    before = SYMBOLS.copy()
    inputs, targets = delimited(SYMBOLS, LENGTHS, V)
    assert inputs.shape == targets.shape == (4, 3)
    assert np.array_equal(SYMBOLS, before)


def test_no_symbols_at_all() -> None:
    """Empty sequences are begin symbols, and ends to predict."""
    inputs, targets = delimited(np.zeros((0, 2), int), np.array([0, 0]), V)
    assert inputs.tolist() == targets.tolist() == [[V, V]]
