"""Lines of a stream as they arrive, so that each can be answered at once.

What one read of a file or pipe brings is given out together: a line that is typed at a terminal
comes alone, and a long file comes in groups that a model computes side by side.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from charnn.errors import CorpusError
from charnn.text.record_lines import BYTE_ORDER_MARK
from charnn.text.source import STANDARD_INPUT, TextFiles, find_encoding, is_stream

BLOCK = 1 << 16  # bytes of a read at most
TOGETHER = 1_024  # lines that are given out at once at most


@dataclass(frozen=True)
class LiveLine:
    """A line without its end: where it stands, and its text.

    Bytes that are not of the encoding are lone surrogates in the text (`surrogateescape`).
    """

    name: str
    number: int
    text: str

    @property
    def readable(self) -> str:
        """The text, with U+FFFD for bytes that are not of the encoding."""
        return self.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def error(self, what: object) -> str:
        """Return the sentence that says what is wrong with the line."""
        return f"file '{self.name}', line {self.number:,}: {what}"

    def check(self, encoding: str) -> None:
        """Raise CorpusError for bytes that are not of the encoding."""
        try:
            self.text.encode("utf-8")
        except UnicodeEncodeError as error:
            byte = ord(self.text[error.start]) & 0xFF
            raise CorpusError(
                f"the byte 0x{byte:02x} is not {encoding.upper()}; give the encoding with "
                "--encoding."
            ) from error


def live_lines(names: Iterable[str], encoding: str) -> Iterator[list[LiveLine]]:
    """Yield the lines of files in groups, as they arrive. Raises CorpusError.

    Every file that is not a stream is opened before the first line is given out. A byte-order mark
    at a file's beginning is left out.
    """
    names = list(names)
    if names.count(STANDARD_INPUT) > 1:
        raise CorpusError("standard input (-) can be read only once; give - only once.")
    find_encoding(encoding)
    TextFiles([name for name in names if not is_stream(name)], encoding)
    return (group for name in names for group in groups(name, encoding))


def groups(name: str, encoding: str) -> Iterator[list[LiveLine]]:
    """Yield the lines of one file in groups. Raises CorpusError."""
    decoder = find_encoding(encoding).incrementaldecoder("surrogateescape")
    number, rest, last = 0, "", False
    file = opened(name)
    try:
        while not last:
            block = file.read1(BLOCK)  # type: ignore[attr-defined]
            last = not block
            text = rest + decoder.decode(block, final=last)
            if number == 0:
                text = text.removeprefix(BYTE_ORDER_MARK)
            *lines, rest = text.split("\n")
            if last and rest:
                lines.append(rest)
            for start in range(0, len(lines), TOGETHER):
                yield [
                    LiveLine(name, number + place, line.removesuffix("\r"))
                    for place, line in enumerate(lines[start : start + TOGETHER], start + 1)
                ]
            number += len(lines)
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise CorpusError(
            f"file '{name}' cannot be read after line {number:,} ({error}); check the file and "
            "its encoding."
        ) from error
    finally:
        if name != STANDARD_INPUT:
            file.close()


def opened(name: str) -> IO[bytes]:
    """Open a file, or standard input. Raises CorpusError."""
    if name == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return cast("IO[bytes]", gzip.open(name)) if name.endswith(".gz") else Path(name).open("rb")
    except OSError as error:
        raise CorpusError(
            f"file '{name}' cannot be read ({error.strerror}); check the path."
        ) from error
