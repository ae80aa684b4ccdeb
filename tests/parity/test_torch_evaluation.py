"""The engine on PyTorch scores with its own network, and training does not notice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from charnn.arrays import Array
from charnn.config import Config, EngineConfig
from charnn.engines.shards import Shards
from charnn.engines.team import ALONE, Alone
from charnn.engines.torch.engine import TorchEngine
from charnn.models.language_model import LanguageModel
from charnn.nn.parameters import Parameters
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.vocabulary import Vocabulary

pytestmark = pytest.mark.parity
torch.set_num_threads(1)

TEXT = (
    "she sells sea shells on the sea shore; the shells she sells are sea shells, I'm sure.\n" * 60
)
OPTIONS: dict[str, Any] = {
    "hidden_size": 6,
    "batch_size": 4,
    "seq_length": 7,
    "num_layers": 2,
    "dropout": 0.2,
    "val_fraction": 0.5,
    "test_fraction": 0.1,
    "steps": 9,
    "shards": 1,
}
averages = pytest.mark.parametrize("ema_decay", [None, 0.9])


class Half(Alone):
    """A rank of two whose other one adds nothing."""

    size = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank


def parts_of(**options: Any) -> tuple[Config, LanguageModel, Corpus]:
    """Return a run's configuration, its model and its text."""
    config = Config.from_values(OPTIONS | options)
    vocabulary = Vocabulary.from_text(TEXT)
    corpus = corpus_in_memory(vocabulary.encode(TEXT), vocabulary).cut(config.data)
    return config, LanguageModel.initialized(config.model, len(vocabulary), 1), corpus


def engine_of(team: Any = ALONE, **options: Any) -> TorchEngine:
    """Return an engine over a new model."""
    return TorchEngine(*parts_of(**options), EngineConfig("torch", "cpu"), team)


def model_in(arrays: dict[str, Array], model: LanguageModel) -> LanguageModel:
    """Return a model with an engine's weights, or their average where one is kept."""
    flat = np.concatenate([arrays[f"parameters/{name}"].ravel() for name in model.parameters])
    return model.with_parameters(
        Parameters(model.parameters.shapes, flat=arrays.get("average", flat))
    )


@averages
def test_parts_are_scored_as_numpy_does(ema_decay: float | None) -> None:
    """Before updates, between them, and after others are loaded; of the average, if kept."""
    engine = engine_of(ema_decay=ema_decay)
    _, model, corpus = parts_of(ema_decay=ema_decay)
    arrays = {name: array.copy() for name, array in engine.export().items()}
    seen = set()
    for update in range(4):
        if update == 3:
            engine.load(arrays)
        own = model_in(engine.weights(), model)
        for part in ("train", "val", "test"):
            expected = engine._task.evaluate(own, corpus.arrays, part)
            found = engine.evaluate(part)
            assert found.nats_per_symbol == pytest.approx(expected.nats_per_symbol, abs=1e-6)
            assert found.predictions == expected.predictions
        seen.add(found.nats)
        engine.update(update, 0.1)
    assert len(seen) == 3


@averages
def test_training_does_not_notice(ema_decay: float | None) -> None:
    """With evaluations between the updates a run has the same bits as without."""
    one, other = (engine_of(ema_decay=ema_decay) for _ in range(2))
    for update in range(4):
        assert one.update(update, 0.1) == other.update(update, 0.1)
        one.evaluate("val")
        assert one.network.training
    ours, theirs = one.export(), other.export()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_ranks_score_a_share_each() -> None:
    """The shares of two ranks add up to the whole."""
    whole = engine_of().evaluate("val")
    first, second = (engine_of(Half(rank)).evaluate("val") for rank in range(2))
    assert first.predictions > 0 < second.predictions
    assert (first + second).predictions == whole.predictions
    assert (first + second).nats == pytest.approx(whole.nats, rel=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_scheduled_sampling(cell: str) -> None:
    """A model that reads its own draws has the losses that it has on NumPy."""
    options = {"scheduled_sampling": "linear", "cell": cell, "dropout": 0.0, "ema_decay": None}
    ours, theirs = Shards(*parts_of(**options)), engine_of(**options)
    try:
        for update in range(9):
            expected, found = (engine.update(update, 0.01) for engine in (ours, theirs))
            assert found == pytest.approx(expected, rel=1e-4)
    finally:
        ours.close()
