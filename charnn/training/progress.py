"""How far a run has come, and what it has seen on the way."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from charnn.config import TrainingConfig
from charnn.nn.clipping import clipping_factor

SMOOTHING = 0.02  # weight of a new loss in the smoothed one


class GradientNorms:
    """The gradients' norms since the last evaluation, before clipping; no checkpoint has them."""

    def __init__(self, training: TrainingConfig) -> None:
        self._clip_norm, self._by_value = training.clip_norm, training.clip_value is not None
        self._norms: list[float] = []

    def add(self, norm: float) -> None:
        """Take note of an update's norm."""
        self._norms.append(norm)

    def take(self) -> dict[str, Any]:
        """Return what an `Evaluation` says of the updates so far, and forget them."""
        norms, self._norms = self._norms, []
        clipped = sum(clipping_factor(norm, self._clip_norm) != 1 for norm in norms)
        return {
            "counted": len(norms),
            "gradient_norm_mean": math.fsum(norms) / len(norms) if norms else None,
            "gradient_norm_max": max(norms, default=None),
            "clipped": None if self._by_value else clipped,
        }


@dataclass
class Progress:
    """What changes from update to update beside the arrays. Losses are in nats per symbol."""

    update: int = 0
    smoothed_loss: float | None = None
    best_loss: float | None = None
    best_update: int = 0
    best_accuracy: float | None = None  # of the best evaluation, where the task has one
    stale: int = 0  # evaluations since the best one
    plateau: int = 0  # evaluations since the best one or the last reduction
    reductions: int = 0  # of the learning rate, by the plateau schedule
    rollbacks: int = 0
    seconds: float = 0.0
    history: list[tuple[int, float, float | None]] = field(default_factory=list)

    def copy(self) -> Progress:
        """Return a copy that shares nothing."""
        return Progress(**{**asdict(self), "history": list(self.history)})

    def count_update(self, loss: float) -> None:
        """Count an update, and smooth the training loss."""
        self.update += 1
        weight = max(SMOOTHING, 1 / self.update)
        before = loss if self.smoothed_loss is None else self.smoothed_loss
        self.smoothed_loss = before + weight * (loss - before)

    def count_evaluation(
        self,
        train_loss: float,
        val_loss: float | None,
        accuracy: float | None = None,
        by_accuracy: bool = False,
    ) -> bool:
        """Count an evaluation; return whether it is the best so far.

        The loss decides, or `by_accuracy` the accuracy: then the loss decides between equal ones.
        Where there is no validation part, the loss is the training loss.
        """
        loss = train_loss if val_loss is None else val_loss
        improved = self.best_loss is None or loss < self.best_loss
        if by_accuracy and accuracy is not None and self.best_accuracy is not None:
            improved = accuracy > self.best_accuracy or (
                accuracy == self.best_accuracy and improved
            )
        if improved:
            self.best_loss, self.best_update = loss, self.update
            self.best_accuracy = accuracy
            self.stale = self.plateau = 0
        else:
            self.stale += 1
            self.plateau += 1
        self.history.append((self.update, train_loss, val_loss))
        return improved

    def reduce_after(self, patience: int) -> None:
        """Count a reduction of the learning rate after `patience` evaluations without a best."""
        if self.plateau >= patience:
            self.reductions += 1
            self.plateau = 0
