"""A lock that one process holds, and that is released however the process ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO


class Lock:
    """A lock on a file. The operating system's lock counts, not that the file exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock; return False if another process holds it. Raises OSError.

        Taking it a second time has no effect. On a file system that does not support locks, the
        lock is always granted.
        """
        while self._file is None:
            file = self.path.open("ab")
            try:
                taken = _lock(file)
            except OSError:
                taken = True
            if not taken:
                file.close()
                return False
            if self._is_ours(file):
                self._file = file
            else:  # its last holder has just removed the file
                file.close()
        return True

    def release(self) -> None:
        """Release the lock, if it is held, and remove its file."""
        if self._file is not None:
            with suppress(OSError):  # Windows cannot remove an open file; leaving it does no harm
                if self._is_ours(self._file):
                    self.path.unlink()
            self._file.close()
            self._file = None

    def _is_ours(self, file: IO[bytes]) -> bool:
        """Return whether an open file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file without waiting. Raises OSError where files cannot be locked."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
