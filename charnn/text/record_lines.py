"""The lines of a file, counted, so that an error can say where it is.

A byte-order mark at the file's beginning and carriage returns at the ends of lines are left out.
Only a line feed ends a line; other separators, such as U+2028, are characters of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from charnn.errors import CorpusError
from charnn.text.source import TextFiles

BYTE_ORDER_MARK = "\ufeff"


class Lines:
    """The lines of one file; `number` is that of the line read last."""

    def __init__(self, name: str, encoding: str) -> None:
        """Check that the file can be opened. Raises CorpusError."""
        self.files = TextFiles([name], encoding, or_bytes=False)
        self.name = name
        self.number = 0
        self.columns: int | None = None  # of the first line that has any
        self.notes: list[str] = []  # what the user should know of the lines

    @property
    def label(self) -> str:
        """The class that a file is named after."""
        return self.files.name

    def __iter__(self) -> Iterator[str]:
        """Yield the lines from the first, without line ends. Raises CorpusError."""
        self.number = 0
        rest: list[str] = []  # of the line at the end of a block
        for block in self.files.blocks():
            first, *others = block.split("\n")
            rest.append(first)
            if others:
                yield self._next("".join(rest))
                yield from map(self._next, others[:-1])
                rest = [others[-1]]
        if any(rest):
            last = self._next("".join(rest))
            if self.number == 1 and "\r" in last:
                raise self.error(
                    "it has carriage returns, but the file has no line feed, so that it is a "
                    "single line; save it with line feeds at the ends of lines."
                )
            yield last

    def _next(self, line: str) -> str:
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        return line.removesuffix("\r")

    def count_columns(self, count: int) -> None:
        """Note the first line that has more columns than the first of all."""
        self.columns = self.columns or count
        if count > self.columns and not self.notes:
            self.notes.append(
                f"file '{self.name}', line {self.number:,} has {count} columns, and the first "
                f"line {self.columns}: a tab in a text would shift the columns behind it."
            )

    def error(self, what: str) -> CorpusError:
        """Return the error of the line read last; `what` is wrong with it."""
        return CorpusError(f"file '{self.name}', line {self.number:,}: {what}")


def filled(lines: Lines) -> Iterator[str]:
    """Yield the lines that hold more than spaces."""
    return (line for line in lines if line.strip(" "))
