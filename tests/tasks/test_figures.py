"""Precision, recall and F1, against the same counted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.tasks.figures import ClassFigures, confusion

NAMES = ("bell", "gull", "lamp", "tide")
RIGHT = np.array([0, 0, 0, 1, 1, 3, 3, 3, 3, 3])
GIVEN = np.array([0, 0, 1, 1, 3, 3, 3, 0, 3, 0])


def figures() -> ClassFigures:
    """Return the figures of the answers above; nothing is a lamp, or given as one."""
    return ClassFigures(confusion(RIGHT, GIVEN, 4), NAMES)


def test_confusion() -> None:
    """Rows are what is right, columns what was given."""
    expected = np.zeros((4, 4), int)
    for right, given in zip(RIGHT, GIVEN, strict=True):
        expected[right, given] += 1
    np.testing.assert_array_equal(confusion(RIGHT, GIVEN, 4), expected)
    assert confusion(RIGHT[:0], GIVEN[:0], 4).shape == (4, 4)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_by_class(number: int) -> None:
    """Each class's figures are those that one counts."""
    both = int(((number == RIGHT) & (number == GIVEN)).sum())
    precision, recall = both / (number == GIVEN).sum(), both / (number == RIGHT).sum()
    found = {row["class"]: row for row in figures().by_class("class")}[NAMES[number]]
    assert found["count"] == (number == RIGHT).sum()
    assert found["precision"] == pytest.approx(precision)
    assert found["recall"] == pytest.approx(recall)
    assert found["f1"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_macro_f1_is_the_mean_of_the_classes_that_occur() -> None:
    """A class that is neither right nor given is no class to fail at."""
    rows = figures().by_class("class")
    assert [row["class"] for row in rows] == ["bell", "gull", "tide"]
    assert figures().macro_f1 == pytest.approx(np.mean([row["f1"] for row in rows]))


def test_a_class_that_is_never_right() -> None:
    """Shares of nothing are 0, and no warning."""
    found = ClassFigures(confusion(np.array([0, 0]), np.array([1, 0]), 2), ("a", "b"))
    assert found.by_class("tag")[1] == {
        "tag": "b",
        "count": 0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
    }
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_tables() -> None:
    """Columns of the matrix are headed by the rows' numbers; zeros are dots."""
    table = figures().matrix_table("class")
    assert table.columns == ["class", "1", "2", "3"]
    assert table.rows == [
        ["1 bell", "2", "1", "·"],
        ["2 gull", "·", "1", "1"],
        ["3 tide", "2", "·", "3"],
    ]
    assert figures().table("class").rows[0] == ["bell", "3", "0.500", "0.667", "0.571"]
    assert figures().matrix() == {
        "labels": list(NAMES),
        "matrix": [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [2, 0, 0, 3]],
    }
