"""The work that is timed: training a grid of models on random symbols, sampling, evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from charnn.config import Config
from charnn.models.language_model import make_cell
from charnn.text.corpus import Corpus
from charnn.text.vocabulary import Vocabulary
from charnn.training.parallel import default_shards
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
        return config.replace(shards=default_shards(config, VOCAB_SIZE))

    @property
    def symbols(self) -> int:
        """Symbols of an update: T x B."""
        return self.batch_size * self.seq_length

    @property
    def label(self) -> str:
        """The cell's name, with the GRU's form."""
        return str(make_cell(self.config.model))

    @property
    def flops(self) -> float:
        """Floating-point operations of an update's matrix products.

        A product costs 2 operations a weight and symbol forward, and 4 backward. The one-hot
        input is a row gather forward, and one product backward.
        """
        H, V, G = self.hidden_size, VOCAB_SIZE, len(make_cell(self.config.model).gates)
        recurrent = 6 * G * H * H * self.num_layers
        upper_inputs = 6 * G * H * H * (self.num_layers - 1)
        return float(self.symbols * (recurrent + upper_inputs + 2 * G * V * H + 6 * H * V))


def grid(cells: list[str], quick: bool) -> list[Point]:
    """Return the grid's points for the cells named; a GRU has both forms."""
    forms = [(cell, reset) for cell in cells for reset in resets(cell)]
    return [Point(*form, *size) for form in forms for size in (QUICK_SIZES if quick else SIZES)]


def resets(cell: str) -> list[str]:
    """Return the values of `gru_reset` that make a difference for a cell."""
    return ["before", "after"] if cell == "gru" else ["before"]


@contextmanager
def trainer(point: Point) -> Iterator[Trainer]:
    """Prepare a run on random symbols: `step()` makes an update."""
    random = np.random.default_rng(1)
    with TemporaryDirectory(prefix="charnn-bench-") as folder:
        path = Path(folder) / "ids"
        random.integers(0, VOCAB_SIZE, 20 * point.symbols + 1, np.uint8).tofile(path)
        ids = np.memmap(path, np.uint8, "r")
        none = ids[:0]
        symbols = "".join(chr(ord("0") + n) for n in range(VOCAB_SIZE))
        corpus = Corpus("random", [], ids, Vocabulary(symbols), ids, none, none, 0, "", path)
        run = Trainer.start(point.config, corpus)
        try:
            yield run
        finally:
            run.shards.close()
            del ids, none, corpus
