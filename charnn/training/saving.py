"""Saving: what a run writes to its folder, and what could not be written.

What cannot be written is remembered and written with the next save, so that a full disk or a folder
that is read-only for a while does not end a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from charnn.errors import RunError
from charnn.training.checkpoint import BEST, LAST, Checkpoint
from charnn.training.events import Event, Saved, SaveFailed
from charnn.training.run_folder import METRICS, RunFolder


class Saver:
    """Writes a run's checkpoints and metrics; without a folder, nothing.

    `unsaved` holds the names of what could not be written, and why.
    """

    def __init__(self, folder: RunFolder | None, save_every: float) -> None:
        """Write to a folder, a checkpoint at least every `save_every` seconds."""
        self.folder = folder
        self.unsaved: dict[str, str] = {}
        self._save_every = save_every
        self._saved_at = time.monotonic()
        self._unsaved_best: Checkpoint | None = None

    @property
    def due(self) -> bool:
        """Whether the last save was too long ago."""
        late = time.monotonic() - self._saved_at >= self._save_every
        return self.folder is not None and late

    def save(self, last: Checkpoint, best: Checkpoint | None) -> Iterator[Saved | SaveFailed]:
        """Write a run's last checkpoint, and its best if there is a new one."""
        self._saved_at = time.monotonic()
        if self.folder is None:
            return
        if best is not None:
            self._unsaved_best = best
        if self._unsaved_best is not None:
            yield self._write(self.folder, BEST, self._unsaved_best)
            if BEST not in self.unsaved:
                self._unsaved_best = None
        yield self._write(self.folder, LAST, last)

    def record(self, event: Event) -> SaveFailed | None:
        """Write an event to the metrics; return the first failure of several."""
        if self.folder is None:
            return None
        try:
            self.folder.record(event)
        except RunError as error:
            known = METRICS in self.unsaved
            self.unsaved[METRICS] = str(error)
            update = getattr(event, "update", 0)
            return None if known else SaveFailed(update, str(error))
        self.unsaved.pop(METRICS, None)
        return None

    def release(self) -> None:
        """Let others have the folder."""
        if self.folder is not None:
            self.folder.release()

    def _write(self, folder: RunFolder, name: str, checkpoint: Checkpoint) -> Saved | SaveFailed:
        """Write a checkpoint. If that fails the run continues, and the next save tries again."""
        update = checkpoint.progress.update
        try:
            path = folder.save(name, checkpoint)
        except RunError as error:
            self.unsaved[name] = str(error)
            return SaveFailed(update, str(error))
        self.unsaved.pop(name, None)
        return Saved(update, path)
