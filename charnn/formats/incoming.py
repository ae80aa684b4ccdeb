"""Import: a checkpoint from a file of another program, or from what charnn exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.errors import CharnnError
from charnn.formats.errors import FormatError
from charnn.formats.foreign_vocabulary import Ordered, ordered, read_vocabulary
from charnn.formats.metadata import PYTORCH, described, is_ours
from charnn.formats.naming import Naming, naming
from charnn.formats.safetensors_file import Tensors, read_tensors
from charnn.formats.state_dict import recognised
from charnn.formats.torch_file import read_state_dict
from charnn.nn.parameters import shapes_of
from charnn.tasks.registry import task_of
from charnn.training.archive import check_finite
from charnn.training.checkpoint import BEST, Checkpoint, CorpusRecord, versions
from charnn.training.progress import Progress

MODEL = "model.safetensors"
TORCH_SUFFIXES = (".pt", ".pth")
UNKNOWN_TEXT = "a text that is not known"
VocabularySource: TypeAlias = "str | PathLike[str] | Sequence[str] | Mapping[str, Any] | None"


def import_model(path: Path, vocab: VocabularySource = None) -> Checkpoint:
    """Read a model from a file or folder, as a checkpoint that cannot be resumed.

    `vocab` is needed for what charnn did not write: a file, or its content as
    `charnn.formats.foreign_vocabulary` describes it. Raises FormatError, VocabularyError.
    """
    symbols = None if vocab is None else symbols_of(vocab)
    try:
        return imported(path, symbols)
    except FileNotFoundError as error:
        raise FormatError(f"'{path}' does not exist; check the path.") from error
    except OSError as error:
        raise FormatError(
            f"'{path}' cannot be read ({error.strerror or error}); check the path."
        ) from error
    except MemoryError as error:
        raise FormatError(f"'{path}' does not fit into memory; use a larger machine.") from error
    except CharnnError as error:
        raise FormatError(f"'{path}' cannot be imported: {error}") from error


def imported(path: Path, symbols: Ordered | None) -> Checkpoint:
    """Read a model: see `import_model`, which names the file in what is raised."""
    if path.is_dir():
        path = file_in(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        tensors = read_tensors(path)
    elif suffix in TORCH_SUFFIXES:
        path.stat()
        tensors = Tensors(read_state_dict(path), {})
    else:
        raise FormatError(wrong_suffix(path))
    if is_ours(tensors.metadata):
        if symbols is not None:
            raise FormatError("it has its vocabulary inside; leave --vocab out.")
        return own(tensors, path)
    if symbols is None:
        raise FormatError(
            "charnn did not write it, and it does not say which symbols its ids stand for; give "
            "the vocabulary with --vocab FILE."
        )
    return foreign(tensors.arrays, symbols, path)


def file_in(folder: Path) -> Path:
    """Return the file of a folder that holds a model. Raises FormatError."""
    if not (folder / MODEL).exists():
        run = " it is a run folder, which needs no import;" if (folder / BEST).exists() else ""
        raise FormatError(f"it has no {MODEL};{run} give the folder of an exported model.")
    return folder / MODEL


def wrong_suffix(path: Path) -> str:
    """Return why a file's name does not say what can be imported."""
    if path.suffix.lower() == ".onnx":
        return (
            "an ONNX file is for running a model only; give the safetensors file of the same model."
        )
    if path.suffix.lower() == ".npz":
        return "it has the name of a checkpoint, which needs no import; use it as it is."
    return (
        f"{path.suffix or 'a name without an ending'} is no format that charnn imports; there are "
        ".safetensors, .pt and a folder with model.safetensors."
    )


def symbols_of(vocab: str | PathLike[str] | Sequence[str] | Mapping[str, Any]) -> Ordered:
    """Return a vocabulary from a file or its content. Raises VocabularyError."""
    if isinstance(vocab, (str, PathLike)):
        return read_vocabulary(vocab)
    return ordered(vocab)


def own(tensors: Tensors, path: Path) -> Checkpoint:
    """Return the checkpoint that charnn exported, bit for bit. Raises FormatError."""
    about = described(tensors.metadata, tensors.arrays)
    task = task_of(about.config)
    sizes = task.sizes(about.vocabulary)
    layout = naming(task.model, about.config.model, sizes) if about.layout == PYTORCH else None
    if about.layout == PYTORCH and layout is None:
        raise FormatError("its layout is pytorch, which a model of its configuration cannot have.")
    shapes = shapes_of(task.model.specs_of(about.config.model, sizes))
    check_shapes(tensors.arrays, layout.theirs if layout is not None else shapes)
    check_finite(tensors.arrays)
    parameters = tensors.arrays
    if layout is not None:
        parameters = restored(layout, tensors.arrays)
    return Checkpoint.of_arrays(
        about.config,
        about.vocabulary,
        {f"parameters/{name}": array for name, array in parameters.items()},
        about.progress,
        about.corpus,
        resumable=False,
        provenance=about.provenance | origin(path, f"layout {about.layout}"),
    )


def check_shapes(arrays: Arrays, expected: Mapping[str, Shape]) -> None:
    """Raise FormatError where the arrays are not those of a configuration."""
    if different := sorted(arrays.keys() ^ expected.keys()):
        names = ", ".join(map(repr, different[:3]))
        raise FormatError(f"its arrays are not those of its configuration: {names}.")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise FormatError(
                f"its array {name!r} has the shape {arrays[name].shape}, and its configuration "
                f"asks for {shape}."
            )


def restored(layout: Naming, arrays: Arrays) -> dict[str, Array]:
    """Return charnn's parameters. Raises FormatError where arrays hold more than these."""
    parameters = layout.imported(arrays)
    for name, array in layout.exported(parameters).items():
        if array.tobytes() != np.ascontiguousarray(arrays[name]).tobytes():
            raise FormatError(
                f"its array {name!r} has values that charnn's models have no place for; use "
                "another copy."
            )
    return parameters


def foreign(arrays: Arrays, symbols: Ordered, path: Path) -> Checkpoint:
    """Return a language model that another program made. Raises FormatError."""
    check_finite(arrays)
    found = recognised(arrays, symbols)
    task = task_of(found.config)
    layout = naming(task.model, found.config.model, task.sizes(symbols.vocabulary))
    if layout is None:
        raise FormatError("PyTorch's layout is not that of its model; use another copy.")
    parameters = layout.imported(layout.bias_moved(found.arrays))
    check_finite(parameters)
    return Checkpoint.of_arrays(
        found.config,
        symbols.vocabulary,
        {f"parameters/{name}": array for name, array in parameters.items()},
        Progress(),
        CorpusRecord(UNKNOWN_TEXT, [], "unknown", {}),
        resumable=False,
        provenance=versions() | origin(path, "a state dictionary of PyTorch's"),
    )


def origin(path: Path, what: str) -> dict[str, str]:
    """Return what a checkpoint's provenance says of a file."""
    return {"imported from": f"{path.name} ({what})"}
