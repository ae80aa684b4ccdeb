"""Where bytes come from and go to: files by their names, or streams of unknown length."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from charnn.files import replacing

PIECE = 1 << 18  # bytes that are read at once


@contextmanager
def source_file(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a file to be read, or copy a stream into a temporary file first. Raises OSError."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            if file.seekable():
                yield file
                return
            with source_file(cast(BinaryIO, file)) as copy:
                yield copy
        return
    with tempfile.TemporaryFile(prefix="charnn-") as copy:
        shutil.copyfileobj(source, copy, PIECE)
        copy.seek(0)
        yield cast(BinaryIO, copy)


@contextmanager
def target_file(target: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a file that gets its name, or is copied to a stream, when the block succeeds.

    It can be written, read and sought. Raises OSError.
    """
    if isinstance(target, Path):
        with replacing(target) as file:
            yield cast(BinaryIO, file)
        return
    with scratch(target) as file:
        yield file
        file.seek(0)
        shutil.copyfileobj(file, target, PIECE)
        target.flush()


@contextmanager
def scratch(target: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a temporary file without a name, on the disk of a target that is a file."""
    folder = target.parent if isinstance(target, Path) else None
    with tempfile.TemporaryFile(prefix="charnn-", dir=folder) as file:
        yield cast(BinaryIO, file)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file from where it is to its end."""
    while piece := file.read(PIECE):
        yield piece


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end a `with` block as an exception, so that it can tidy up.

    It is KeyboardInterrupt, or SystemExit with the exit code that a shell gives; a second signal
    does not disturb the tidying. Where the program has a handler of its own, and outside the main
    thread, nothing is changed.
    """
    changed: dict[int, Any] = {}

    def end(number: int, _: object) -> None:
        for each in changed:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    try:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                before = None if number is None else signal.getsignal(number)
                if number is not None and before in (signal.SIG_DFL, signal.default_int_handler):
                    changed[number] = before
                    signal.signal(number, end)
        yield
    finally:
        for number, before in changed.items():
            signal.signal(number, before)
