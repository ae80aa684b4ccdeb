"""Checkpoints: all that a run needs to continue, in one `.npz` that can run no code.

Arrays are named `parameters/...`, and in a checkpoint that can be resumed also `optimizer/...` and
`state/...`; `meta` is a JSON text with everything else, and with a SHA-256 digest over all of it.
The configuration in `meta` implies every array's name, shape and type, and a file is checked
against them before memory is set aside for its arrays (`charnn.training.archive`).
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import Config
from charnn.files import replacing
from charnn.models.model import Sizes
from charnn.nn.parameters import Parameters, count, group, shapes_of
from charnn.registry import OPTIMIZERS
from charnn.tasks.registry import task_of
from charnn.tasks.task import Task
from charnn.training.digest import digest
from charnn.training.progress import Progress
from charnn.version import __version__

FORMAT_VERSION = 1
BEST, LAST, PREVIOUS = "best.npz", "last.npz", "previous.npz"


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

    `average` is the exponential moving average of the parameters (P,), where one is kept: then that
    is the model. A checkpoint that cannot be resumed holds it as its parameters.
    """

    config: Config
    vocabulary: Any  # of the task: a Vocabulary, or a PairVocabulary
    parameters: Parameters
    progress: Progress
    corpus: CorpusRecord
    optimizer: Arrays | None = None
    states: Arrays | None = None  # by name: `layer1/h`, ...
    average: Array | None = None
    provenance: dict[str, str] = field(default_factory=lambda: versions())

    @classmethod
    def of_arrays(
        cls,
        config: Config,
        vocabulary: Any,
        arrays: Arrays,
        progress: Progress,
        corpus: CorpusRecord,
        resumable: bool = True,
        **more: Any,
    ) -> Checkpoint:
        """Return a checkpoint of arrays by their names in the file, as `named_arrays` gives them.

        The parameters are copied, the other arrays shared. One that is not `resumable` is a model
        alone.
        """
        parameters = empty_parameters(config, vocabulary)
        for name, array in group(arrays, "parameters").items():
            parameters[name][...] = array
        if not resumable:
            return cls(config, vocabulary, parameters, progress, corpus, **more)
        return cls(
            config,
            vocabulary,
            parameters,
            progress,
            corpus,
            optimizer=group(arrays, "optimizer"),
            states=group(arrays, "state"),
            average=arrays.get("average"),
            **more,
        )

    @property
    def task(self) -> Task:
        """What the model does."""
        return task_of(self.config)

    @property
    def model(self) -> Any:
        """The model, of its task's class: what is evaluated, sampled and asked for predictions."""
        parameters = self.parameters
        if self.average is not None:
            parameters = Parameters(parameters.shapes, flat=self.average)
        return self.model_of(parameters)

    @property
    def trained_model(self) -> Any:
        """The model with the weights that training continues from."""
        return self.model_of(self.parameters)

    def model_of(self, parameters: Parameters) -> Any:
        """Return the model with some parameters."""
        return self.task.model(self.config.model, self.task.sizes(self.vocabulary), parameters)

    @property
    def resumable(self) -> bool:
        """Whether the checkpoint holds all that a run needs to continue."""
        return self.optimizer is not None and self.states is not None

    def best_only(self) -> Checkpoint:
        """Return a copy of the model alone, as a checkpoint that cannot be resumed."""
        model = self.model.parameters
        return Checkpoint(
            self.config,
            self.vocabulary,
            Parameters(model.shapes, flat=model.flat.copy()),
            self.progress.copy(),
            self.corpus,
            provenance=self.provenance,
        )

    def named_arrays(self) -> dict[str, Array]:
        """Return all arrays by their names in the file."""
        arrays = {f"parameters/{name}": array for name, array in self.parameters.items()}
        if self.optimizer is not None and self.states is not None:
            arrays |= {f"optimizer/{slot}": array for slot, array in self.optimizer.items()}
            if self.average is not None:
                arrays["average"] = self.average
            arrays |= {f"state/{name}": state for name, state in self.states.items()}
        return arrays


def versions() -> dict[str, str]:
    """Return the versions of what a checkpoint is made with."""
    return {
        "charnn": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def empty_parameters(config: Config, vocabulary: Any) -> Parameters:
    """Return parameters of the right shapes, all zero."""
    task = task_of(config)
    return Parameters(shapes_of(task.model.specs_of(config.model, task.sizes(vocabulary))))


def checkpoint_path(path: Path) -> Path:
    """Return the checkpoint that a path means: a run folder's is its best."""
    return path / BEST if path.is_dir() else path


def expected_arrays(config: Config, sizes: Sizes, resumable: bool) -> dict[str, Shape]:
    """Return the name and shape of each array that a checkpoint holds; all are float32."""
    kind = task_of(config).model
    parameters = shapes_of(kind.specs_of(config.model, sizes))
    shapes = {f"parameters/{name}": shape for name, shape in parameters.items()}
    if resumable:
        size = count(parameters)
        optimizer = OPTIMIZERS[config.training.optimizer]
        shapes |= {f"optimizer/{slot}": (size,) for slot in optimizer.slots}
        if config.training.ema_decay is not None:
            shapes["average"] = (size,)
        states = kind.state_shapes_of(config.model, sizes, config.training.batch_size)
        shapes |= {f"state/{name}": shape for name, shape in states.items()}
    return shapes


def save_checkpoint(path: Path, checkpoint: Checkpoint, keep: Path | None = None) -> None:
    """Write a checkpoint; the file appears whole or not at all. Raises OSError.

    With `keep` the checkpoint that was there before gets that name.
    """
    arrays = checkpoint.named_arrays()
    meta = {
        "format_version": FORMAT_VERSION,
        "resumable": checkpoint.resumable,
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
