"""What the tests of sequence models look at: small ones, filled at random, and their batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sequence_oracle import ORACLES

from charnn.config import ModelConfig
from charnn.models.gradient_check import check_model
from charnn.models.model import Model, Sizes
from charnn.nn.central_differences import TOLERANCE
from charnn.tasks.registry import TASKS
from charnn.text.batches import Batch

SIZES = Sizes(6, 4)
H, E = 5, 2
LENGTHS, TARGET_LENGTHS = (4, 1, 3), (2, 7, 0)
SMOOTHING = 0.1

Examples = list[tuple[list[int], list[int]]]


def model_of(task: str, hidden_size: int = H, **options: Any) -> Model:
    """Return a model with random weights in float64."""
    config = ModelConfig(**{"hidden_size": hidden_size, "dropout": 0.0, "cell": "gru"} | options)
    model = TASKS[task].model.started(config, SIZES, 1, np.float64)
    random = np.random.default_rng(1)
    model.parameters.flat[:] = 0.5 * random.standard_normal(model.parameters.flat.size)
    return model


def examples_of(task: str, seed: int = 2) -> Examples:
    """Return random examples of unequal lengths, of which one is 1, and one target's 0."""
    random, found = np.random.default_rng(seed), []
    for S, T in zip(LENGTHS, TARGET_LENGTHS, strict=True):
        S, T = {"classify": (S, 1), "tag": (S, S), "generate": (1, T)}.get(task, (S, T))
        source, target = random.integers(0, SIZES.inputs, S), random.integers(0, SIZES.outputs, T)
        found.append((source.tolist(), target.tolist()))
    return found


def batch_of(
    task: str, examples: Examples, more: tuple[int, int] = (0, 0), garbage: int = 0
) -> Batch:
    """Return examples as a batch, padded by some `more` steps with random ids."""
    random = np.random.default_rng(garbage)
    sides = []
    for side, size in enumerate(SIZES):
        lengths = np.array([len(example[side]) for example in examples], np.intp)
        single = (task, side) in {("classify", 1), ("generate", 0)}
        longer = more[0 if task == "tag" else side]
        steps = int(lengths.max(initial=1)) + (0 if single else longer)
        ids = random.integers(0, size, (steps, len(examples)))
        for b, example in enumerate(examples):
            ids[: lengths[b], b] = example[side]
        sides.append((ids, lengths))
    (sources, lengths), (targets, target_lengths) = sides
    if task in ("classify", "tag"):
        return Batch(sources, targets, lengths)
    if task == "generate":
        return Batch(sources, targets, target_lengths=target_lengths)
    return Batch(sources, targets, lengths, target_lengths=target_lengths)


def result(
    model: Model, batch: Batch, weight: float | None = None, smoothing: float = SMOOTHING
) -> tuple[float, np.ndarray]:
    """Return a model's loss and its gradient."""
    gradients = model.parameters.zeros_like()
    loss, _, backward = model.loss(batch, [], weight=weight, smoothing=smoothing)
    backward(gradients)
    return loss, gradients.flat


def expected_loss(
    task: str, model: Model, examples: Examples, smoothing: float = SMOOTHING
) -> float:
    """Return the oracle's mean loss of examples."""
    pairs = [ORACLES[task](model, *example, smoothing) for example in examples]
    return sum(nats for nats, _ in pairs) / sum(predictions for _, predictions in pairs)


def agrees(task: str, **options: Any) -> bool:
    """Return whether a model's loss is the oracle's, with and without label smoothing."""
    model, examples = model_of(task, **options), examples_of(task)
    batch = batch_of(task, examples, more=(2, 1), garbage=3)
    return all(
        abs(result(model, batch, smoothing=e)[0] - expected_loss(task, model, examples, e)) < 1e-12
        for e in (0.0, SMOOTHING)
    )


def wrong_gradients(task: str, directional: bool = False, **options: Any) -> set[str]:
    """Return the names of the parameters whose gradients are wrong, with dropout."""
    model = model_of(task, **{"dropout": 0.3} | options)
    comparisons = check_model(
        model,
        batch_of(task, examples_of(task), more=(1, 0)),
        [],
        random_seed=5,
        smoothing=SMOOTHING,
        directions=np.random.default_rng(6) if directional else None,
    )
    return {c.name for c in comparisons if not c.error < TOLERANCE}


def adds_up(task: str, **options: Any) -> bool:
    """Return whether shares of a batch have the loss and gradient of the whole together."""
    model, examples = model_of(task, **options), examples_of(task)
    batch = batch_of(task, examples)
    weight = sum(ORACLES[task](model, *example, 0.0)[1] for example in examples)
    loss, gradient = result(model, batch)
    parts = [result(model, batch_of(task, examples[k::2]), float(weight)) for k in (0, 1)]
    return (
        abs(sum(share for share, _ in parts) - loss) < 1e-12
        and np.abs(sum(share for _, share in parts) - gradient).max() < 1e-12
    )
