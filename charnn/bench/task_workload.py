"""The work of the tasks that is timed: training on random examples shaped like real ones.

Lengths are distributed as in well-known data sets, because what padding costs depends on them:

    classify, generate    names: 2 to 19 characters, 7 on average, 87 different ones, 18 classes
    tag                   sentences of 5 to 40 symbols, 12 tags
    transduce             words of 2 to 12 letters, 7 on average, and their 6 or so phones
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import Config
from charnn.config.tasks import WHOLE
from charnn.engines.shards import default_shards
from charnn.models.stack import make_cell
from charnn.registry import CELLS
from charnn.tasks.registry import task_of
from charnn.text.pairs import Examples, Pairs, Sequences
from charnn.text.symbols import PairVocabulary, Symbols
from charnn.training.setup import prepared
from charnn.training.trainer import Trainer

BATCHES = 16  # of an epoch: what is timed is a pass over all of them
SIZES = ((1, 128, 32), (1, 256, 64), (2, 128, 64), (2, 256, 32))  # layers, hidden, batch size
QUICK_SIZES = ((1, 128, 32), (2, 128, 64))
OTHER_ATTENTIONS = ("dot", "additive", None)  # timed at the first size alone


@dataclass(frozen=True)
class TaskPoint:
    """One point of a task's grid."""

    task: str
    cell: str
    gru_reset: str
    num_layers: int
    hidden_size: int
    batch_size: int
    attention: str | None = None

    @property
    def bidirectional(self) -> bool:
        """Whether the network reads in both directions: wherever it may."""
        return self.task in WHOLE

    @property
    def config(self) -> Config:
        """The run's configuration: Adam, clipping by norm, no dropout."""
        config = Config().replace(
            task=self.task,
            cell=self.cell,
            gru_reset=self.gru_reset,
            num_layers=self.num_layers,
            hidden_size=self.hidden_size,
            batch_size=self.batch_size,
            dropout=0.0,
            steps=1_000_000,
            eval_every=1_000_000,
        )
        if self.bidirectional:
            config = config.replace(bidirectional=True)
        if self.task == "transduce":
            config = config.replace(attention=self.attention)
        return config

    @property
    def label(self) -> str:
        """The cell's name, with its form."""
        return str(make_cell(self.config.model))

    @property
    def examples(self) -> Examples:
        """The data."""
        return random_examples(self.task, BATCHES * self.batch_size)


def task_grid(task: str, cells: list[str], quick: bool) -> list[TaskPoint]:
    """Return a task's grid for all forms of the cells named."""
    forms = [(cell, form or "before") for cell in cells for form in CELLS[cell].forms()]
    sizes = QUICK_SIZES if quick else SIZES
    attention = "general" if task == "transduce" else None
    points = [TaskPoint(task, *form, *size, attention) for form in forms for size in sizes]
    if task == "transduce" and not quick:
        points += [
            TaskPoint(task, *form, *sizes[0], other) for form in forms for other in OTHER_ATTENTIONS
        ]
    return points


def random_examples(task: str, number: int) -> Examples:
    """Return a dataset of random symbols for training: equal calls give equal data."""
    random = np.random.default_rng(1)
    make, sources, targets = SHAPES[task]
    source_lengths, target_lengths = make(random, number)
    train = Pairs(
        random_sequences(random, source_lengths, sources),
        random_sequences(random, target_lengths, targets),
    )
    none = train.take(np.arange(0))
    vocabulary = PairVocabulary(numbered(sources), numbered(targets))
    return Examples("random", [], vocabulary, train, none, none, 0, [])


def random_sequences(random: np.random.Generator, lengths: Array, size: int) -> Sequences:
    """Return random sequences of given lengths, of `size` different symbols."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Sequences(random.integers(0, size, int(starts[-1]), np.uint8), starts)


def numbered(size: int) -> Symbols:
    """Return a number of symbols."""
    return Symbols(tuple(f"s{number:03}" for number in range(size)))


def classified_names(random: np.random.Generator, number: int) -> tuple[Array, Array]:
    """Return the lengths of names, and 1 for each name's class."""
    return 2 + random.binomial(17, 0.3, number), np.ones(number, np.int64)


def named_classes(random: np.random.Generator, number: int) -> tuple[Array, Array]:
    """Return 1 for each class, and the lengths of names."""
    names, classes = classified_names(random, number)
    return classes, names


def tagged_sentences(random: np.random.Generator, number: int) -> tuple[Array, Array]:
    """Return equal lengths of sentences and of their tags."""
    lengths = random.integers(5, 41, number)
    return lengths, lengths


def spoken_words(random: np.random.Generator, number: int) -> tuple[Array, Array]:
    """Return the lengths of words and of their pronunciations."""
    letters = 2 + random.binomial(10, 0.5, number)
    return letters, np.maximum(2, letters - random.binomial(2, 0.5, number))


Lengths = Callable[[np.random.Generator, int], tuple[Array, Array]]
SHAPES: dict[str, tuple[Lengths, int, int]] = {  # lengths, source symbols, target symbols
    "classify": (classified_names, 87, 18),
    "tag": (tagged_sentences, 60, 12),
    "transduce": (spoken_words, 30, 60),
    "generate": (named_classes, 18, 87),
}


@contextmanager
def task_trainer(point: TaskPoint) -> Iterator[Trainer]:
    """Prepare a run on random examples, in as many shards as a run would take."""
    config, examples = point.config, point.examples
    task = task_of(config)
    symbols = task.source(examples.arrays, config).mean_symbols
    shards = default_shards(config, task.sizes(examples.vocabulary), symbols)
    run = prepared(config.replace(shards=shards), examples)
    try:
        yield run
    finally:
        run.engine.close()
