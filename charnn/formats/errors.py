"""What can go wrong with a file of another program, and how a missing library is named."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from charnn.errors import InputError


class FormatError(InputError):
    """A file of another program cannot be read or written, or holds no model of charnn's kind."""


def library(name: str, extra: str, title: str) -> Any:
    """Import an optional library. Raises FormatError, which names the extra that installs it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise FormatError(
            f"the library {title} is not installed; install the extra "
            f'`pip install "charnn[{extra}]"`.'
        ) from error
