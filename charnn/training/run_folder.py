"""A run's folder: `last.npz`, `best.npz`, `metrics.jsonl` and `config.yaml`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from charnn.config import Config, to_yaml
from charnn.errors import RunError
from charnn.files import write_text
from charnn.training.checkpoint import BEST, LAST, Checkpoint, save_checkpoint
from charnn.training.events import Evaluation, Event, RolledBack, Step

METRICS, CONFIG = "metrics.jsonl", "config.yaml"
FILES = (LAST, BEST, METRICS, CONFIG)
STEPS_BETWEEN_METRICS = 20


class RunFolder:
    """The files of one run. Whatever cannot be written raises RunError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check_free(self, force: bool) -> None:
        """Refuse a folder that holds something, unless it is a run and `force` is given."""
        try:
            if not self.path.exists():
                return
        except OSError as error:
            raise self._unwritable(error) from error
        if not self.path.is_dir():
            raise RunError(f"run folder '{self.path}' is a file; choose another with --out.")
        foreign = sorted(entry.name for entry in self.path.iterdir() if entry.name not in FILES)
        if foreign:
            raise RunError(
                f"folder '{self.path}' holds other files ({', '.join(foreign[:3])}); choose "
                "another with --out."
            )
        if any(self.path.iterdir()) and not force:
            raise RunError(
                f"run folder '{self.path}' exists; go on with --resume {self.path}, replace it "
                "with --force, or choose another with --out."
            )

    def has(self, name: str) -> bool:
        """Say whether a file of the run is there."""
        return (self.path / name).is_file()

    def create(self, config: Config, force: bool = False) -> None:
        """Make the folder and its `config.yaml`; an old run's files go if `force` is given."""
        self.check_free(force)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
            write_text(self.path / CONFIG, to_yaml(config.values()))
        except OSError as error:
            raise self._unwritable(error) from error

    def write_config(self, config: Config) -> None:
        """Replace `config.yaml`."""
        try:
            write_text(self.path / CONFIG, to_yaml(config.values()))
        except OSError as error:
            raise self._unwritable(error) from error

    def save(self, name: str, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint as `name` and return its path."""
        try:
            save_checkpoint(self.path / name, checkpoint)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path / name

    def record(self, event: Event) -> None:
        """Append an event to `metrics.jsonl`: evaluations, roll-backs, and some of the steps."""
        wanted = isinstance(event, (Evaluation, RolledBack)) or (
            isinstance(event, Step) and event.update % STEPS_BETWEEN_METRICS == 0
        )
        if not wanted:
            return
        line = json.dumps({"event": type(event).__name__.lower(), **asdict(event)})
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def forget_after(self, update: int) -> None:
        """Cut `metrics.jsonl` back to what was recorded up to an update."""
        metrics = self.path / METRICS
        try:
            if metrics.exists():
                lines = metrics.read_text(encoding="utf-8").split("\n")
                kept = [f"{line}\n" for line in lines if recorded_by(line, update)]
                write_text(metrics, "".join(kept))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"run folder '{self.path}' cannot be written ({error.strerror}); check its rights and "
            "the free space, or choose another with --out."
        )


def recorded_by(line: str, update: int) -> bool:
    """Say whether a line of metrics is whole and not from after an update."""
    entry: dict[str, Any] = {}
    with suppress(ValueError):
        entry = json.loads(line)
    return isinstance(entry, dict) and int(entry.get("update", update + 1)) <= update
