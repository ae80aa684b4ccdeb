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
    """The text of some files, readable more than once; `-` is standard input, kept on disk."""

    def __init__(
        self,
        names: Sequence[str],
        encoding: str = "utf-8",
        advance: Callable[[int], None] = ignore,
    ) -> None:
        """Check that every file can be opened. Raises CorpusError.

        `advance` is told the bytes of each block that is read.
        """
        self.names = list(names)
        self._advance = advance
        self.encoding = find_encoding(encoding)
        self._standard_input: IO[bytes] | None = None
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
        if any(name == STANDARD_INPUT or name.endswith(".gz") for name in self.names):
            return None
        return sum(Path(name).stat().st_size for name in self.names)

    @property
    def cacheable(self) -> bool:
        """Whether the same text can be found again under the same names."""
        return STANDARD_INPUT not in self.names

    def signature(self) -> list[object]:
        """Return what changes when the text does: encoding, paths, sizes, times of change."""
        parts: list[object] = [self.encoding.name]
        for name in self.names:
            if name == STANDARD_INPUT:
                parts.append(["standard input", os.getpid(), id(self)])
            else:
                status = Path(name).stat()
                parts.append([str(Path(name).resolve()), status.st_size, status.st_mtime_ns])
        return parts

    def blocks(self) -> Iterator[str]:
        """Yield the text, decoded, in pieces of about a million characters. Raises CorpusError."""
        for name in self.names:
            decoder = self.encoding.incrementaldecoder()
            for offset, block, last in self._raw_blocks(name):
                pending = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block, final=last)
                except UnicodeDecodeError as error:
                    where = offset - pending + error.start
                    raise CorpusError(
                        f"corpus '{name}' is not {self.encoding.name.upper()}: byte "
                        f"0x{error.object[error.start]:02x} at offset {where:,}; name its encoding "
                        "with --encoding (latin-1 reads anything), or use --tokens bytes."
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
                self._advance(len(block))
                if not block:
                    return

    def _open(self, name: str) -> IO[bytes]:
        if name == STANDARD_INPUT:
            return self._rewound_standard_input()
        path = Path(name)
        if path.is_dir():
            raise CorpusError(f"corpus '{name}' is a folder; give the files in it.")
        try:
            if path.suffix == ".gz":
                return cast("IO[bytes]", gzip.open(path))
            return path.open("rb")
        except OSError as error:
            raise CorpusError(
                f"corpus '{name}' cannot be read ({error.strerror}); check the path."
            ) from error

    def _rewound_standard_input(self) -> IO[bytes]:
        """Return standard input's bytes from the beginning; the first call copies them to disk."""
        if self._standard_input is None:
            self._standard_input = tempfile.NamedTemporaryFile(prefix="charnn-")  # noqa: SIM115
            while block := sys.stdin.buffer.read(BLOCK):
                self._standard_input.write(block)
        self._standard_input.seek(0)
        return cast(IO[bytes], Unclosed(self._standard_input))


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


def find_encoding(name: str) -> codecs.CodecInfo:
    """Return the codec of a text encoding. Raises CorpusError."""
    try:
        info = codecs.lookup(name)
    except LookupError:
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
