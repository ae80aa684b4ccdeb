"""Similarities of symbols: cosines, against a naive computation and vectors of known angles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from charnn.analysis.similarity import Similarities, input_vectors, similar_symbols
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel


def model_of(kind: tuple[str, str] = ("lstm", ""), embedding: int | None = None) -> LanguageModel:
    """Return a model of 7 symbols and 5 units with random weights."""
    form = {"gru_reset": kind[1]} if kind[1] else {}
    config = ModelConfig(cell=kind[0], hidden_size=5, embedding_size=embedding, **form)
    model = LanguageModel.initialized(config, 7, seed=1)
    model.parameters.flat[:] = np.random.default_rng(2).normal(size=model.parameters.flat.size)
    return model


IDS = np.array([3, 3, 3, 3, 0, 0, 0, 5, 5, 6])  # 3 is the most frequent symbol; 1, 2, 4 are absent


@pytest.mark.parametrize("embedding", [None, 3])
def test_cosines(kind: tuple[str, str], embedding: int | None) -> None:
    """Each is the naive cosine of the two symbols' weights, of every cell and input."""
    model = model_of(kind, embedding)
    found = similar_symbols(model, IDS)
    assert set(found.symbols) == {3, 0, 5, 6}
    assert found.symbols[0] == 3
    for row, one in enumerate(found.symbols):
        for column, other in enumerate(found.symbols):
            x, y = (naive_vector(model, symbol) for symbol in (one, other))
            length = math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(b * b for b in y))
            expected = sum(a * b for a, b in zip(x, y, strict=True)) / length
            assert found.cosines[row, column] == pytest.approx(expected, abs=1e-12)
    assert found.width == len(naive_vector(model, 0))


def naive_vector(model: LanguageModel, symbol: int) -> list[float]:
    """Return a symbol's row of the embedding, or its rows of all gates, one number at a time."""
    if "E" in model.parameters:
        return [float(value) for value in model.parameters["E"][symbol]]
    weights = model.parameters["layer1/W_xh"]
    return [float(value) for gate in weights for value in gate[symbol]]


def test_known_angles() -> None:
    """Parallel, opposite and upright vectors; a vector of zeros is like nothing."""
    model = model_of(embedding=2)
    model.parameters["E"][:] = 0
    model.parameters["E"][[3, 0, 5]] = [[2, 0], [-0.5, 0], [0, 7]]
    found = similar_symbols(model, IDS)
    at = {symbol: place for place, symbol in enumerate(found.symbols)}
    table = found.cosines[np.ix_([at[3], at[0], at[5], at[6]], [at[3], at[0], at[5], at[6]])]
    assert table.tolist() == [[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found.strongest == 1


def test_the_transposed_weights_are_seen_to_be_wrong() -> None:
    """A mixture of gates and symbols is not taken for a symbol (a planted fault)."""
    model = model_of()
    vectors, _ = input_vectors(model)
    wrong = model.parameters["layer1/W_xh"].reshape(7, -1)
    assert np.allclose(vectors[4], naive_vector(model, 4))
    assert not np.allclose(wrong[4], naive_vector(model, 4))


def test_order_and_pairs() -> None:
    """Each symbol stands beside its likest; pairs are sorted, and no symbol is its own pair."""
    model = model_of(embedding=2)
    angles = {3: 0, 0: 120, 5: 10, 6: 130}
    for symbol, angle in angles.items():
        turned = math.radians(angle)
        model.parameters["E"][symbol] = (math.cos(turned), math.sin(turned))
    found = similar_symbols(model, IDS)
    assert found.symbols == (3, 5, 0, 6)
    pairs = found.pairs(2)
    assert {frozenset(pair[:2]) for pair in pairs} == {frozenset({3, 5}), frozenset({0, 6})}
    assert [value for *_, value in pairs] == pytest.approx([math.cos(math.radians(10))] * 2)
    assert similar_symbols(model, IDS, most=2).symbols == (3, 0)


def test_chance() -> None:
    """The mean size of a random cosine is what random vectors have; one symbol has no pairs."""
    model = model_of(embedding=2)
    alone = similar_symbols(model, IDS[:4])
    assert alone.pairs(5) == []
    assert alone.strongest is None
    random = np.random.default_rng(3).normal(size=(2, 4000, 64))
    x, y = random / np.linalg.norm(random, axis=-1, keepdims=True)
    measured = np.abs((x * y).sum(axis=1)).mean()
    assert Similarities((), np.empty((0, 0)), 64, "embedding").by_chance == pytest.approx(
        measured, rel=0.03
    )
