"""Reading text: plain or gzip-compressed files, pipes and standard input, one after the other.

Text is read in blocks and decoded incrementally. Nothing is changed on the way: line endings, a
byte-order mark and NUL are characters like any other.
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
    """Ignore a report of progress."""


class TextFiles:
    """The text of some files, which can be read more than once.

    Standard input (`-`) and pipes can be read only once, so they are first copied to disk.
    """

    def __init__(
        self,
        names: Sequence[str],
        encoding: str = "utf-8",
        or_bytes: bool = True,
    ) -> None:
        """Check that every file can be opened. Raises CorpusError.

        `or_bytes` says whether what cannot be decoded could be read as bytes instead.
        """
        self.names = list(names)
        self.advance: Callable[[int], None] = ignore  # called with the size of each block, in bytes
        self.encoding = find_encoding(encoding)
        self.or_bytes = or_bytes
        self._copies: dict[str, IO[bytes]] = {}
        if self.names.count(STANDARD_INPUT) > 1:
            raise CorpusError("standard input (-) can be read only once; give - only once.")
        for name in self.names:
            with self._open(name):
                pass

    @property
    def name(self) -> str:
        """A short name for the text: that of the first file, without folder and extensions."""
        return stem(self.names[0])

    @property
    def size(self) -> int | None:
        """The size of all files in bytes; None if it is unknown before they have been read."""
        return size_of(self.names)

    @property
    def cacheable(self) -> bool:
        """Whether the same text can be read again later under the same names."""
        return not any(map(is_stream, self.names))

    def signature(self) -> list[object]:
        """Return what identifies the text: encoding, paths, sizes and two times per file.

        The times are those of the last change to the content and to the inode. A program can set
        the first back, but not the second (on Windows, the second is the time of creation).
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
                    remedy = "give its encoding with --encoding (latin-1 accepts any byte)"
                    if where == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                        remedy = "it begins as UTF-16 does, so give --encoding utf-16"
                    raise CorpusError(
                        f"corpus '{name}' is not {self.encoding.name.upper()}: byte "
                        f"0x{error.object[error.start]:02x} at offset {where:,}; {remedy}"
                        f"{', or use --tokens bytes' if self.or_bytes else ''}."
                    ) from error
                except UnicodeError as error:
                    raise CorpusError(
                        f"corpus '{name}' cannot be decoded as {self.encoding.name} ({error}); "
                        "give another encoding with --encoding."
                    ) from error
                if text:
                    yield text

    def raw(self) -> Iterator[bytes]:
        """Yield the bytes of the files, decompressed, in blocks. Raises CorpusError."""
        for name in self.names:
            for _, block, _ in self._raw_blocks(name):
                yield block

    def _raw_blocks(self, name: str) -> Iterator[tuple[int, bytes, bool]]:
        """Yield (offset, block, whether it is the last block)."""
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
                raise CorpusError(f"corpus '{name}' is a folder; give the names of its files.")
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
        """Return the bytes of a stream from its beginning; the first call copies them to disk."""
        if name not in self._copies:
            copy = tempfile.TemporaryFile(prefix="charnn-")  # noqa: SIM115
            weakref.finalize(self, copy.close)
            while block := stream.read(BLOCK):
                copy.write(block)
            self._copies[name] = copy
        self._copies[name].seek(0)
        return cast(IO[bytes], Unclosed(self._copies[name]))


class Unclosed:
    """A file that stays open at the end of a `with` block."""

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
    """Return whether a text can be read only once, like standard input or a pipe."""
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
            f"encoding {name!r} is not a text encoding that Python knows; give one such as "
            "utf-8, latin-1, cp1252 or utf-16."
        )
    return info


def stem(name: str) -> str:
    """Return the name of a file without folder and extensions."""
    if name == STANDARD_INPUT:
        return "stdin"
    return Path(name).name.removesuffix(".gz").split(".")[0] or "corpus"


def name_of(names: Sequence[str]) -> str:
    """Return a short name for what some files hold: of the file, or of the folder of several."""
    if len(names) > 1:
        folders = {Path(name).resolve().parent for name in names}
        if len(folders) == 1 and (folder := folders.pop().name):
            return folder
    return stem(names[0])


def size_of(names: Sequence[str]) -> int | None:
    """Return the size of files in bytes; None if it is unknown before they have been read."""
    if any(is_stream(name) or name.endswith(".gz") for name in names):
        return None
    return sum(path.stat().st_size for path in map(Path, names) if path.is_file())


def quoted(names: Sequence[str]) -> str:
    """Return file names in quotes, separated by commas."""
    return ", ".join(f"'{name}'" for name in names)
