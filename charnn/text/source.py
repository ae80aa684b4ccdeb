"""Where text comes from: plain or gzip-compressed files, standard input, one after the other.

Text is read in blocks and decoded incrementally, and nothing is changed on the way: line endings,
a byte-order mark and NUL are characters like any other.
"""

from __future__ import annotations

import codecs
import gzip
import os
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from charnn.errors import CorpusError

BLOCK = 1 << 20  # bytes
STANDARD_INPUT = "-"


def ignore(_: int) -> None:
    """Take no notice of progress."""


class TextFiles:
    """The text of some files, readable more than once.

    Standard input (`-`) and pipes can be read once only, so they are copied to disk first.
    """

    def __init__(
        self,
        names: Sequence[str],
        encoding: str = "utf-8",
    ) -> None:
        """Check that every file can be opened. Raises CorpusError."""
        self.names = list(names)
        self.advance: Callable[[int], None] = ignore  # is told the bytes of each block read
        self.encoding = find_encoding(encoding)
        self._copies: dict[str, IO[bytes]] = {}
        if self.names.count(STANDARD_INPUT) > 1:
            raise CorpusError("standard input (-) can be read once only; give - a single time.")
        for name in self.names:
            with self._open(name):
                pass

    @property
    def name(self) -> str:
        """A short name for the whole: the first file's, without its folder and endings."""
        first = self.names[0]
        if first == STANDARD_INPUT:
            return "stdin"
        return Path(first).name.removesuffix(".gz").split(".")[0] or "corpus"

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None where only reading them tells."""
        if any(is_stream(name) or name.endswith(".gz") for name in self.names):
            return None
        return sum(Path(name).stat().st_size for name in self.names)

    @property
    def cacheable(self) -> bool:
        """Whether the same text can be found again under the same names."""
        return not any(map(is_stream, self.names))

    def signature(self) -> list[object]:
        """Return what changes when the text does: encoding, paths, sizes, times of change.

        The second time is that of the file's entry in the system, which nobody can set back (on
        Windows it is that of its creation).
        """
        parts: list[object] = [self.encoding.name]
        for name in self.names:
            if is_stream(name):
                parts.append([name, os.getpid(), id(self)])
            else:
                status = Path(name).stat()
                times = status.st_mtime_ns, status.st_ctime_ns
                parts.append([str(Path(name).resolve()), status.st_size, *times])
        return parts

    def blocks(self) -> Iterator[str]:
        """Yield the text, decoded, in pieces of about a million characters. Raises CorpusError."""
        for name in self.names:
            decoder = self.encoding.incrementaldecoder()
            for offset, block, last in self._raw_blocks(name):
                try:
                    text = decoder.decode(block, final=last)
                except UnicodeDecodeError as error:
                    where = offset + len(block) - len(error.object) + error.start
                    raise CorpusError(
                        f"corpus '{name}' is not {self.encoding.name.upper()}: byte "
                        f"0x{error.object[error.start]:02x} at offset {where:,}; name its encoding "
                        "with --encoding (latin-1 reads anything), or use --tokens bytes."
                    ) from error
                except UnicodeError as error:
                    raise CorpusError(
                        f"corpus '{name}' cannot be decoded as {self.encoding.name} ({error}); "
                        "name another encoding with --encoding."
                    ) from error
                if text:
                    yield text

    def raw(self) -> Iterator[bytes]:
        """Yield the bytes of the files, unpacked, in blocks. Raises CorpusError."""
        for name in self.names:
            for _, block, _ in self._raw_blocks(name):
                yield block

    def _raw_blocks(self, name: str) -> Iterator[tuple[int, bytes, bool]]:
        """Yield (offset, block, whether it is the last)."""
        offset = 0
        with self._open(name) as file:
            while True:
                try:
                    block = file.read(BLOCK)
                except (OSError, EOFError, zlib.error) as error:
                    raise CorpusError(
                        f"corpus '{name}' cannot be read after byte {offset:,} ({error}); "
                        "check the file."
                    ) from error
                yield offset, block, not block
                offset += len(block)
                self.advance(len(block))
                if not block:
                    return

    def _open(self, name: str) -> IO[bytes]:
        if name in self._copies or name == STANDARD_INPUT:
            return self._copy_of(name, sys.stdin.buffer)
        path = Path(name)
        try:
            if path.is_dir():
                raise CorpusError(f"corpus '{name}' is a folder; give the files in it.")
            if path.suffix == ".gz":
                return cast("IO[bytes]", gzip.open(path))
            if is_stream(name):
                with path.open("rb") as stream:
                    return self._copy_of(name, stream)
            return path.open("rb")
        except (OSError, ValueError) as error:
            raise CorpusError(
                f"corpus '{name}' cannot be read ({getattr(error, 'strerror', error)}); check the "
                "path."
            ) from error

    def _copy_of(self, name: str, stream: IO[bytes]) -> IO[bytes]:
        """Return a stream's bytes from the beginning; the first call copies them to disk."""
        if name not in self._copies:
            copy = tempfile.TemporaryFile(prefix="charnn-")  # noqa: SIM115
            weakref.finalize(self, copy.close)
            while block := stream.read(BLOCK):
                copy.write(block)
            self._copies[name] = copy
        self._copies[name].seek(0)
        return cast(IO[bytes], Unclosed(self._copies[name]))


class Unclosed:
    """A file that a `with` block does not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        return self._file.read(size)

    def __enter__(self) -> Unclosed:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def is_stream(name: str) -> bool:
    """Say whether a text can be read once only: standard input, a pipe."""
    path = Path(name)
    return name == STANDARD_INPUT or (path.exists() and not path.is_file() and not path.is_dir())


def find_encoding(name: str) -> codecs.CodecInfo:
    """Return the codec of a text encoding. Raises CorpusError."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        info = None
    if info is None or not getattr(info, "_is_text_encoding", True):
        raise CorpusError(
            f"encoding {name!r} is unknown; give one that Python knows, such as utf-8, latin-1, "
            "cp1252 or utf-16."
        )
    return info


def quoted(names: Sequence[str]) -> str:
    """Return file names as a sentence shows them."""
    return ", ".join(f"'{name}'" for name in names)
