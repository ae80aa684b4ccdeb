"""The work that is timed: training a grid of models on random symbols, sampling, evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from charnn.config import Config
from charnn.engines.shards import Shards, default_shards
from charnn.models.language_model import LanguageModel, parameter_specs
from charnn.models.model import Sizes
from charnn.models.stack import make_cell
from charnn.nn.cell import Cell
from charnn.registry import CELLS
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.vocabulary import Vocabulary
from charnn.training.setup import prepared
from charnn.training.trainer import Trainer

VOCAB_SIZE = 65  # as tinyshakespeare's
SIZES = (  # layers, hidden size, batch size, sequence length
    (1, 128, 50, 50),
    (1, 256, 16, 64),
    (1, 384, 24, 64),
    (1, 256, 64, 64),
    (1, 512, 64, 64),
    (2, 128, 50, 50),
    (2, 256, 16, 64),
    (2, 512, 32, 128),
)
QUICK_SIZES = ((1, 256, 16, 64), (2, 128, 50, 50))
SAMPLED_SIZES = ((2, 128), (1, 512))  # layers, hidden size


@dataclass(frozen=True)
class Point:
    """One point of the grid."""

    cell: str
    gru_reset: str
    num_layers: int
    hidden_size: int
    batch_size: int
    seq_length: int

    @property
    def config(self) -> Config:
        """The run's configuration: Adam, clipping by norm, no dropout."""
        config = Config().replace(
            cell=self.cell,
            gru_reset=self.gru_reset,
            num_layers=self.num_layers,
            hidden_size=self.hidden_size,
            batch_size=self.batch_size,
            seq_length=self.seq_length,
            dropout=0.0,
            steps=1_000_000,
            eval_every=1_000_000,
        )
        return config.replace(
            shards=default_shards(config, Sizes(VOCAB_SIZE, VOCAB_SIZE), self.symbols)
        )

    @property
    def symbols(self) -> int:
        """Symbols of an update: T x B."""
        return self.batch_size * self.seq_length

    @property
    def label(self) -> str:
        """The cell's name, with its form."""
        return str(self.cell_itself)

    @property
    def cell_itself(self) -> Cell:
        """The form of the cell."""
        return make_cell(self.config.model)

    @property
    def flops(self) -> float:
        """Floating-point operations of an update's matrix products.

        A product costs 2 operations a weight and symbol forward, and 4 backward. The one-hot
        input is a row gather forward, and one product backward.
        """
        specs = parameter_specs(self.config.model, VOCAB_SIZE)
        products = 0
        for spec in specs.values():
            if len(spec.shape) > 1 and spec.decays:  # a matrix, not a bias or a gain
                one_hot = spec.symbol_axis is not None and spec.symbol_axis < len(spec.shape) - 1
                products += (2 if one_hot else 6) * math.prod(spec.shape)
        return float(self.symbols * products)


def grid(cells: list[str], quick: bool) -> list[Point]:
    """Return the grid's points for all forms of the cells named."""
    forms = [(cell, form or "before") for cell in cells for form in CELLS[cell].forms()]
    return [Point(*form, *size) for form in forms for size in (QUICK_SIZES if quick else SIZES)]


def cells_with_a_peer() -> list[str]:
    """Return the names of the cells that PyTorch has, too."""
    return [name for name in CELLS if CELLS[name].peer is not None]


def random_corpus(point: Point) -> Corpus:
    """Return random symbols, enough for 20 updates."""
    random = np.random.default_rng(1)
    ids = random.integers(0, VOCAB_SIZE, 20 * point.symbols + 1, np.uint8)
    symbols = "".join(chr(ord("0") + n) for n in range(VOCAB_SIZE))
    return corpus_in_memory(ids, Vocabulary(symbols), "random")


@contextmanager
def trainer(point: Point) -> Iterator[Trainer]:
    """Prepare a run on random symbols: `step()` makes an update."""
    config = point.config.replace(val_fraction=0.0)
    run = prepared(config, random_corpus(point))
    try:
        yield run
    finally:
        run.engine.close()


@contextmanager
def shards(point: Point) -> Iterator[Shards]:
    """Start the engine of a run on random symbols."""
    model = LanguageModel.initialized(point.config.model, VOCAB_SIZE, 1)
    engine = Shards(point.config, model, random_corpus(point))
    try:
        yield engine
    finally:
        engine.close()
