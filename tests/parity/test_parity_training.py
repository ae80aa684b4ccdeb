"""A hundred updates: the losses of every cell with every optimiser, clipped by global norm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch_twin import (
    CELLS,
    B,
    D,
    H,
    T,
    Twin,
    V,
    random_model,
    random_text,
    torch_evaluation,
    torch_training,
)

from charnn.arrays import Array
from charnn.config import Config, DataConfig, TrainingConfig
from charnn.models.language_model import LanguageModel
from charnn.nn.buffers import Buffers
from charnn.nn.clipping import clip_by_global_norm
from charnn.registry import OPTIMIZERS
from charnn.text.batches import Streams
from charnn.text.corpus import read_corpus
from charnn.training.events import Evaluation, Step
from charnn.training.trainer import Trainer

pytestmark = pytest.mark.parity

UPDATES = 100
LOSSES = 1e-4
EXACT = 1e-9  # float64 without clipping; PyTorch adds 1e-6 to the norm that it divides by
CLIP_NORM = 0.3
NEVER = 1e6
LEARNING_RATES = {
    "sgd": 0.5,
    "momentum": 0.1,
    "adagrad": 0.05,
    "rmsprop": 0.005,
    "adam": 0.01,
    "adamw": 0.01,
}
TEXT = B * (34 * T + 5) + 1  # 35 windows an epoch, the last of 5 steps

LAYERS = pytest.mark.parametrize("layers", [1, 2])


def training_config(optimizer: str, clip_norm: float, weight_decay: float = 0.0) -> TrainingConfig:
    """Return a configuration with a constant learning rate."""
    return TrainingConfig(
        optimizer=optimizer,
        learning_rate=LEARNING_RATES[optimizer],
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        batch_size=B,
        seq_length=T,
        lr_schedule="constant",
        warmup_steps=0,
    )


def charnn_training(
    model: LanguageModel, ids: Array, config: TrainingConfig
) -> tuple[list[float], list[float]]:
    """Train as `Trainer` does; return each update's loss and gradient norm."""
    streams, buffers = Streams(ids, B, T), Buffers()
    flat, gradients = model.parameters.flat, model.parameters.zeros_like()
    optimizer = OPTIMIZERS[config.optimizer].fresh(config, flat.size, flat.dtype)
    losses, norms = [], []
    for update in range(UPDATES):
        window = update % source.count
        if window == 0:
            states = model.zero_states(B)
        inputs, targets = streams.window(window)
        gradients.flat[:] = 0
        loss, states, backward = model.loss(inputs, targets, states, buffers=buffers)
        backward(gradients)
        norms.append(clip_by_global_norm(gradients.flat, config.clip_norm))
        optimizer.update(flat, gradients.flat, config.learning_rate, update + 1)
        losses.append(loss)
    return losses, norms


def assert_same_training(model: LanguageModel, config: TrainingConfig, tolerance: float) -> None:
    """Train a model and its twin; compare all losses and norms, and that something was learned."""
    ids, twin = random_text(TEXT), Twin(model)
    ours, our_norms = charnn_training(model, ids, config)
    theirs, their_norms = torch_training(twin, ids, config, UPDATES)
    assert len(ours) == len(theirs) == UPDATES
    assert np.abs(np.subtract(ours, theirs)).max() <= tolerance
    assert np.abs(np.subtract(our_norms, their_norms)).max() <= tolerance
    assert np.mean(ours[-10:]) < ours[0] - 0.1
    assert not twin.redundant_biases().any()
    if config.clip_norm == NEVER:
        assert max(our_norms) < NEVER
        assert np.abs(model.parameters.flat - twin.weights().flat).max() <= tolerance
    else:
        assert sum(norm > config.clip_norm for norm in our_norms) >= 10


@LAYERS
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_of_100_updates(optimizer: str, cell: str, layers: int) -> None:
    """In float32 with clipping, and AdamW with decay, 100 losses are PyTorch's to 1e-4."""
    decay = 0.05 if optimizer == "adamw" else 0.0
    config = training_config(optimizer, CLIP_NORM, decay)
    assert_same_training(random_model(cell, layers), config, LOSSES)


@LAYERS
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_exact_losses_of_100_updates(optimizer: str, cell: str, layers: int) -> None:
    """In float64 without clipping, with decay, 100 losses and the weights after are equal."""
    config = training_config(optimizer, NEVER, weight_decay=0.003)
    assert_same_training(random_model(cell, layers, np.float64), config, EXACT)


@pytest.mark.parametrize("cell", CELLS)
def test_losses_with_an_embedding(cell: str) -> None:
    """With a learned embedding as `nn.Embedding`, 100 losses are PyTorch's to 1e-4."""
    config = training_config("adam", CLIP_NORM)
    assert_same_training(random_model(cell, 1, embedding=D), config, LOSSES)


@pytest.mark.parametrize("cell", CELLS)
def test_the_trainer_itself(cell: str, tmp_path: Path) -> None:
    """`Trainer` on a text file makes PyTorch's losses, and then has its validation loss."""
    path = tmp_path / "text.txt"
    path.write_text("".join("abcdefghijk"[symbol] for symbol in random_text(2_000)))
    training = training_config("adam", CLIP_NORM)
    config = Config(training=training).replace(
        cell=cell,
        num_layers=2,
        hidden_size=H,
        gru_reset="after",
        dropout=0.0,
        steps=UPDATES,
        eval_every=UPDATES,
    )
    corpus = read_corpus([str(path)], DataConfig(val_fraction=0.1))
    assert len(corpus.vocabulary) == V
    model = LanguageModel.initialized(config.model, V, seed=7)
    twin = Twin(model)
    events = list(Trainer(config, corpus, model).run())
    losses, _ = torch_training(twin, corpus.train, training, UPDATES)
    ours = [event.loss for event in events if isinstance(event, Step)]
    (val_loss,) = [event.val_loss for event in events if isinstance(event, Evaluation)]
    assert len(ours) == UPDATES
    assert np.abs(np.subtract(ours, losses)).max() <= LOSSES
    assert abs(val_loss - torch_evaluation(twin, corpus.val, window=50)) <= LOSSES
