"""Writing a picture where the user asked for it."""

from __future__ import annotations

from pathlib import Path

from charnn.errors import InputError
from charnn.files import write_text


def check_folder(path: Path) -> None:
    """Raise InputError where a picture of this name could not be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(
            f"the picture '{path}' cannot be written: "
            f"{'that is a folder' if path.is_dir() else 'there is no such folder'}; give the name "
            "of a file in a folder that exists."
        )


def write_picture(path: Path, picture: str) -> None:
    """Write SVG. Raises InputError."""
    try:
        write_text(path, picture)
    except OSError as error:
        raise InputError(
            f"the picture '{path}' cannot be written ({error.strerror}); give another name."
        ) from error
