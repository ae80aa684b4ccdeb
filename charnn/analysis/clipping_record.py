"""How often a run's updates were clipped, by what its `metrics.jsonl` says.

Evaluations tell of all updates since the one before. A run of an earlier version recorded only the
norms of every 20th update: then these stand for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charnn.analysis.run_record import entry_of, number
from charnn.nn.clipping import clipping_factor
from charnn.training.checkpoint import Checkpoint
from charnn.training.run_folder import METRICS


@dataclass(frozen=True)
class ClippingRecord:
    """How many of a run's updates were clipped by their norm, of those that it counted.

    `norm_mean` and `norm_max` are of the gradients' norms before clipping; `sampled` says that only
    some of the updates were counted.
    """

    clip_norm: float | None
    counted: int
    clipped: int
    norm_mean: float
    norm_max: float
    sampled: bool

    @property
    def share(self) -> float:
        """The share of clipped updates."""
        return self.clipped / self.counted


def clipping_of(path: Path, saved: Checkpoint) -> tuple[ClippingRecord | None, str | None]:
    """Return what the record beside a checkpoint says, or None and why, in a sentence.

    `path` is a run's folder, or a file in it.
    """
    metrics = (path if path.is_dir() else path.parent) / METRICS
    if not metrics.is_file():
        return (
            None,
            f"there is no {METRICS} beside the checkpoint, so nobody knows what was clipped.",
        )
    training = saved.config.training
    if training.clip_value is not None:
        return None, "the run clipped gradients by value, too, which nobody counts."
    try:
        lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return None, f"'{metrics}' cannot be read ({error.strerror})."
    entries = [entry for entry in map(entry_of, lines) if entry is not None]
    record = of_evaluations(entries, training.clip_norm)
    record = record or of_steps(entries, training.clip_norm)
    if record is None:
        return None, f"'{metrics}' has no gradients' norms."
    return record, None


def of_evaluations(entries: list[dict[str, Any]], threshold: float | None) -> ClippingRecord | None:
    """Return what evaluations tell of all updates."""
    told = [
        entry
        for entry in entries
        if entry.get("event") == "evaluation"
        and is_count(entry.get("counted"))
        and is_count(entry.get("clipped"))
        and is_norm(entry.get("gradient_norm_mean"))
        and is_norm(entry.get("gradient_norm_max"))
    ]
    counted = sum(entry["counted"] for entry in told)
    if counted == 0:
        return None
    total = sum(entry["counted"] * entry["gradient_norm_mean"] for entry in told)
    largest = max(entry["gradient_norm_max"] for entry in told)
    clipped = sum(entry["clipped"] for entry in told)
    return ClippingRecord(threshold, counted, clipped, total / counted, largest, sampled=False)


def of_steps(entries: list[dict[str, Any]], threshold: float | None) -> ClippingRecord | None:
    """Return what the steps that were recorded tell."""
    norms = [
        float(entry["gradient_norm"])
        for entry in entries
        if entry.get("event") == "step" and is_norm(entry.get("gradient_norm"))
    ]
    if not norms:
        return None
    clipped = sum(clipping_factor(norm, threshold) != 1 for norm in norms)
    mean = sum(norms) / len(norms)
    return ClippingRecord(threshold, len(norms), clipped, mean, max(norms), sampled=True)


def is_count(value: object) -> bool:
    """Return whether a value of the record is a number of updates."""
    return type(value) is int and value >= 0


def is_norm(value: object) -> bool:
    """Return whether a value of the record is a norm."""
    norm = number(value)
    return norm is not None and norm >= 0
