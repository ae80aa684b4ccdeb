"""Pictures that commands write: `--svg FILE`."""

from __future__ import annotations

from pathlib import Path

from charnn.errors import InputError
from charnn.files import write_text


def check_folder(path: Path, what: str = "picture") -> None:
    """Raise InputError where a file of this name could not be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(
            f"the {what} '{path}' cannot be written: "
            f"{'that is a folder' if path.is_dir() else 'there is no such folder'}; give the name "
            "of a file in a folder that exists."
        )


def write_file(path: Path, text: str, what: str = "picture") -> None:
    """Write a picture or a page, whole or not at all. Raises InputError."""
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(
            f"the {what} '{path}' cannot be written ({error.strerror}); give another name."
        ) from error
