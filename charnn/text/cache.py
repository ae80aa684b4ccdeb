"""Encoded texts on disk: a text is encoded once, and its ids are memory-mapped from then on.

An entry is named after a digest of its source (path, size and times of change of each file), its
encoding and its vocabulary, so a text that has changed gets a new entry. The folder is
`$CHARNN_CACHE` or, if that is not set, `charnn` in the user's cache folder. When it grows above
`LIMIT`, the least recently used entries are removed. It is safe to delete the folder at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from charnn.files import replacing

LIMIT = 16 << 30  # bytes
VERSION = 2  # of the entries' layout
IDS, RECORD = ".ids", ".json"


def cache_folder() -> Path:
    """Return the cache folder, which may not exist yet."""
    chosen = os.environ.get("CHARNN_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "charnn"


def entry_name(content: object) -> str:
    """Return the name of the entry for a description that JSON can represent."""
    return digest([VERSION, content])[:32]


def digest(content: object) -> str:
    """Return the SHA-256 of a description that JSON can represent."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One entry: a record and, for an encoded text, the file of its ids."""

    name: str

    @property
    def record_path(self) -> Path:
        """The file that holds the record."""
        return cache_folder() / f"{self.name}{RECORD}"

    @property
    def ids_path(self) -> Path:
        """The file that holds the ids."""
        return cache_folder() / f"{self.name}{IDS}"

    def read(self) -> dict[str, Any] | None:
        """Return the record; None if there is none, if it is damaged or if ids are missing."""
        try:
            sealed = json.loads(self.record_path.read_text(encoding="utf-8"))
            record: dict[str, Any] = sealed["record"]
            if sealed["digest"] != digest(record):
                return None
            if record.get("bytes") is not None and self.ids_path.stat().st_size != record["bytes"]:
                return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return record

    def use(self) -> dict[str, Any] | None:
        """Return the record as `read` does, and mark the entry as used now."""
        record = self.read()
        if record is not None:
            with suppress(OSError):
                os.utime(self.record_path)
        return record

    def remove(self) -> None:
        """Delete the entry."""
        for path in (self.record_path, self.ids_path):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @contextmanager
    def writing_ids(self) -> Iterator[IO[bytes]]:
        """Open the file of the ids, which appears when the block succeeds. Raises OSError."""
        cache_folder().mkdir(parents=True, exist_ok=True)
        with replacing(self.ids_path) as file:
            yield file

    def write(self, record: dict[str, Any]) -> None:
        """Write the record, which makes the entry valid, and prune the cache."""
        cache_folder().mkdir(parents=True, exist_ok=True)
        with replacing(self.record_path) as file:
            sealed = {"record": record, "digest": digest(record)}
            file.write(json.dumps(sealed).encode("utf-8"))
        prune(LIMIT, keep=self.name)


def contents() -> dict[str, tuple[int, float]]:
    """Return each entry's size on disk in bytes, and when it was last used."""
    entries: dict[str, tuple[int, float]] = {}
    for path in sorted(cache_folder().glob("*")):
        if path.suffix in (IDS, RECORD):
            with suppress(OSError):
                status = path.stat()
                size, used = entries.get(path.stem, (0, 0.0))
                entries[path.stem] = size + status.st_size, max(used, status.st_mtime)
    return entries


def prune(limit: int, keep: str | None = None) -> int:
    """Remove the least recently used entries until the rest fits `limit` bytes; return how many."""
    entries = contents()
    total = sum(size for size, _ in entries.values())
    removed = 0
    for name, (size, _) in sorted(entries.items(), key=lambda item: item[1][1]):
        if total <= limit:
            break
        if name != keep:
            Entry(name).remove()
            total -= size
            removed += 1
    return removed
