"""A folder as models have it on the Hugging Face hub: what charnn writes, all of it or nothing.

- model.safetensors: the weights, with all that charnn needs to read them back
- config.json: what the model is, for programs
- README.md: the model card, for people
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charnn.files import TEMPORARY, replacing, write_text
from charnn.formats.errors import FormatError
from charnn.formats.metadata import without_folders
from charnn.formats.model_card import card
from charnn.training.checkpoint import Checkpoint
from charnn.version import __version__

CARD, CONFIG, MODEL = "README.md", "config.json", "model.safetensors"
FILES = {CARD, CONFIG, MODEL}


def check_folder(path: Path, force: bool) -> None:
    """Raise FormatError for a folder that must not be written; OSError."""
    if not path.exists():
        return
    if not path.is_dir():
        raise FormatError(f"'{path}' is a file, and no folder; choose another name.")
    names = {entry.name for entry in path.iterdir()}
    if foreign := sorted(names - FILES):
        raise FormatError(
            f"folder '{path}' holds files of something else ({', '.join(foreign[:3])}); choose "
            "another folder with --out."
        )
    if names and not (CONFIG in names and is_ours(path / CONFIG)):
        raise FormatError(
            f"folder '{path}' holds {', '.join(sorted(names))}, which charnn did not export; "
            "choose another folder with --out."
        )
    if names and not force:
        raise FormatError(
            f"folder '{path}' exists; replace it with --force, or choose another with --out."
        )


def is_ours(config: Path) -> bool:
    """Return whether a config.json is one of charnn's."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("library_name") == "charnn"


def write_folder(path: Path, checkpoint: Checkpoint, layout: str, content: bytes) -> None:
    """Write the folder of a model whose safetensors file has this content. Raises OSError."""
    described = json.dumps(description(checkpoint, layout), indent=2)
    with replacing_folder(path.absolute()) as folder:
        with replacing(folder / MODEL) as file:
            file.write(content)
        write_text(folder / CONFIG, described + "\n")
        write_text(folder / CARD, card(checkpoint, layout))


def description(checkpoint: Checkpoint, layout: str) -> dict[str, object]:
    """Return the content of config.json."""
    return {
        "library_name": "charnn",
        "model_type": f"charnn-{checkpoint.task.name}",
        "charnn_version": __version__,
        "layout": layout,
        "config": without_folders(checkpoint.config).own_values(),
        "vocabulary": checkpoint.vocabulary.to_json(),
    }


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a new folder beside `path`, which takes its place when the block succeeds.

    If that fails, what was there before is there again. Raises OSError.
    """
    new = beside(path)
    new.mkdir()
    try:
        yield new
        if not path.exists():
            new.rename(path)
            return
        old = beside(path)
        path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def beside(path: Path) -> Path:
    """Return a name for a temporary folder beside a path."""
    return path.parent / f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}"
