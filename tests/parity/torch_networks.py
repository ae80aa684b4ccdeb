"""What the tests of the torch engine's networks look at: a model's loss, by NumPy and by PyTorch.

All dimensions differ, so that a transposed axis cannot hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import Module

from charnn.config import ModelConfig
from charnn.engines.torch.layout import Layout
from charnn.engines.torch.networks import Network, network_of
from charnn.engines.torch.randomness import Columns, ShardsRandomness
from charnn.models.model import Model, Sizes
from charnn.nn.cell import Cell
from charnn.registry import ATTENTIONS
from charnn.tasks.gradient_variants import BASES, SEQUENCE_TASKS, cells, random_batch, variants
from charnn.tasks.registry import TASKS
from charnn.text.batches import Batch

Array = np.ndarray
Options = Mapping[str, Any]

SIZES, SYMBOLS = Sizes(8, 10), 9  # of the tasks of examples; of the language model
H, E, T, B, M = 7, 3, 5, 4, 6
SEED, UPDATE = 11, 5
WEIGHT, SMOOTHING = 13.0, 0.1
DROPOUT = {"dropout": 0.3}
FORMS = list(cells())


class Result(NamedTuple):
    """A loss, its gradient (P,) in charnn's order, and the states after the batch."""

    loss: float
    gradient: Array
    states: list[tuple[Array, ...]]


def everything(cell: Cell) -> dict[str, Any]:
    """Return all kinds of dropout at once that a cell can have."""
    options: dict[str, Any] = dict(DROPOUT)
    if cell.dropouts:
        options |= {"recurrent_dropout": 0.4, "recurrent_dropout_kind": cell.dropouts[0]}
    if "W_hh" in cell.shapes(1, 1):
        options["weight_drop"] = 0.2
    return options


def options_of(task: str, cell: Cell) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the forms of a task's model in words and options, for a form of a cell."""
    if task == "lm":
        yield from language_models(cell)
    else:
        for variant in variants(task, hidden_size=H):
            if variant.fits(cell):
                yield variant.title, {**DROPOUT, **variant.options}
    yield "everything", {**BASES.get(task, {}), "num_layers": 2, **everything(cell)}


def language_models(cell: Cell) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the forms of a language model."""
    yield "one layer", {}
    yield "two layers", {"num_layers": 2, **DROPOUT}
    yield "embedding", {"num_layers": 2, "embedding_size": E, **DROPOUT}
    yield "tied", {"embedding_size": H, "tie_weights": True, **DROPOUT}
    for score in ATTENTIONS:
        yield score, {"attention": score, "attention_span": M, **DROPOUT}
    if "update" in cell.dropouts:
        yield "update", {"recurrent_dropout": 0.3, "recurrent_dropout_kind": "update"}


def model_of(task: str, options: Options, dtype: type = np.float64) -> Model:
    """Return a model in which no weight and no bias is zero."""
    config = ModelConfig(**{"hidden_size": H, "dropout": 0.0, **options})
    sizes = Sizes(SYMBOLS, SYMBOLS) if task == "lm" else SIZES
    model: Model = TASKS[task].model.started(config, sizes, 1, dtype)
    random = np.random.default_rng(2)
    model.parameters.flat[:] += 0.3 * random.standard_normal(model.parameters.flat.size)
    return model


def batch_of(task: str, model: Model) -> tuple[Batch, list[tuple[Array, ...]]]:
    """Return a batch, of lengths that differ where they may, and the states before it."""
    random = np.random.default_rng(3)
    if task in SEQUENCE_TASKS:
        return random_batch(task, SIZES, T, random), []
    ids = random.integers(0, SYMBOLS, (T + 1, B))
    states = [
        tuple(random.uniform(-1, 1, state.shape) for state in layer)
        for layer in model.zero_states(B)
    ]
    return Batch(ids[:-1], ids[1:]), states


def by_numpy(
    model: Model, batch: Batch, states: list[tuple[Array, ...]], dropping: bool, shard: int = 0
) -> Result:
    """Return what charnn's own layers compute."""
    random = np.random.default_rng((SEED, UPDATE, shard)) if dropping else None
    gradients = model.parameters.zeros_like()
    loss, after, backward = model.loss(
        batch, states, random=random, weight=WEIGHT, smoothing=SMOOTHING
    )
    after = [tuple(state.copy() for state in layer) for layer in after]
    backward(gradients)
    return Result(loss, gradients.flat, after)


def in_torch(model: Model) -> tuple[Network, Layout]:
    """Return a model's network with its weights."""
    network = network_of(model)
    Module.to(network, torch.from_numpy(model.parameters.flat[:0]).dtype)
    layout = Layout(network, model.parameters.shapes)
    layout.write(model.parameters.flat, layout.weights)
    return network, layout


def by_torch(
    model: Model,
    batch: Batch,
    states: list[tuple[Array, ...]],
    dropping: bool,
    columns: Columns | None = None,
    made: tuple[Network, Layout] | None = None,
) -> Result:
    """Return what the network computes, of some columns of the batch."""
    columns = columns or Columns(batch.targets.shape[1], slice(None))
    network, layout = made or in_torch(model)
    network.zero_grad()
    random = ShardsRandomness(SEED, UPDATE, columns, torch.float64) if dropping else None
    before = [tuple(torch.from_numpy(s[columns.own]) for s in layer) for layer in states]
    loss, after = network.loss(batch.columns(columns.own), before, random, WEIGHT, SMOOTHING)
    loss.backward()
    gradients = [
        torch.zeros_like(weight) if weight.grad is None else weight.grad
        for weight in layout.weights
    ]
    final = [tuple(state.detach().numpy() for state in layer) for layer in after]
    return Result(loss.item(), layout.read(gradients), final)


def difference(one: Result, other: Result) -> float:
    """Return the greatest difference of losses, gradients and states."""
    assert [len(layer) for layer in one.states] == [len(layer) for layer in other.states]
    pairs = [
        (np.array(one.loss), np.array(other.loss)),
        (one.gradient, other.gradient),
        *(
            (a, b)
            for layer, other_layer in zip(one.states, other.states, strict=True)
            for a, b in zip(layer, other_layer, strict=True)
        ),
    ]
    assert all(a.shape == b.shape for a, b in pairs)
    return largest(np.abs(a - b).max(initial=0) for a, b in pairs)


def largest(numbers: Iterable[float]) -> float:
    """Return the largest of some numbers; unlike Python's own, not a number if one is none."""
    return float(np.max(list(numbers)))


def error_of(task: str, options: Options, droppings: tuple[bool, ...] = (True,)) -> float:
    """Return how far PyTorch's result is from NumPy's, with dropout or without, or in both ways."""
    model = model_of(task, options)
    batch, states = batch_of(task, model)
    made = in_torch(model)
    return largest(
        difference(
            by_numpy(model, batch, states, dropping),
            by_torch(model, batch, states, dropping, made=made),
        )
        for dropping in droppings
    )
