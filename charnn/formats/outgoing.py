"""Export: a trained model as a file that other programs read.

The name says what is written: `.safetensors`, `.onnx`, `.html`, or, without an ending, a folder as
models have it on the Hugging Face hub.
"""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

import numpy as np

from charnn.arrays import Array
from charnn.files import replacing
from charnn.formats.errors import FormatError
from charnn.formats.hub_folder import check_folder, write_folder
from charnn.formats.metadata import OWN, PYTORCH, metadata_of
from charnn.formats.naming import naming, obstacle
from charnn.formats.page_file import write_page
from charnn.formats.page_weights import FLOAT16, ROUNDINGS
from charnn.formats.safetensors_file import content_of
from charnn.options import shown
from charnn.training.checkpoint import Checkpoint

FOLDER, SAFETENSORS, ONNX, PAGE = "folder", ".safetensors", ".onnx", ".html"


def export_model(
    checkpoint: Checkpoint,
    name: str | PathLike[str],
    force: bool = False,
    weights: str | None = None,
) -> list[str]:
    """Write a model, and return what the user should know of it, in sentences.

    The weights are the averages where the run kept them; `weights` says how a page rounds them:
    float16 (if None) or int8. An existing file, or folder that charnn exported, is replaced with
    `force` only. Raises FormatError.
    """
    kind = check_target(name, force, weights)
    path = Path(name)
    try:
        if kind == PAGE:
            write_page(checkpoint, path, weights or FLOAT16)
            return []
        if kind == ONNX:
            from charnn.formats.onnx_graph import write_onnx

            write_onnx(checkpoint, path)
            return []
        layout, arrays, notes = laid_out(checkpoint)
        content = content_of(arrays, metadata_of(checkpoint, layout, arrays))
        if kind == FOLDER:
            write_folder(path, checkpoint, layout, content)
        else:
            with replacing(path) as file:
                file.write(content)
    except OSError as error:
        raise unwritable(path, error) from error
    return notes


def unwritable(path: Path, error: OSError) -> FormatError:
    """Return that a file or folder cannot be written, and why."""
    reason = error.strerror or error
    return FormatError(f"'{path}' cannot be written ({reason}); choose another place.")


def check_target(name: str | PathLike[str], force: bool, weights: str | None = None) -> str:
    """Return what a name asks for. Raises FormatError where it cannot be written."""
    path = Path(name)
    try:
        kind = kind_of(os.fspath(name))
        check_rounding(kind, weights)
        if kind == FOLDER:
            check_folder(path, force)
        elif path.exists() and not force:
            raise FormatError(
                f"'{path}' exists; replace it with --force, or choose another name with --out."
            )
        if not path.absolute().parent.is_dir():
            raise FormatError(f"folder '{path.parent}' does not exist; make it first.")
    except OSError as error:
        raise unwritable(path, error) from error
    return kind


def check_rounding(kind: str, weights: str | None) -> None:
    """Raise FormatError for a rounding that there is not, or that is not for this kind of file."""
    if weights is None:
        return
    if weights not in ROUNDINGS:
        raise FormatError(f"weights is {shown(weights)}; choose one of {', '.join(ROUNDINGS)}.")
    if kind != PAGE:
        raise FormatError(
            f"weights is {weights}, but only a page (.html) rounds them; leave --weights out."
        )


def kind_of(name: str) -> str:
    """Return what a name asks for: a folder or an ending. Raises FormatError for another ending."""
    suffix = Path(name).suffix.lower()
    if name.endswith(("/", os.sep)) or not suffix or Path(name).is_dir():
        return FOLDER
    if suffix not in (SAFETENSORS, ONNX, PAGE):
        raise FormatError(
            f"'{name}' ends with {suffix}, which charnn does not write; there are .safetensors, "
            ".onnx, .html, and a folder, whose name has no such ending or ends with /."
        )
    return suffix


def laid_out(checkpoint: Checkpoint) -> tuple[str, dict[str, Array], list[str]]:
    """Return a model's layout, its arrays by name, and notes."""
    model = checkpoint.model
    layout = naming(type(model), model.config, model.sizes)
    if layout is not None:
        return PYTORCH, layout.exported(model.parameters), []
    arrays = {name: np.array(array) for name, array in model.parameters.items()}
    reason = obstacle(type(model), model.config, model.cell)
    note = f"the arrays have charnn's own names and layout, because {reason}."
    return OWN, arrays, [note]
