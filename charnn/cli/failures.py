"""How an error ends a command: one sentence on standard error, and its exit code."""

from __future__ import annotations

from typing import IO, Any

import click

from charnn.errors import CharnnError


class Failure(click.ClickException):
    """A `CharnnError` as click reports it: its sentence on standard error, and its exit code."""

    def __init__(self, error: CharnnError) -> None:
        from charnn.cli.console import visible

        super().__init__(visible(str(error)))
        self.__dict__["exit_code"] = error.exit_code


class Hushed(Failure):
    """A failure that another rank of the same machine reports."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Say nothing."""


def failure(error: CharnnError) -> Failure:
    """Return an error as click is to report it in this process."""
    from charnn.engines.choice import reports

    return Failure(error) if reports() else Hushed(error)
