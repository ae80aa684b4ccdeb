"""What a task is: what it reads, the model that learns it, its batches, and how it is scored.

The training loop, the engines, checkpoints and commands know tasks by this class alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import (
    DEFAULT_STEPS,
    Config,
    EvaluationConfig,
    PredictionConfig,
    SamplingConfig,
)
from charnn.errors import ConfigError
from charnn.models.model import Model, Sizes
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.tasks.assessment import Assessment, Progress
from charnn.tasks.prediction import Prediction
from charnn.text.batches import WHOLE, Batch, Share, Source
from charnn.text.source import ignore, name_of

PARTS = ("train", "val", "test")


class Alphabet(Protocol):
    """What a checkpoint remembers of the symbols: a vocabulary, or a pair of them."""

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that `Task.vocabulary` reads."""


class Dataset(Protocol):
    """Data as arrays of ids, in parts for training, validation and test."""

    @property
    def name(self) -> str:
        """A short name."""

    @property
    def files(self) -> list[str]:
        """The names of the files that it was read from; none if it was in memory."""

    @property
    def vocabulary(self) -> Any:
        """What the ids stand for: an `Alphabet`."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the ids."""

    @property
    def unknown(self) -> int:
        """How many symbols became an unknown one."""

    @property
    def parts(self) -> dict[str, int]:
        """The size of each part: in symbols of a text, or in examples."""

    @property
    def notes(self) -> list[str]:
        """What the user should know of the data, in sentences."""

    @property
    def arrays(self) -> dict[str, Array]:
        """All parts as arrays of integers by name; a worker process attaches to them."""

    @property
    def path(self) -> Any:
        """The file that the arrays are mapped from, one after the other; None: in memory."""

    def has(self, part: str) -> bool:
        """Return whether there is something to score in a part."""


class Task(ABC):
    """One task. Tasks are stateless."""

    name: ClassVar[str]  # of the option `task`
    title: ClassVar[str]  # as charnn names it to its users
    model: ClassVar[type[Model]]
    accuracy: ClassVar[str | None] = None  # what `Score.accuracy` is
    error_rate: ClassVar[str | None] = None  # what `Score.error_rate` is
    illustration_title: ClassVar[str] = ""  # what `illustration` shows
    use: ClassVar[str] = "predict"  # the command that a trained model is for, or "sample"
    draws_lines: ClassVar[bool] = False  # whether what `stream` yields are whole lines

    def run_name(self, names: Sequence[str], config: Config) -> str:
        """Return the name of a run's default folder: that of its files and of the task."""
        return f"{name_of(names)}-{self.name}"

    @abstractmethod
    def unit(self, vocabulary: Any) -> str:
        """Return what a loss is given per: `char`, `example`, ..."""

    @abstractmethod
    def sizes(self, vocabulary: Any) -> Sizes:
        """Return the sizes of a vocabulary."""

    @abstractmethod
    def vocabulary(self, content: object) -> Any:
        """Return the vocabulary that `to_json` gave. Raises VocabularyError."""

    @abstractmethod
    def bytes_to_read(self, names: Sequence[str], config: Config) -> int | None:
        """Return how many bytes `read` will be told; None if that is unknown."""

    @abstractmethod
    def read(
        self,
        names: Sequence[str],
        config: Config,
        *,
        vocabulary: Any = None,
        known: Any = None,
        advance: Callable[[int], None] = ignore,
    ) -> Dataset:
        """Read files, with a vocabulary, or else their own. Raises CorpusError.

        A vocabulary that is `known` is that of a model whose weights a run begins with. `advance`
        is told the bytes read.
        """

    def adapted(
        self,
        config: Config,
        dataset: Dataset,
        fixed: Collection[str],
    ) -> tuple[Config, list[str]]:
        """Return a configuration that fits the data, and notes of what changed.

        Options that are `fixed` are not changed. Raises CorpusError.
        """
        return config, []

    def suited(
        self,
        config: Config,
        dataset: Dataset,
        asked: Collection[str],
    ) -> tuple[Config, list[str]]:
        """Return a configuration with the defaults that follow from the data, and notes of them.

        Options that were `asked` for keep their values. Where the configuration has a `time`, the
        number of updates is not known yet, and nothing changes.
        """
        return config, []

    @abstractmethod
    def adopt(self, model: Any, own: Any, source: Any, known: Any) -> tuple[int, int]:
        """Copy the weights of `source`, whose vocabulary is `known`, into a model of `own`.

        Symbols keep their weights. Returns how many of how many symbols are new to the source.
        """

    @abstractmethod
    def source(self, arrays: Arrays, config: Config) -> Source:
        """Return the batches of the training part of `Dataset.arrays`."""

    @abstractmethod
    def description(self, dataset: Any) -> dict[str, str]:
        """Return what a dataset is, for a person to read: by a word each."""

    @abstractmethod
    def batch_in_words(self, config: Config) -> str:
        """Return what a batch has: `16 x 64 chars`."""

    def illustration(self, model: Any, dataset: Any, config: Config) -> str:
        """Return something that a model makes, for a person to see how far it is."""
        return ""

    @abstractmethod
    def evaluate(self, model: Any, arrays: Arrays, part: str, share: Share = WHOLE) -> Score:
        """Return a model's score on a part of `Dataset.arrays`, or on share (k, n) of it."""

    def fed_back(
        self,
        model: Any,
        batch: Batch,
        states: LayerStates,
        share: float,
        random: np.random.Generator,
    ) -> Batch:
        """Return a batch of which only a share of the inputs is the data's, for tasks that have it.

        The others are what the model itself draws: see `charnn.generation.feedback`.
        """
        return batch

    @abstractmethod
    def assess(
        self,
        model: Any,
        vocabulary: Any,
        config: Config,
        names: Sequence[str],
        options: EvaluationConfig,
        progress: Progress,
    ) -> Assessment:
        """Score files with a model, for `charnn eval`. Raises CorpusError.

        `progress(total)` is entered while that much is scored.
        """

    def check_use(self, command: str) -> None:
        """Raise ConfigError where a command is not for the task's models."""
        if command != self.use:
            raise ConfigError(
                f"a model of {self.title} is not for `charnn {command}`; use "
                f"`charnn {self.next_command('RUN')}`."
            )

    def next_command(self, run: str, vocabulary: Any = None) -> str:
        """Return what to do with a trained model, as it is typed after `charnn`."""
        return f"predict {run} FILE"

    def predictions(
        self,
        model: Any,
        vocabulary: Any,
        sources: Sequence[Array],
        options: PredictionConfig,
    ) -> list[Prediction]:
        """Return a model's answers to sources of ids (S,) each, in their order.

        What a source is answered does not depend on the others. Raises ConfigError where the task
        has nothing to predict.
        """
        self.check_use("predict")
        raise NotImplementedError

    def sampling_notes(self, vocabulary: Any, options: SamplingConfig) -> list[str]:
        """Return what the user should know of the options of sampling."""
        return []

    def stream(self, model: Any, vocabulary: Any, options: SamplingConfig) -> Iterator[bytes]:
        """Yield samples in UTF-8 as they are drawn. Raises ConfigError where there are none."""
        self.check_use("sample")
        raise NotImplementedError

    def samples(
        self, model: Any, vocabulary: Any, options: SamplingConfig
    ) -> Iterator[dict[str, Any]]:
        """Yield samples with what is known of them. Raises ConfigError where there are none."""
        self.check_use("sample")
        raise NotImplementedError


def total_updates(config: Config, source: Source) -> int:
    """Return how many updates a run makes."""
    training = config.training
    if training.epochs is not None:
        return source.updates(training.epochs)
    return training.steps or DEFAULT_STEPS
