"""What a model scores on some data: its loss, and how many of its answers are right."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Score:
    """Sums over some data, so that the scores of its parts can be added up.

    `nats` is the summed loss of `predictions` symbols. Where answers are right or wrong, `correct`
    of `answers` are right, and there are `errors` in `places`: what these are is the task's to say
    (`charnn.tasks.task.Task.accuracy` and `error_rate`).
    """

    nats: float
    predictions: int
    correct: int = 0
    answers: int = 0
    errors: int = 0
    places: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def nats_per_symbol(self) -> float:
        """Mean loss in nats per prediction: of a character, a byte, a class, ..."""
        return self.nats / self.predictions

    @property
    def bits_per_symbol(self) -> float:
        """Mean loss in bits per prediction."""
        return self.nats_per_symbol / math.log(2)

    @property
    def perplexity(self) -> float:
        """`exp` of the mean loss: as many equally likely symbols would be as hard to predict."""
        return math.exp(min(self.nats_per_symbol, 700.0))

    @property
    def accuracy(self) -> float | None:
        """The share of right answers, or None where there are none to be right."""
        return self.correct / self.answers if self.answers else None

    @property
    def error_rate(self) -> float | None:
        """The number of errors by that of places where there could be one."""
        return self.errors / self.places if self.places else None
