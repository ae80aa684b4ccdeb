"""Reading a checkpoint: a file that anybody may have made, or damaged.

Every value is checked before it is used, and every array's size before memory is set aside for it.
What is wrong is a CheckpointError, or one of `DAMAGE`, which the libraries raise that read the
archive; a fault of charnn's own looks like neither.
"""

from __future__ import annotations

import json
import math
import os
import tokenize
import warnings
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import Config
from charnn.errors import CharnnError, CheckpointError
from charnn.options import shown
from charnn.tasks.registry import task_of
from charnn.training.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    CorpusRecord,
    checkpoint_path,
    expected_arrays,
)
from charnn.training.digest import digest
from charnn.training.progress import Progress
from charnn.version import __version__

LARGEST_META = 24_000_000  # bytes; a million symbols take half of it
LARGEST_HEADER = 4_096  # bytes of an array's header; a real one has about 120
REQUIRED = {each.name for each in fields(Progress)} - {"best_accuracy"}  # newer than the format
COUNTS = ("update", "best_update", "stale", "plateau", "reductions", "rollbacks")
NPY: Any = np.lib.format  # typed in some versions of NumPy only

DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    UserWarning,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Kind = TypeVar("Kind")


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, or a run folder's best. Raises CheckpointError for any other file."""
    try:
        path = checkpoint_path(path)
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return read_archive(archive)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"checkpoint '{path}' does not exist; `charnn train` makes one."
        ) from error
    except CharnnError as error:
        raise CheckpointError(f"checkpoint '{path}' cannot be used: {error}") from error
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(
            f"checkpoint '{path}' is damaged or not a checkpoint ({reason}); use another copy."
        ) from error


def read_archive(archive: zipfile.ZipFile) -> Checkpoint:
    """Read an open checkpoint. Raises CheckpointError, or one of `DAMAGE`."""
    members = checked_members(archive)
    meta = read_meta(archive, members["meta.npy"])
    config = Config.from_values(entry(meta, "config", dict))
    task = task_of(config)
    vocabulary = task.vocabulary(entry(meta, "vocabulary", dict))
    resumable = entry(meta, "resumable", bool)
    shapes = expected_arrays(config, task.sizes(vocabulary), resumable)
    different = members.keys() ^ {"meta.npy", *(f"{name}.npy" for name in shapes)}
    if different:
        names = shown(sorted(different)[:3])
        raise CheckpointError(f"its arrays are not those of its configuration: {names}.")
    arrays = {}
    for name, shape in shapes.items():
        member = members[f"{name}.npy"]
        with archive.open(member) as file:
            arrays[name] = read_array(name, file, member.file_size, np.dtype(np.float32), shape)
    if digest({key: meta[key] for key in meta if key != "digest"}, arrays) != meta["digest"]:
        raise CheckpointError("its content is not what was saved (the digest differs).")
    check_finite(arrays)
    return Checkpoint.of_arrays(
        config,
        vocabulary,
        arrays,
        progress_of(entry(meta, "progress", dict)),
        corpus_of(entry(meta, "corpus", dict)),
        resumable,
        provenance=provenance_of(entry(meta, "provenance", dict)),
    )


def checked_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by their names, if they can be those of a checkpoint."""
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise CheckpointError("two of its arrays have the same name.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise CheckpointError("its arrays are compressed, which charnn never does.")
    archive_size = archive.fp.seek(0, os.SEEK_END) if archive.fp is not None else 0
    if sum(info.file_size for info in members.values()) > archive_size:
        raise CheckpointError("its arrays are declared larger than the file.")
    return members


def read_meta(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> dict[str, Any]:
    """Read the JSON text beside the arrays."""
    size = member.file_size
    if size > LARGEST_META:
        raise CheckpointError(f"its meta text has {size:,} bytes.")
    with archive.open(member) as file:
        text = read_array("meta", file, size, np.dtype(np.uint8), None)
    meta = json.loads(text.tobytes())
    if not isinstance(meta, dict):
        raise CheckpointError("its meta text is not a JSON object.")
    version = meta["format_version"]
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise CheckpointError(
            f"it has format {shown(version)}, and charnn {__version__} reads format "
            f"{FORMAT_VERSION}; use {'a newer charnn' if newer else 'another copy'}."
        )
    return meta


def entry(meta: dict[str, Any], name: str, kind: type[Kind]) -> Kind:
    """Return an entry of the meta data, if it has the right type."""
    value = meta[name]
    if not isinstance(value, kind):
        raise CheckpointError(f"its {name} is {shown(value)}, which is not a {kind.__name__}.")
    return value


def read_array(
    name: str, file: IO[bytes], size: int, dtype: np.dtype[Any], shape: Shape | None
) -> Array:
    """Read one `.npy` of `size` bytes; its type and shape must be as given (None: any vector)."""
    if NPY.read_magic(file) != (1, 0):
        raise CheckpointError(f"its array {name} has a header of another version.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a header that charnn never writes
            found = NPY.read_array_header_1_0(file, max_header_size=LARGEST_HEADER)
    except TypeError as error:  # NumPy sorts the header's keys, whatever they are
        raise CheckpointError(f"its array {name} has a header that cannot be read.") from error
    if shape is None:
        shape = (size - file.tell(),)
    if found != (shape, False, dtype):
        raise CheckpointError(
            f"its array {name} is {found[2]} {shown(found[0])}, not {dtype} {shape}."
        )
    bytes_needed = math.prod(shape) * dtype.itemsize
    if file.tell() + bytes_needed != size:
        raise CheckpointError(
            f"its array {name} of {bytes_needed:,} bytes is in a file of {size:,}."
        )
    content = file.read()
    if len(content) != bytes_needed:
        raise CheckpointError(
            f"its array {name} has {len(content):,} of its {bytes_needed:,} bytes."
        )
    return np.frombuffer(content, dtype).reshape(shape)


def check_finite(arrays: Arrays) -> None:
    """Raise CheckpointError where an array has a value that is not finite."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"its array {name} has a value that is not finite.")


def progress_of(values: dict[str, Any]) -> Progress:
    """Build the progress from its entry in the meta data. Raises CheckpointError, KeyError."""
    values = {each.name: values[each.name] for each in fields(Progress) if each.name in values}
    for name in REQUIRED:
        if name not in values:
            raise KeyError(name)
    history = values["history"]
    if not (
        all(is_count(values[name]) for name in COUNTS)
        and is_number(values["seconds"])
        and all(is_loss(values[name]) for name in ("smoothed_loss", "best_loss"))
        and is_loss(values.get("best_accuracy"))
        and isinstance(history, list)
        and all(map(is_history_row, history))
    ):
        raise CheckpointError("its progress has a value that no run has.")
    values["history"] = [tuple(row) for row in history]
    updates = [update for update, _, _ in history]
    if updates != sorted(updates):
        raise CheckpointError("its history is not in order.")
    return Progress(**values)


def corpus_of(values: dict[str, Any]) -> CorpusRecord:
    """Build the corpus's record from its entry in the meta data. Raises CheckpointError."""
    match values:
        case {"name": str(), "files": list(files), "fingerprint": str(), "parts": dict(parts)} if (
            len(values) == len(fields(CorpusRecord))
            and all(isinstance(name, str) for name in files)
            and all(map(is_count, parts.values()))
        ):
            return CorpusRecord(**values)
    raise CheckpointError("its record of the corpus has a value that no corpus has.")


def provenance_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the provenance from its entry in the meta data. Raises CheckpointError."""
    if not all(isinstance(version, str) for version in values.values()):
        raise CheckpointError("its provenance has a version that is not a text.")
    return values


def is_count(value: object) -> bool:
    """Return whether a value is a whole number that can be counted to."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_number(value: object) -> bool:
    """Return whether a value is a number of an ordinary size, as losses and times are."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e100


def is_loss(value: object) -> bool:
    """Return whether a value can be a loss, or stand for one that there is not."""
    return value is None or is_number(value)


def is_history_row(row: object) -> bool:
    """Return whether a value can be an evaluation: its update, the training and validation loss."""
    match row:
        case [update, train_loss, val_loss]:
            return is_count(update) and is_number(train_loss) and is_loss(val_loss)
    return False
