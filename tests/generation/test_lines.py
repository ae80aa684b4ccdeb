"""Lines of a class: what is drawn, where it ends, and what is never drawn."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import ModelConfig, SamplingConfig
from charnn.generation.lines import Line, draw_lines
from charnn.models.labelled_model import LabelledModel
from charnn.models.model import Sizes
from charnn.nn.buffers import Buffers
from charnn.nn.losses import softmax

LABELS, V = 3, 5
KINDS = [{}, {"cell": "gru", "num_layers": 2, "embedding_size": 4}]


def labelled(seed: int = 1, **options: object) -> LabelledModel:
    """Return a random model in float64 whose predictions are far from even."""
    config = ModelConfig(hidden_size=7, dropout=0, **options)
    model = LabelledModel.started(config, Sizes(LABELS, V), seed, np.float64)
    model.parameters.flat[...] *= 3
    return model


def drawn(model: LabelledModel, labels: list[int], seed: int = 1, **options: object) -> list[Line]:
    """Draw a line of each label."""
    own = {name: options.pop(name) for name in ("prime", "unknown") if name in options}
    random = np.random.default_rng(seed)
    return draw_lines(model, np.array(labels), SamplingConfig(**options), random, **own)


def next_symbol(model: LabelledModel, label: int, prefix: list[int]) -> Array:
    """Return the distribution of the symbol after a prefix, read anew from the beginning."""
    ids = np.array([model.delimiter, *prefix], np.intp)[:, None]
    labels = np.broadcast_to(model.label_ids(np.array([label])), ids.shape)
    zeros = model.stack.zero_states(1, np.float64)
    symbols = np.stack([ids, labels], axis=-1)
    h, _, _ = model.stack.run(model.parameters, symbols, zeros, buffers=Buffers())
    logits, _ = model.head.logits(model.parameters, h, Buffers())
    return softmax(logits)[-1]


@pytest.mark.parametrize("options", KINDS)
def test_the_likeliest_lines(options: dict) -> None:
    """At temperature 0 each symbol is the likeliest of its label, whatever the others are."""
    model = labelled(**options)
    for line in drawn(model, [0, 1, 2, 1], temperature=0, length=6):
        expected: list[int] = []
        while len(expected) < 6:
            symbol = int(next_symbol(model, line.label, expected).argmax())
            if symbol == model.delimiter:
                break
            expected.append(symbol)
        assert line.ids == expected
        assert line.ended == (len(expected) < 6)
    lines = drawn(model, [0, 1, 2, 1], temperature=0, length=6)
    assert lines[1] == lines[3]
    assert len({tuple(line.ids) for line in lines}) > 1


def test_frequencies_are_probabilities() -> None:
    """First symbols, and ends at once, are drawn as often as the model says, for each label."""
    model, draws = labelled(), 4_000
    for label in range(LABELS):
        lines = drawn(model, [label] * draws, seed=label, length=1)
        first = [line.ids[0] if line.ids else model.delimiter for line in lines]
        y = next_symbol(model, label, [])
        found = np.bincount(first, minlength=V + 1) / draws
        assert (np.abs(found - y) <= 5 * np.sqrt(y * (1 - y) / draws) + 1e-9).all()


def test_the_unknown_symbol_is_never_drawn() -> None:
    """Not even by a model that prefers it."""
    model = labelled()
    model.parameters["b_y"][2] = 50
    assert any(2 in line.ids for line in drawn(model, [0] * 9, length=4))
    assert not any(2 in line.ids for line in drawn(model, [0] * 99, length=4, unknown=2))


def test_lines_end() -> None:
    """At the end symbol, which is no part of them, or after their greatest length."""
    model = labelled()
    model.parameters["b_y"][model.delimiter] = -50
    endless = drawn(model, [0, 1], length=7)
    assert [(len(line.ids), line.ended) for line in endless] == [(7, False)] * 2
    model.parameters["b_y"][model.delimiter] = 50
    assert drawn(model, [2, 1], length=7) == [Line(2, [], True), Line(1, [], True)]
    model.parameters["b_y"][model.delimiter] = 1
    lines = drawn(model, [0] * 200, length=None)
    assert all(line.ended and model.delimiter not in line.ids for line in lines)
    assert len({len(line.ids) for line in lines}) > 1
    assert drawn(model, [0, 1], length=0) == [Line(0, [], False), Line(1, [], False)]


def test_a_prime_is_continued() -> None:
    """What follows it is what follows it in a line, and it is no part of the result."""
    model = labelled()
    prime = np.array([3, 1])
    (line,) = drawn(model, [1], temperature=0, length=1, prime=prime)
    symbol = int(next_symbol(model, 1, [3, 1]).argmax())
    assert line.ids == ([] if symbol == model.delimiter else [symbol])


def test_equal_seeds_give_equal_lines() -> None:
    """The seed decides, and nothing else."""
    model = labelled()
    first = drawn(model, [0, 1, 2] * 5, length=9, seed=4)
    assert drawn(model, [0, 1, 2] * 5, length=9, seed=4) == first
    assert drawn(model, [0, 1, 2] * 5, length=9, seed=5) != first
