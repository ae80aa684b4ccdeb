"""Figures of answers that are classes, all from one matrix.

C (K, K) counts answers: C[i, j] times, i was right and j was given.

precision_j = C[j, j] / sum_i C[i, j]      of what was given as j, the share that is j
recall_i    = C[i, i] / sum_j C[i, j]      of what is i, the share that was given as i
F1_i        = 2 C[i, i] / (sum_j C[i, j] + sum_j C[j, i]), the harmonic mean of both
macro-F1    = the mean of F1 over the classes that are right or given somewhere

A share of nothing is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charnn.arrays import Array
from charnn.tasks.assessment import Table


def confusion(right: Array, given: Array, K: int) -> Array:
    """Return how often each class was given for each: right and given (N,) -> (K, K)."""
    counts = np.bincount(right.astype(np.intp) * K + given, minlength=K * K)
    return counts.reshape(K, K)


@dataclass(frozen=True)
class ClassFigures:
    """A matrix of counts (K, K), rows right and columns given, of classes with these names."""

    counts: Array
    names: Sequence[str]

    @cached_property
    def precision(self) -> Array:
        """Of what was given as a class, the share that is in it, (K,)."""
        return share(self.counts.diagonal(), self.counts.sum(axis=0))

    @cached_property
    def recall(self) -> Array:
        """Of what is in a class, the share that was given as it, (K,)."""
        return share(self.counts.diagonal(), self.counts.sum(axis=1))

    @cached_property
    def f1(self) -> Array:
        """The harmonic mean of precision and recall, (K,)."""
        both = self.counts.sum(axis=0) + self.counts.sum(axis=1)
        return share(2 * self.counts.diagonal(), both)

    @cached_property
    def present(self) -> Array:
        """The numbers of the classes that are right or given somewhere."""
        return np.flatnonzero(self.counts.sum(axis=0) + self.counts.sum(axis=1))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that are right or given somewhere."""
        return float(self.f1[self.present].mean())

    def by_class(self, kind: str) -> list[dict[str, object]]:
        """Return the figures of each class that is present, with its name under `kind`."""
        support = self.counts.sum(axis=1)
        return [
            {
                kind: self.names[i],
                "count": int(support[i]),
                "precision": float(self.precision[i]),
                "recall": float(self.recall[i]),
                "f1": float(self.f1[i]),
            }
            for i in self.present
        ]

    def table(self, kind: str) -> Table:
        """Return the figures of each class that is present."""
        rows = [
            [
                row[kind],
                f"{row['count']:,}",
                *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            ]
            for row in self.by_class(kind)
        ]
        return Table(f"By {kind}", [kind, "count", "precision", "recall", "F1"], rows, [kind])

    def matrix(self) -> dict[str, object]:
        """Return the whole matrix: names, and rows of counts."""
        return {"labels": list(self.names), "matrix": self.counts.tolist()}

    def matrix_table(self, kind: str) -> Table:
        """Return the matrix of the classes that are present.

        Columns are headed by the numbers of the rows, so that it stays narrow however long the
        names are.
        """
        present = self.present
        rows = [
            [
                f"{number} {self.names[i]}",
                *(f"{n:,}" if n else "·" for n in self.counts[i, present]),
            ]
            for number, i in enumerate(present, 1)
        ]
        numbers = [str(number) for number in range(1, len(present) + 1)]
        title = f"Confusion: rows are the right {kind}, columns the one that was given"
        return Table(title, [kind, *numbers], rows, [kind])


def share(part: Array, whole: Array) -> Array:
    """Return part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
