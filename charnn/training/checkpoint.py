"""Checkpoints: all that a run needs to go on, in one `.npz` that can run no code.

Arrays are named `parameters/...`, and in a checkpoint that can be resumed also `optimizer/...` and
`state/...`; `meta` is a JSON text with everything else, and with a SHA-256 digest over all of it.
The configuration in `meta` implies every array's name, shape and type, and a file is checked
against them before memory is set aside for its arrays.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import tokenize
import warnings
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import Config
from charnn.errors import CharnnError, CheckpointError
from charnn.files import replacing
from charnn.models.language_model import LanguageModel, LayerStates, parameter_shapes
from charnn.nn.parameters import Parameters
from charnn.options import shown
from charnn.registry import OPTIMIZERS
from charnn.text.vocabulary import Vocabulary
from charnn.version import __version__

FORMAT_VERSION = 1
LARGEST_META = 24_000_000  # bytes; a million symbols take half of it
LARGEST_HEADER = 4_096  # bytes of an array's header; a real one has about 120
COUNTS = ("update", "best_update", "stale", "plateau", "reductions", "rollbacks")
NPY: Any = np.lib.format  # typed in some versions of NumPy only
BEST, LAST, PREVIOUS = "best.npz", "last.npz", "previous.npz"

DAMAGE = (
    AttributeError,
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
    TypeError,
    UserWarning,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass
class Progress:
    """How far a run has come."""

    update: int = 0
    smoothed_loss: float | None = None
    best_loss: float | None = None
    best_update: int = 0
    stale: int = 0  # evaluations since the best one
    plateau: int = 0  # evaluations since the best one or the last reduction
    reductions: int = 0  # of the learning rate, by the plateau schedule
    rollbacks: int = 0
    seconds: float = 0.0
    history: list[tuple[int, float, float | None]] = field(default_factory=list)

    def copy(self) -> Progress:
        """Return a copy that shares nothing."""
        return Progress(**{**asdict(self), "history": list(self.history)})


@dataclass(frozen=True)
class CorpusRecord:
    """What a checkpoint remembers of its corpus."""

    name: str
    files: list[str]
    fingerprint: str
    parts: dict[str, int]


@dataclass(frozen=True)
class Checkpoint:
    """A model with its vocabulary and history; with `optimizer` and `states` it can be resumed.

    `average` is the moving average of the parameters (P,), where one is kept: then that is the
    model. A checkpoint that cannot be resumed holds it as its parameters.
    """

    config: Config
    vocabulary: Vocabulary
    parameters: Parameters
    progress: Progress
    corpus: CorpusRecord
    optimizer: Arrays | None = None
    states: LayerStates | None = None
    average: Array | None = None
    provenance: dict[str, str] = field(
        default_factory=lambda: {
            "charnn": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
    )

    @property
    def model(self) -> LanguageModel:
        """The language model: what is evaluated and sampled."""
        parameters = self.parameters
        if self.average is not None:
            parameters = Parameters(parameters.shapes, flat=self.average)
        return LanguageModel(self.config.model, len(self.vocabulary), parameters)

    @property
    def trained_model(self) -> LanguageModel:
        """The language model with the weights that training goes on from."""
        return LanguageModel(self.config.model, len(self.vocabulary), self.parameters)


def checkpoint_path(path: Path) -> Path:
    """Return the checkpoint that a path means: a run folder's is its best."""
    return path / BEST if path.is_dir() else path


def expected_arrays(config: Config, vocab_size: int, resumable: bool) -> dict[str, Shape]:
    """Return the name and shape of each array that a checkpoint holds; all are float32."""
    parameters = parameter_shapes(config.model, vocab_size)
    shapes = {f"parameters/{name}": shape for name, shape in parameters.items()}
    if resumable:
        size = sum(math.prod(shape) for shape in parameters.values())
        optimizer = OPTIMIZERS[config.training.optimizer]
        shapes |= {f"optimizer/{slot}": (size,) for slot in optimizer.slots}
        if config.training.average is not None:
            shapes["average"] = (size,)
        model = LanguageModel(config.model, vocab_size, Parameters({}))
        states = model.state_shapes(config.training.batch_size)
        shapes |= {f"state/{name}": shape for name, shape in states.items()}
    return shapes


def save_checkpoint(path: Path, checkpoint: Checkpoint, keep: Path | None = None) -> None:
    """Write a checkpoint; the file appears whole or not at all. Raises OSError.

    With `keep` the checkpoint that was there before gets that name.
    """
    resumable = checkpoint.optimizer is not None and checkpoint.states is not None
    arrays = {f"parameters/{name}": array for name, array in checkpoint.parameters.items()}
    if checkpoint.optimizer is not None and checkpoint.states is not None:
        arrays |= {f"optimizer/{slot}": array for slot, array in checkpoint.optimizer.items()}
        if checkpoint.average is not None:
            arrays["average"] = checkpoint.average
        names = checkpoint.model.state_shapes(1)
        flat = (state for layer in checkpoint.states for state in layer)
        arrays |= {f"state/{name}": state for name, state in zip(names, flat, strict=True)}
    meta = {
        "format_version": FORMAT_VERSION,
        "resumable": resumable,
        "config": checkpoint.config.values(),
        "vocabulary": checkpoint.vocabulary.to_json(),
        "progress": asdict(checkpoint.progress),
        "corpus": asdict(checkpoint.corpus),
        "provenance": checkpoint.provenance,
    }
    meta["digest"] = digest(meta, arrays)
    text = np.frombuffer(json.dumps(meta).encode("utf-8"), np.uint8)
    with replacing(path, keep) as file:
        members: dict[str, Any] = {"meta": text, **arrays}
        np.savez(file, **members)


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
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise CheckpointError("two of its arrays have the same name.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise CheckpointError("its arrays are compressed, which charnn never does.")
    archive_size = archive.fp.seek(0, os.SEEK_END) if archive.fp is not None else 0
    if sum(info.file_size for info in members.values()) > archive_size:
        raise CheckpointError("its arrays are declared larger than the file.")
    size = members["meta.npy"].file_size
    if size > LARGEST_META:
        raise CheckpointError(f"its meta text has {size:,} bytes.")
    with archive.open("meta.npy") as file:
        text = read_array("meta", file, size, np.dtype(np.uint8), None)
    meta = json.loads(text.tobytes())
    version = meta["format_version"]
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise CheckpointError(
            f"it has format {shown(version)}, and charnn {__version__} reads format "
            f"{FORMAT_VERSION}; use {'a newer charnn' if newer else 'another copy'}."
        )
    config = Config.from_values(meta["config"])
    vocabulary = Vocabulary.from_json(meta["vocabulary"])
    shapes = expected_arrays(config, len(vocabulary), meta["resumable"])
    if members.keys() != {"meta.npy", *(f"{name}.npy" for name in shapes)}:
        different = members.keys() ^ {"meta.npy", *(f"{name}.npy" for name in shapes)}
        names = shown(sorted(different)[:3])
        raise CheckpointError(f"its arrays are not its configuration's: {names}.")
    arrays = {}
    for name, shape in shapes.items():
        member = members[f"{name}.npy"]
        with archive.open(member) as file:
            arrays[name] = read_array(name, file, member.file_size, np.dtype(np.float32), shape)
    if digest({key: meta[key] for key in meta if key != "digest"}, arrays) != meta["digest"]:
        raise CheckpointError("its content is not what was saved (the digest differs).")
    check_finite(arrays)
    return assemble(meta, config, vocabulary, arrays)


def read_array(
    name: str, file: IO[bytes], size: int, dtype: np.dtype[Any], shape: Shape | None
) -> Array:
    """Read one `.npy` of `size` bytes; its type and shape must be as given (None: any vector)."""
    if NPY.read_magic(file) != (1, 0):
        raise CheckpointError(f"its array {name} has a header of another version.")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a header that charnn never writes
        found = NPY.read_array_header_1_0(file, max_header_size=LARGEST_HEADER)
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


def assemble(
    meta: dict[str, Any], config: Config, vocabulary: Vocabulary, arrays: dict[str, Array]
) -> Checkpoint:
    """Put a checkpoint together from its checked parts. Raises one of `DAMAGE`."""

    def group(prefix: str) -> dict[str, Array]:
        return {
            name.removeprefix(prefix): array
            for name, array in arrays.items()
            if name.startswith(prefix)
        }

    parameters = Parameters(parameter_shapes(config.model, len(vocabulary)))
    for name, array in group("parameters/").items():
        parameters[name][...] = array
    states = list(group("state/").values())
    per_layer = len(states) // config.model.num_layers
    return Checkpoint(
        config=config,
        vocabulary=vocabulary,
        parameters=parameters,
        progress=progress_of(meta["progress"]),
        corpus=corpus_of(meta["corpus"]),
        optimizer=group("optimizer/") if meta["resumable"] else None,
        states=[
            tuple(states[start : start + per_layer])
            for start in range(0, len(states), per_layer or 1)
        ]
        if meta["resumable"]
        else None,
        average=arrays.get("average"),
        provenance=provenance_of(meta["provenance"]),
    )


def progress_of(entry: dict[str, Any]) -> Progress:
    """Build the progress from its entry in the meta data. Raises CheckpointError."""
    values = {each.name: entry[each.name] for each in fields(Progress)}
    values["history"] = history = [tuple(row) for row in values["history"]]
    updates = [update for update, _, _ in history]
    counts = [*updates, *(values[name] for name in COUNTS)]
    numbers = [values["seconds"], *(train_loss for _, train_loss, _ in history)]
    losses = [
        values["smoothed_loss"],
        values["best_loss"],
        *(val_loss for _, _, val_loss in history),
    ]
    numbers += [loss for loss in losses if loss is not None]
    if not (all(map(is_count, counts)) and all(map(is_number, numbers))):
        raise CheckpointError("its progress has a value that no run has.")
    if updates != sorted(updates):
        raise CheckpointError("its history is not in order.")
    return Progress(**values)


def corpus_of(entry: dict[str, Any]) -> CorpusRecord:
    """Build the corpus's record from its entry in the meta data. Raises CheckpointError."""
    record = CorpusRecord(**entry)
    texts = [record.name, record.fingerprint, *record.files]
    if not (
        isinstance(record.files, list)
        and all(isinstance(text, str) for text in texts)
        and all(map(is_count, record.parts.values()))
    ):
        raise CheckpointError("its record of the corpus has a value that no corpus has.")
    return record


def provenance_of(entry: dict[str, str]) -> dict[str, str]:
    """Return the provenance from its entry in the meta data. Raises CheckpointError."""
    if not all(isinstance(version, str) for version in entry.values()):
        raise CheckpointError("its provenance has a version that is no text.")
    return entry


def is_count(value: object) -> bool:
    """Say whether a value is a whole number that can be counted to."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_number(value: object) -> bool:
    """Say whether a value is a number of an ordinary size, as losses and times are."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e100


def digest(meta: dict[str, Any], arrays: Arrays) -> str:
    """Return a SHA-256 over the meta data and every array's name, type, shape and bytes."""
    total = hashlib.sha256(json.dumps(meta, sort_keys=True).encode("utf-8"))
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()
