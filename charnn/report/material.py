"""What every section of the report is made from: a language model, its run, and a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from charnn.analysis.features import Alphabet
from charnn.analysis.neurons import STRETCH, Neurons, neurons
from charnn.analysis.stretches import Stretches, stretches_of
from charnn.analysis.training_text import TrainingText, training_text
from charnn.arrays import Array
from charnn.errors import ConfigError
from charnn.models.language_model import LanguageModel
from charnn.text.corpus import read_for_scoring
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import Checkpoint

WATCHED = 50_000  # symbols of the text on which units are watched
SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥"}


@dataclass(frozen=True)
class Material:
    """A run or checkpoint at `path`, the text's name and its ids (N,), and the seed.

    `outside` counts the text's characters that the vocabulary lacks. `files` hold the training
    text, where they are not those that the run names.
    """

    path: Path
    saved: Checkpoint
    text: str
    ids: Array
    outside: Counter[str]
    seed: int
    files: Sequence[str] = ()

    @cached_property
    def model(self) -> LanguageModel:
        """The model."""
        model = self.saved.model
        if not isinstance(model, LanguageModel):
            raise TypeError(f"{type(model).__name__} is no language model.")
        return model

    @cached_property
    def untrained(self) -> LanguageModel:
        """The same model with the weights that the run's seed starts from."""
        seed = self.saved.config.training.seed
        return type(self.model).started(self.model.config, self.model.sizes, seed)

    @cached_property
    def training(self) -> TrainingText:
        """The text of the training. Raises CorpusError where it is not at hand."""
        return training_text(self.saved, self.files)

    @cached_property
    def stretches(self) -> Stretches:
        """The stretches of the text on which units are watched. Raises CorpusError."""
        return stretches_of(len(self.ids), WATCHED, STRETCH, self.seed)

    @cached_property
    def watched(self) -> tuple[Neurons, Neurons]:
        """What the units do, trained and untrained. Raises CorpusError for a short text."""
        alphabet = Alphabet(self.vocabulary)
        trained, untrained = (
            neurons(model, self.ids, alphabet, self.stretches, 1)
            for model in (self.model, self.untrained)
        )
        return trained, untrained

    @property
    def vocabulary(self) -> Vocabulary:
        """What the ids stand for."""
        vocabulary: Vocabulary = self.saved.vocabulary
        return vocabulary

    @property
    def unit(self) -> str:
        """What a loss is given per, in words."""
        return "byte" if self.vocabulary.unit == "byte" else "character"

    @staticmethod
    def sign_of(symbol: str) -> str:
        """Return a symbol's text as it is shown alone: white space as a sign."""
        return SIGNS.get(symbol, symbol)

    def sign(self, symbol: int) -> str:
        """Return a symbol as the label of a picture: white space as a sign."""
        name = self.vocabulary.name(symbol)
        if symbol < len(self.vocabulary.symbols):
            return SIGNS.get(self.vocabulary.symbols[symbol], name)
        return name


def read_material(
    path: Path, texts: Sequence[str], seed: int, encoding: str, files: Sequence[str] = ()
) -> Material:
    """Read a language model and a text; `files` hold the training text, where it has moved.

    Raises CheckpointError, CorpusError, ConfigError.
    """
    saved = load_checkpoint(path)
    if saved.task.name != "lm":
        raise ConfigError(
            f"'{path}' is a model of {saved.task.title}, and a report is made of language models "
            f"only; use `charnn info {path}` and `charnn eval {path} FILE`."
        )
    ids, outside = read_for_scoring(texts, encoding, saved.vocabulary)
    name = ", ".join("standard input" if text == "-" else Path(text).name for text in texts)
    material = Material(path, saved, name, ids, outside, seed, files)
    if files:
        material.training  # noqa: B018, what is named must be there
    return material
