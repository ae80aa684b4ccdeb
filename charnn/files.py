"""Writing files so that a reader never sees one that is half written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

TEMPORARY = ".tmp"


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`, which replaces `path` when the block succeeds.

    The content reaches the disk before the name does (fsync, replace, fsync of the folder), so a
    crash or a full disk leaves the old file in place. With `keep` the old file is first renamed to
    `keep`; a crash between the two renames leaves it under that name only. Raises OSError.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
    written = Path(temporary)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        written.chmod(0o666 & ~_umask())
        if keep is not None and path.exists():
            path.replace(keep)
        written.replace(path)
    except BaseException:
        with suppress(OSError):
            written.unlink()
        raise
    _sync_folder(path.parent)


def leftovers(folder: Path, names: Collection[str]) -> list[Path]:
    """Return the temporary files for these names that a killed process left. Raises OSError."""
    prefixes = tuple(f".{name}." for name in names)
    return [
        entry
        for entry in folder.iterdir()
        if entry.name.startswith(prefixes) and entry.name.endswith(TEMPORARY)
    ]


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file completely or not at all. Raises OSError."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def append(path: Path, content: bytes) -> None:
    """Append to a file; if that fails, leave the file unchanged. Raises OSError."""
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            written = file.write(content)
            if written != len(content):
                raise OSError(errno.ENOSPC, f"only {written} of {len(content)} bytes were written")
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder, and its renames need no fsync
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
