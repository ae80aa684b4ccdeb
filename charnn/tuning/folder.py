"""A search's folder: what is searched, what was found, and what to train with.

search.json     the text, the start, the plan, and all configurations; a new time replaces it
trials.jsonl    a line for each run, appended when it has ended
best.yaml       the configuration to train with, replaced after each run
trials.svg      the picture of what was tried
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any

from charnn.config import Config
from charnn.errors import RunError
from charnn.files import append, leftovers, write_text
from charnn.locks import Lock
from charnn.options import Value
from charnn.training.time_budget import Pace
from charnn.tuning.plan import Plan
from charnn.tuning.search import Outcome, Result

SEARCH, TRIALS, BEST, PICTURE, LOCK = (
    "search.json",
    "trials.jsonl",
    "best.yaml",
    "trials.svg",
    ".lock",
)
FILES = (SEARCH, TRIALS, BEST, PICTURE)


@dataclass(frozen=True)
class Record:
    """What a search is of: everything that it needs to go on but its results."""

    files: list[str]
    fingerprint: str
    start: Config
    pace: Pace  # the start's
    plan: Plan
    candidates: list[dict[str, Value]]


class SearchFolder:
    """The files of one search, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock(path / LOCK)

    def check_free(self, force: bool) -> None:
        """Refuse a folder that holds something, unless it is a search and `force` is given."""
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"'{self.path}' is a file; choose another folder with --out.")
        names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
        if names and not names <= {*FILES, LOCK}:
            raise RunError(
                f"folder '{self.path}' holds files of something else; choose another folder with "
                "--out."
            )
        if names - {LOCK} and not force:
            raise RunError(
                f"folder '{self.path}' holds a search; go on with it by --resume {self.path}, "
                "replace it with --force, or choose another folder with --out."
            )

    def create(self, record: Record, force: bool) -> None:
        """Make the folder for a new search, and hold it; an old search goes if `force` is given."""
        self.check_free(force)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.take()
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self.describe(record)

    def describe(self, record: Record) -> None:
        """Write what the search is of. Raises RunError."""
        content = asdict(record) | {"start": record.start.values()}
        self.write(SEARCH, json.dumps(content, indent=1) + "\n")

    def take(self) -> None:
        """Hold the folder, and clear away what a killed process left. Raises RunError."""
        try:
            if not self._lock.acquire():
                raise RunError(
                    f"folder '{self.path}' is in use by another process; wait until it ends, or "
                    "choose another folder."
                )
            for entry in leftovers(self.path, FILES):
                entry.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def release(self) -> None:
        """Let others have the folder."""
        self._lock.release()

    def read(self) -> Record:
        """Return what the search is of. Raises RunError."""
        path = self.path / SEARCH
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            plan = content["plan"]
            return Record(
                [str(name) for name in content["files"]],
                str(content["fingerprint"]),
                Config.from_values(content["start"]),
                Pace(**content["pace"]),
                Plan(**plan | {"sizes": tuple(map(int, plan["sizes"]))}),
                [dict(each) for each in content["candidates"]],
            )
        except OSError as error:
            raise RunError(
                f"'{self.path}' is no folder of a search: its {SEARCH} cannot be read "
                f"({error.strerror}); give the folder that `charnn tune` made."
            ) from error
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise RunError(f"'{path}' is damaged; start a new search with --out.") from error

    def results(self, record: Record) -> list[Result]:
        """Return the results that can be read; lines that cannot are cut out of the file.

        A killed process may have left the last line unfinished. Its run is made again.
        """
        path = self.path / TRIALS
        if not path.exists():
            return []
        found: dict[tuple[int, int], Result] = {}
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            for line in text.split("\n"):
                result = result_of(line, record)
                if result is not None:
                    found.setdefault((result.rung, result.trial), result)
            whole = "".join(line_of(result, record) for result in found.values())
            if whole != text:
                write_text(path, whole)
        except OSError as error:
            raise self._unwritable(error) from error
        return list(found.values())

    def add(self, result: Result, record: Record) -> None:
        """Append a result, whole or not at all. Raises RunError."""
        try:
            append(self.path / TRIALS, line_of(result, record).encode("utf-8"))
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, name: str, text: str) -> None:
        """Write one of the files, whole or not at all. Raises RunError."""
        try:
            write_text(self.path / name, text)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"folder '{self.path}' cannot be written ({error.strerror}); check its permissions and "
            "the free space, or choose another folder with --out."
        )


def line_of(result: Result, record: Record) -> str:
    """Return a result as a line of `trials.jsonl`."""
    return json.dumps(as_json(result, record.candidates[result.trial])) + "\n"


def as_json(result: Result, values: Mapping[str, Value]) -> dict[str, Any]:
    """Return a result, with the values of its configuration, as JSON can hold it."""
    head = {"rung": result.rung, "trial": result.trial, "planned": result.planned}
    return head | {"values": dict(values)} | asdict(result.outcome)


def result_of(line: str, record: Record) -> Result | None:
    """Return what a line of `trials.jsonl` says, or None where it is damaged."""
    with suppress(ValueError, TypeError, LookupError, RecursionError):
        entry = json.loads(line)
        whole = [entry[name] for name in ("rung", "trial", "steps", "best_update", "parameters")]
        times = [entry["planned"], entry["seconds"]]
        losses = [entry[name] for name in ("loss", "train_loss", "accuracy")]
        rung, trial = whole[:2]
        failure = entry["failure"]
        known = (
            all(type(number) is int and number >= 0 for number in whole)
            and all(type(number) is float and 0 < number < math.inf for number in times)
            and all(n is None or (type(n) is float and math.isfinite(n)) for n in losses)
            and type(failure) is (str if losses[0] is None else NoneType)
            and rung < len(record.plan.sizes)
            and entry["values"] == record.candidates[trial]
        )
        if known:
            outcome = Outcome(**{each.name: entry[each.name] for each in fields(Outcome)})
            return Result(rung, trial, entry["planned"], outcome)
    return None
