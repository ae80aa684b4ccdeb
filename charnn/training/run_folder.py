"""A run's folder: `last.npz`, `best.npz`, `metrics.jsonl` and `config.yaml`.

Beside them lie `previous.npz`, the checkpoint before the last one, a lock file, and for a run that
something may start again the names of its launch.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from charnn.config import Config, to_yaml
from charnn.errors import CheckpointError, RunError
from charnn.files import append, leftovers, write_text
from charnn.locks import Lock
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, save_checkpoint
from charnn.training.events import Evaluation, Event, RolledBack, Step

METRICS, CONFIG, LOCK, LAUNCH = "metrics.jsonl", "config.yaml", ".lock", ".launch"
FILES = (LAST, BEST, METRICS, CONFIG)
HELPERS = (PREVIOUS, LOCK, LAUNCH)  # not for users
STEPS_BETWEEN_METRICS = 20


class RunFolder:
    """The files of one run, held by one process at a time."""

    _locks: ClassVar[dict[Path, Lock]] = {}  # this process's

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unrecorded = ""  # metrics that could not be written yet

    def check_free(self, force: bool, launch: Collection[str] = ()) -> None:
        """Refuse a folder that holds something.

        Unless it is a run and `force` is given, or one that the same launch has begun.
        """
        try:
            if not self.path.exists():
                return
        except OSError as error:
            raise self._unwritable(error) from error
        if not self.path.is_dir():
            raise RunError(f"run folder '{self.path}' is a file; choose another folder with --out.")
        begun = {LOCK, *(entry.name for entry in leftovers(self.path, (*FILES, LAUNCH)))}
        names = {entry.name for entry in self.path.iterdir()} - begun
        foreign = sorted(names - {*FILES, *HELPERS})
        if foreign:
            raise RunError(
                f"folder '{self.path}' holds files of something else ({', '.join(foreign[:3])}); "
                "choose another folder with --out."
            )
        if names and not force and not self.is_of(launch):
            raise RunError(
                f"run folder '{self.path}' exists; resume it with --resume {self.path}, "
                "replace it with --force, or choose another folder with --out."
            )

    def take(self) -> None:
        """Hold the folder, and clear away what a killed process left. Raises RunError."""
        try:
            lock = self._locks.setdefault(self.path.resolve(), Lock(self.path / LOCK))
            if not lock.acquire():
                raise RunError(
                    f"run folder '{self.path}' is in use by another process; wait until it ends, "
                    "or choose another folder."
                )
            for entry in leftovers(self.path, (*FILES, LAUNCH)):
                entry.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def release(self) -> None:
        """Let others have the folder."""
        lock = self._locks.pop(self.path.resolve(), None)
        if lock is not None:
            lock.release()

    def has(self, name: str) -> bool:
        """Say whether a file of the run is there."""
        return (self.path / name).is_file()

    def create(self, config: Config, force: bool = False, launch: Collection[str] = ()) -> None:
        """Make the folder and its `config.yaml`; an old run's files go if `force` is given.

        The folder remembers the names of the launch only once the old files are gone.
        """
        self.check_free(force, launch)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.take()
            for name in (*FILES, PREVIOUS, LAUNCH):
                (self.path / name).unlink(missing_ok=True)
            if launch:
                self.remember(launch)
            write_text(self.path / CONFIG, to_yaml(config.own_values()))
        except OSError as error:
            raise self._unwritable(error) from error

    def is_of(self, launch: Collection[str]) -> bool:
        """Return whether the run belongs to a launch: it has one of its names."""
        with suppress(OSError):
            known = (self.path / LAUNCH).read_text(encoding="utf-8", errors="replace").splitlines()
            return not set(launch).isdisjoint(known)
        return False

    def remember(self, launch: Collection[str]) -> None:
        """Remember the names of the launch that the run belongs to from now on."""
        try:
            write_text(self.path / LAUNCH, "".join(f"{name}\n" for name in sorted(launch)))
        except OSError as error:
            raise self._unwritable(error) from error

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.has(LAST) or self.has(PREVIOUS)

    def write_config(self, config: Config) -> None:
        """Replace `config.yaml`."""
        try:
            write_text(self.path / CONFIG, to_yaml(config.own_values()))
        except OSError as error:
            raise self._unwritable(error) from error

    def save(self, name: str, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint as `name` and return its path; the last one keeps its predecessor.

        Raises RunError; the folder's checkpoints are then what they were.
        """
        try:
            if not self.path.exists():  # somebody deleted the folder of a run in progress
                self.path.mkdir(parents=True)
                write_text(self.path / CONFIG, to_yaml(checkpoint.config.own_values()))
            keep = self.path / PREVIOUS if name == LAST else None
            save_checkpoint(self.path / name, checkpoint, keep)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path / name

    def load_last(self) -> tuple[Checkpoint, str | None]:
        """Return the newest checkpoint that can be read, and a note if it is not the last one.

        Raises CheckpointError where there is none.
        """
        try:
            return load_checkpoint(self.path / LAST), None
        except CheckpointError as error:
            if not self.has(PREVIOUS):
                raise
            checkpoint = load_checkpoint(self.path / PREVIOUS)
            note = f"{error} The run is resumed from the checkpoint before it, of update "
            return checkpoint, f"{note}{checkpoint.progress.update:,}."

    def record(self, event: Event) -> None:
        """Append an event to `metrics.jsonl`: evaluations, roll-backs, and some of the steps.

        Raises RunError; what could not be written is written with the next event.
        """
        wanted = isinstance(event, (Evaluation, RolledBack)) or (
            isinstance(event, Step) and event.update % STEPS_BETWEEN_METRICS == 0
        )
        if not wanted:
            return
        entry = {"event": type(event).__name__.lower(), **asdict(event)}
        self._unrecorded += json.dumps(entry) + "\n"
        try:
            append(self.path / METRICS, self._unrecorded.encode("utf-8"))
        except OSError as error:
            raise self._unwritable(error) from error
        self._unrecorded = ""

    def forget_after(self, update: int) -> None:
        """Cut `metrics.jsonl` back to what was recorded up to an update."""
        metrics = self.path / METRICS
        try:
            if metrics.exists():
                lines = metrics.read_text(encoding="utf-8", errors="replace").split("\n")
                kept = [f"{line}\n" for line in lines if recorded_by(line, update)]
                write_text(metrics, "".join(kept))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"run folder '{self.path}' cannot be written ({error.strerror}); check its permissions "
            "and the free space, or choose another folder with --out."
        )


def recorded_by(line: str, update: int) -> bool:
    """Say whether a line of metrics is whole and not from after an update."""
    entry: Any = None
    with suppress(ValueError, RecursionError):
        entry = json.loads(line)
    made = entry.get("update") if isinstance(entry, dict) else None
    return isinstance(made, int) and made <= update
