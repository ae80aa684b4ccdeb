"""Learning curves of runs side by side, and what differs between the runs.

Losses are in nats; divided by ln 2 they are bits. The training loss is the smoothed one that a run
records, of the batches as they were trained on (with dropout, where there is any); the validation
loss is that of text which is not learned from. Losses compare only where they are given per the
same unit and for the same text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from charnn.analysis.run_record import Point, RunRecord, read_run
from charnn.config import Config
from charnn.errors import InputError
from charnn.options import Value

Across = Literal["updates", "seconds", "epochs"]
Measure = Literal["nats", "bits"]


@dataclass(frozen=True)
class Curve:
    """Losses over one measure of a run's progress."""

    x: list[float]
    y: list[float]


@dataclass(frozen=True)
class Best:
    """The lowest loss of a run in nats, and where it was; of the validation part if it has one."""

    part: Literal["validation", "training"]
    loss: float
    update: int


@dataclass(frozen=True)
class Curves:
    """One run: its curves, its best loss, how far it came, and its options."""

    run: str
    task: str
    unit: str
    train: Curve
    val: Curve
    best: Best | None
    updates: int
    seconds: float | None
    parameters: int | None
    fingerprint: str | None
    options: dict[str, Value]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True)
class Comparison:
    """Several runs, what differs between their options, and what should be known, in sentences."""

    across: Across
    measure: Measure
    runs: tuple[Curves, ...]
    differences: dict[str, list[Value]]
    notes: tuple[str, ...]

    @property
    def unit(self) -> str:
        """What the losses are given per, in words: `nats/char`."""
        unit = next((run.unit for run in self.runs if run.unit), "symbol")
        return f"{self.measure}/{unit}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "x": self.across,
            "y": self.unit,
            "runs": [run.to_json() for run in self.runs],
            "differences": self.differences,
            "notes": list(self.notes),
        }


def compare(
    paths: Sequence[Path], across: Across = "updates", measure: Measure = "nats"
) -> Comparison:
    """Read runs and put their curves side by side.

    Raises RunError or CheckpointError for what is no run, and InputError for runs of different
    tasks or units, whose losses are not comparable.
    """
    records = [read_run(path) for path in paths]
    check_comparable(records)
    runs = tuple(curves_of(record, across, measure) for record in records)
    notes = [note for run in runs for note in run.notes]
    texts = {run.fingerprint for run in runs} - {None}
    if len(texts) > 1:
        notes.append(
            "the runs learned from different texts, so that their losses are not comparable."
        )
    return Comparison(across, measure, runs, differences(records), tuple(notes))


def check_comparable(records: Sequence[RunRecord]) -> None:
    """Raise InputError where two runs have different tasks or units of their losses."""
    known = [record for record in records if record.unit]
    for one, other in combinations(known, 2):
        if (one.task, one.unit) != (other.task, other.unit):
            raise InputError(
                f"run '{one.name}' has the task {one.task} and a loss per {one.unit}, run "
                f"'{other.name}' the task {other.task} and a loss per {other.unit}; plot runs of "
                "one task and unit together."
            )


def curves_of(record: RunRecord, across: Across, measure: Measure) -> Curves:
    """Return the curves of a run over updates, epochs or seconds."""
    losses, notes = record.losses, list(record.notes)
    train = losses.train or losses.evaluated
    all_points = [*train, *losses.val]
    if not all_points:
        notes.append(f"run '{record.name}' has no losses yet.")
    curves = [curve(points, across, measure) for points in (train, losses.val)]
    shown = sum(len(each.x) for each in curves)
    if shown < len(all_points):
        notes.append(
            f"run '{record.name}' has {len(all_points) - shown:,} losses without {across}, which "
            "are left out; --x updates shows them."
        )
    if not record.unit:
        notes.append(
            f"run '{record.name}' has no options that can be read, so that its task is unknown."
        )
    saved, config = record.checkpoint, record.config
    times = [point.seconds for point in all_points if point.seconds is not None]
    return Curves(
        run=record.name,
        task=record.task,
        unit=record.unit,
        train=curves[0],
        val=curves[1],
        best=best_of(losses.val, losses.evaluated or losses.train),
        updates=max((point.update for point in all_points), default=0),
        seconds=max(times, default=saved.progress.seconds if saved else None),
        parameters=saved.parameters.flat.size if saved else None,
        fingerprint=saved.corpus.fingerprint if saved else None,
        options=config.own_values() if isinstance(config, Config) else {},
        notes=tuple(notes),
    )


def curve(points: Sequence[Point], across: Across, measure: Measure) -> Curve:
    """Return the points that have a place on the horizontal axis."""
    places = [place(point, across) for point in points]
    known = [(at, in_measure(point.loss, measure)) for at, point in zip(places, points, strict=True)
             if at is not None]  # fmt: skip
    return Curve([at for at, _ in known], [loss for _, loss in known])


def in_measure(nats: float, measure: Measure) -> float:
    """Return a loss in nats or bits."""
    return nats / math.log(2) if measure == "bits" else nats


def place(point: Point, across: Across) -> float | None:
    """Return where a point stands on the horizontal axis, if this is known."""
    return {"updates": float(point.update), "seconds": point.seconds, "epochs": point.epoch}[across]


def best_of(val: Sequence[Point], train: Sequence[Point]) -> Best | None:
    """Return the lowest validation loss; of a run without a validation part that of training."""
    points = val or train
    if not points:
        return None
    lowest = min(points, key=lambda point: point.loss)
    return Best("validation" if val else "training", lowest.loss, lowest.update)


def differences(records: Sequence[RunRecord]) -> dict[str, list[Value]]:
    """Return the options whose values are not the same in all runs; unknown ones are None."""
    options = [record.config.own_values() if record.config else {} for record in records]
    names = list(dict.fromkeys(name for values in options for name in values))
    found: dict[str, list[Value]] = {}
    for name in names:
        values = [each.get(name) for each in options]
        known = {each[name] for each in options if name in each}
        if len(known) > 1:
            found[name] = values
    return found
