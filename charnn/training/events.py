"""What happens during training, as a training run tells it.

Losses are in nats per symbol. Who shows them, and how, is not training's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Started:
    """A run begins, or is resumed after `update`."""

    update: int
    total: int
    updates_per_epoch: int
    batch_size: int
    seq_length: int


@dataclass(frozen=True)
class Step:
    """One update of the weights was made; `seconds` counts the whole run's training time."""

    update: int
    epoch: float
    loss: float
    smoothed_loss: float
    gradient_norm: float
    learning_rate: float
    symbols: int
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """The model was evaluated; `val_loss` is None where no validation part is kept.

    `accuracy` and `error_rate` are the validation part's, where the task has them. What is said of
    gradients is of the `counted` updates since the last evaluation, or since the run was resumed:
    the mean and the largest norm before clipping, and how many were `clipped` by their norm (None
    where they are clipped by value too, which nobody counts).
    """

    update: int
    epoch: float
    train_loss: float
    val_loss: float | None
    best_loss: float
    improved: bool
    learning_rate: float
    seconds: float
    accuracy: float | None = None
    error_rate: float | None = None
    counted: int = 0
    gradient_norm_mean: float | None = None
    gradient_norm_max: float | None = None
    clipped: int | None = None


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    update: int
    path: Path


@dataclass(frozen=True)
class SaveFailed:
    """Something could not be written: the run continues and tries again at the next save."""

    update: int
    reason: str


@dataclass(frozen=True)
class RolledBack:
    """A loss or gradient was not finite: the run is back at `update` with a lower learning rate."""

    failed_update: int
    update: int
    reason: str
    learning_rate_factor: float


@dataclass(frozen=True)
class Finished:
    """The run ended: `reason` is `completed`, `early stopping` or `interrupted`."""

    update: int
    reason: str
    train_loss: float | None
    best_loss: float | None
    best_update: int
    test_loss: float | None
    seconds: float
    test_accuracy: float | None = None
    test_error_rate: float | None = None


Event: TypeAlias = Started | Step | Evaluation | Saved | SaveFailed | RolledBack | Finished
