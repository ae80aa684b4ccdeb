"""What a run left on the disk: the lines of its `metrics.jsonl`, its options, its checkpoint.

Any of them may be missing: a run may be in progress, a file damaged, and of many a run only a
checkpoint is kept. What is there is read, and what is not becomes a note.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charnn.config import Config, read_yaml
from charnn.errors import CheckpointError, ConfigError, RunError
from charnn.tasks.registry import task_of
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, Checkpoint
from charnn.training.run_folder import CONFIG, METRICS


@dataclass(frozen=True)
class Point:
    """A loss in nats at a moment of a run; epochs and seconds are unknown in a checkpoint."""

    update: int
    loss: float
    epoch: float | None = None
    seconds: float | None = None


@dataclass
class Losses:
    """The losses of a run: smoothed ones of training, and those of the validation part."""

    train: list[Point] = field(default_factory=list)
    val: list[Point] = field(default_factory=list)
    evaluated: list[Point] = field(default_factory=list)  # training losses at evaluations

    def back_to(self, update: int) -> None:
        """Forget what came after an update: a run that was rolled back or resumed went on there."""
        for points in (self.train, self.val, self.evaluated):
            while points and points[-1].update > update:
                points.pop()

    def add(self, entry: dict[str, Any]) -> bool:
        """Add a line of the record; return whether it is one that charnn writes."""
        kind, update = entry.get("event"), entry.get("update")
        if not isinstance(kind, str) or type(update) is not int or update < 0:
            return False
        moment = (number(entry.get("epoch")), number(entry.get("seconds")))
        self.back_to(update)
        if kind == "step":
            put(self.train, update, entry.get("smoothed_loss"), moment)
        elif kind == "evaluation":
            put(self.val, update, entry.get("val_loss"), moment)
            put(self.evaluated, update, entry.get("train_loss"), moment)
        return True


@dataclass(frozen=True)
class RunRecord:
    """A run as far as it can be read, and what should be known of the reading, in sentences."""

    name: str
    losses: Losses
    config: Config | None
    checkpoint: Checkpoint | None
    notes: tuple[str, ...]

    @property
    def task(self) -> str:
        """The name of the run's task, or nothing where its options cannot be read."""
        return "" if self.config is None else self.config.task.task

    @property
    def unit(self) -> str:
        """What its losses are given per, such as `char`; nothing where this is unknown."""
        if self.checkpoint is not None:
            return self.checkpoint.task.unit(self.checkpoint.vocabulary)
        if self.config is None:
            return ""
        return unit_of(self.config)


def read_run(path: Path) -> RunRecord:
    """Read a run's folder, or a checkpoint. Raises RunError where there is nothing to see."""
    folder = path.parent if path.name == METRICS and path.is_file() else path
    if not folder.is_dir():
        return of_checkpoint(path)
    notes: list[str] = []
    checkpoint = newest(folder, notes)
    config = options_of_run(folder, checkpoint, notes)
    losses = Losses()
    if (folder / METRICS).is_file():
        losses = read_metrics(folder / METRICS, notes)
    elif checkpoint is None:
        raise RunError(
            f"run folder '{folder}' holds neither {METRICS} nor a checkpoint; give the folder of a "
            "run that `charnn train` made."
        )
    else:
        notes.append(
            f"run '{folder}' has no {METRICS}: its curve is that of its checkpoint, which knows "
            "losses by updates only."
        )
    if not (losses.train or losses.val) and checkpoint is not None:
        losses = history(checkpoint)
    return RunRecord(str(path), losses, config, checkpoint, tuple(notes))


def of_checkpoint(path: Path) -> RunRecord:
    """Return what a checkpoint alone knows of its run. Raises CheckpointError."""
    saved = load_checkpoint(path)
    note = f"'{path}' is a checkpoint alone, which knows losses by updates only."
    return RunRecord(str(path), history(saved), saved.config, saved, (note,))


def newest(folder: Path, notes: list[str]) -> Checkpoint | None:
    """Return a run's best checkpoint, or else its last one, or none."""
    for name in (BEST, LAST):
        if (folder / name).is_file():
            try:
                return load_checkpoint(folder / name)
            except CheckpointError as error:
                notes.append(str(error))
    return None


def options_of_run(folder: Path, checkpoint: Checkpoint | None, notes: list[str]) -> Config | None:
    """Return a run's options: those of its checkpoint, or else those of its file."""
    if checkpoint is not None:
        return checkpoint.config
    with suppress(OSError):
        if (folder / CONFIG).is_file():
            try:
                return Config.from_values(read_yaml(folder / CONFIG))
            except ConfigError as error:
                notes.append(str(error))
    return None


def read_metrics(path: Path, notes: list[str]) -> Losses:
    """Read a run's record line by line; what cannot be read is counted in a note.

    The last line may be half written, if the run is in progress. Raises RunError.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be read ({error.strerror}); check its permissions."
        ) from error
    losses, damaged = Losses(), 0
    for line in text.split("\n")[:-1]:
        entry = entry_of(line)
        damaged += entry is None or not losses.add(entry)
    if damaged:
        many = "1 line" if damaged == 1 else f"{damaged:,} lines"
        notes.append(f"{many} of '{path}' cannot be read, and are left out.")
    return losses


def entry_of(line: str) -> dict[str, Any] | None:
    """Return a line of a run's record, or None for one that is damaged."""
    with suppress(ValueError, RecursionError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return entry
    return None


def history(saved: Checkpoint) -> Losses:
    """Return the losses that a checkpoint remembers: those of its run's evaluations."""
    losses = Losses()
    for update, train, val in saved.progress.history:
        losses.evaluated.append(Point(update, train))
        losses.train.append(Point(update, train))
        if val is not None:
            losses.val.append(Point(update, val))
    return losses


def unit_of(config: Config) -> str:
    """Return what losses are given per, by a run's options alone."""
    if config.task.task == "lm":
        return "byte" if config.data.tokens == "bytes" else "char"
    if config.task.task == "generate":
        return "char" if config.records.target_sep is None else "symbol"
    return task_of(config).unit(None)


def put(points: list[Point], update: int, loss: object, moment: Sequence[float | None]) -> None:
    """Add a point where there is a loss; one of the same update is replaced."""
    value = number(loss)
    if value is not None:
        if points and points[-1].update == update:
            points.pop()
        points.append(Point(update, value, *moment))


def number(value: object) -> float | None:
    """Return a finite number, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    with suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None
