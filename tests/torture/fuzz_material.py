"""What the fuzzers' targets are made of."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from charnn.errors import CharnnError


@cache
def scratch() -> Path:
    """Return this process's folder for the files that are read."""
    folder = tempfile.mkdtemp(prefix="charnn-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class Choices:
    """Choices read off a byte string, which goes on in zeros."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.take(len(self._data))

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return int.from_bytes(self.take(1 if limit <= 256 else 3), "little") % max(limit, 1)

    def pick(self, options: Any) -> Any:
        """Return one of some options."""
        listed = list(options)
        return listed[self.below(len(listed))]

    def piece(self) -> bytes:
        """Return a short string of bytes."""
        return self.take(self.below(24))


def one_line(error: CharnnError) -> None:
    """Check that an error is one sentence."""
    message = str(error)
    assert message, "an error without a message"
    assert "\n" not in message, message


class Target(NamedTuple):
    """A reader: the function of bytes, inputs to begin with, and words that they are made of."""

    fuzz_one: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: Callable[[], list[bytes]]
