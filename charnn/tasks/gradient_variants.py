"""What `charnn gradcheck` checks of each task: its model in all its forms, on random batches.

The batches are hard ones: sequences of unequal lengths, of which one has a single symbol, and
targets of which one is empty; dropout and label smoothing are on. A technique of training joins by
a line in `TECHNIQUES`, a choice of a model by one in `FORMS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import TASKS as NAMES
from charnn.config import ModelConfig
from charnn.models.gradient_check import check_model
from charnn.models.model import Model, Sizes
from charnn.nn.cell import Cell
from charnn.nn.central_differences import Comparison
from charnn.registry import ATTENTIONS, CELLS
from charnn.tasks.registry import TASKS
from charnn.text.batches import Batch

SEQUENCE_TASKS = NAMES[1:]  # all but the language model, whose sequences have no ends
SIZES = Sizes(3, 2)
HIDDEN_SIZE, EMBEDDING_SIZE = 3, 2
BATCH_SIZE = 4
DROPOUT, SMOOTHING = 0.3, 0.1

Choices = Mapping[str, Mapping[str, Any]]  # options by the words that say what is chosen

INPUTS: Choices = {"one-hot": {}, "embed": {"embedding_size": EMBEDDING_SIZE}}
DIRECTIONS: Choices = {"": {}, "bi": {"bidirectional": True}}
SCORES: Choices = {
    "none": {"attention": None},
    **{name: {"attention": name} for name in ATTENTIONS},
}
FORMS: dict[str, tuple[Choices, ...]] = {
    "classify": (DIRECTIONS,),
    "tag": (DIRECTIONS,),
    "transduce": (DIRECTIONS, SCORES),
    "generate": (),
}
TECHNIQUES: Choices = {
    "state drop": {"recurrent_dropout": 0.3, "recurrent_dropout_kind": "state"},
    "update drop": {"recurrent_dropout": 0.3, "recurrent_dropout_kind": "update"},
    "weight drop": {"weight_drop": 0.3},
}
BASES: dict[str, Mapping[str, Any]] = {  # of the variants that have a technique
    "classify": {"bidirectional": True},
    "tag": {"bidirectional": True},
    "transduce": {"bidirectional": True, "attention": "general"},
    "generate": {},
}
TIED = ("transduce", "generate")  # tasks whose output can use the input's embedding


@dataclass(frozen=True)
class Variant:
    """A form of a task's model: in words, and its options of `ModelConfig`."""

    task: str
    title: str
    options: Mapping[str, Any]

    def fits(self, cell: Cell) -> bool:
        """Return whether a cell has what the variant drops."""
        if "weight_drop" in self.options:
            return "W_hh" in cell.shapes(1, 1)
        if "recurrent_dropout" in self.options:
            return self.options["recurrent_dropout_kind"] in cell.dropouts
        return True

    def check(
        self, cell: Mapping[str, Any], seq_length: int, seed: int, directional: bool = False
    ) -> list[Comparison]:
        """Check the variant with the options of a cell."""
        config = ModelConfig(**{"dropout": DROPOUT, **self.options, **cell})
        return check_sequences(self.task, config, SIZES, seq_length, seed, directional)


def variants(
    task: str, layers: tuple[int, ...] = (1, 2), hidden_size: int | None = None
) -> Iterator[Variant]:
    """Yield the forms of a task's model.

    Every choice meets every other one. Where there are scores of attention to choose from, one-hot
    input and embeddings take turns, so that each meets every score with every direction, and with
    every number of layers.
    """
    hidden_size = hidden_size or HIDDEN_SIZE
    depths = {f"{number}L": {"num_layers": number} for number in layers}
    axes = [enumerate(choices.items()) for choices in (depths, *FORMS[task])]
    for form in product(*axes):
        inputs = list(INPUTS.items())
        if SCORES in FORMS[task]:
            inputs = [inputs[sum(place for place, _ in form) % len(inputs)]]
        for each in inputs:
            yield variant(task, (each, *(choice for _, choice in form)), hidden_size)
    base = {"num_layers": min(layers), **BASES[task]}
    if task in TIED:
        tied = {**base, "embedding_size": hidden_size, "tie_weights": True}
        yield variant(task, (("tied weights", tied),), hidden_size)
    for name, options in TECHNIQUES.items():
        yield variant(task, ((name, {**base, **options}),), hidden_size)


def variant(
    task: str, choices: tuple[tuple[str, Mapping[str, Any]], ...], hidden_size: int
) -> Variant:
    """Return the variant in which all of some choices are made."""
    options: dict[str, Any] = {"hidden_size": hidden_size}
    for _, chosen in choices:
        options.update(chosen)
    return Variant(task, " ".join(filter(None, (word for word, _ in choices))), options)


def cells(name: str | None = None) -> Iterator[tuple[Cell, str, dict[str, str]]]:
    """Yield every form of every cell, or of one: the form, its short name, and its options."""
    for each in CELLS if name is None else [name]:
        for form_name, form in CELLS[each].forms().items():
            short = f"{each}-{form_name}" if form_name else each
            yield form, short, {"cell": each, "gru_reset": form_name or "before"}


def check_sequences(
    task: str,
    config: ModelConfig,
    sizes: Sizes,
    seq_length: int,
    seed: int,
    directional: bool = False,
) -> list[Comparison]:
    """Check a task's model, as it starts, on a random batch of unequal lengths."""
    random = np.random.default_rng(seed)
    model: Model = TASKS[task].model.started(config, sizes, seed, np.float64)
    return check_model(
        model,
        random_batch(task, sizes, seq_length, random),
        [],
        random_seed=seed,
        smoothing=SMOOTHING,
        directions=random if directional else None,
    )


def random_batch(task: str, sizes: Sizes, seq_length: int, random: np.random.Generator) -> Batch:
    """Return a batch of a task: one sequence of full length, one of 1, one without a target."""
    T, B = seq_length, BATCH_SIZE
    inputs, outputs = sizes
    lengths = random_lengths(T, 1, random)
    sources = random.integers(0, inputs, (T, B))
    if task == "classify":
        return Batch(sources, random.integers(0, outputs, (1, B)), lengths)
    if task == "tag":
        return Batch(sources, random.integers(0, outputs, (T, B)), lengths)
    answers = random.integers(0, outputs, (T, B))
    ends = random.permutation(random_lengths(T, 0, random))
    if task == "generate":
        return Batch(sources[:1], answers, target_lengths=ends)
    return Batch(sources, answers, lengths, target_lengths=ends)


def random_lengths(longest: int, shortest: int, random: np.random.Generator) -> Array:
    """Return the lengths of a batch's sequences: the longest, the shortest, and others."""
    others = random.integers(shortest, longest + 1, BATCH_SIZE - 2)
    return np.array([longest, shortest, *others])
