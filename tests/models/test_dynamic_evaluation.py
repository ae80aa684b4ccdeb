"""Dynamic evaluation: against a naive one, whose gradients are the oracle's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive_dynamic import Naive, T, options, small, text

from charnn.errors import ConfigError
from charnn.models import dynamic_evaluation
from charnn.models.dynamic_evaluation import (
    GATHERING,
    evaluate_dynamically,
    mean_squares,
    stretches,
)
from charnn.models.evaluation import evaluate
from charnn.nn.buffers import Buffers
from charnn.text.batches import Batch

KINDS = [("rnn", ""), ("lstm", ""), ("gru", "before"), ("gru", "after"), ("mingru", "")]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
@pytest.mark.parametrize("source", ["training text", "text read"])
def test_against_the_naive_one(kind: tuple[str, str], source: str) -> None:
    """The loss and the statistics of gradients are those of the equations."""
    cell, form = kind
    model = small(cell=cell, **({"gru_reset": form} if form else {}))
    ids, squares = text(5 * T + 3), None
    if source == "training text":
        train = text(3 * T + 4, seed=3)  # the last segment is not whole, and left out
        squares = mean_squares(model, train, T)
        expected = Naive(model, kind).mean_squares(train, T)
        np.testing.assert_allclose(squares, expected, rtol=1e-10, atol=1e-16)
    score = evaluate_dynamically(model, ids, options(), squares)
    assert score.predictions == len(ids) - 1
    assert score.nats == pytest.approx(Naive(model, kind).read(ids, options(), squares), rel=1e-10)


def test_two_layers_and_an_embedding() -> None:
    """The oracle agrees for a stack, too, and for a pull that reaches its limit."""
    model = small(cell="rnn", num_layers=2, embedding_size=2)
    ids, rates = text(4 * T), options(decay=0.9)
    expected = Naive(model, ("rnn", "")).read(ids, rates, None)
    assert evaluate_dynamically(model, ids, rates).nats == pytest.approx(expected, rel=1e-10)


MODELS = [
    {"cell": "lstm", "num_layers": 2},
    {"cell": "layernorm-gru"},
    {"cell": "peephole-lstm", "recurrent_dropout": 0.3},
    {"cell": "rnn", "attention": "general", "attention_span": 6},
    {"cell": "gru", "embedding_size": 3, "tie_weights": True},
    {"cell": "lstm", "weight_drop": 0.4},
]


@pytest.mark.parametrize("config", MODELS, ids=lambda config: "-".join(map(str, config.values())))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_model(config: dict[str, Any], dtype: str) -> None:
    """Rate 0 is the static loss, another rate another; the model itself stays as it is."""
    model, ids = small(dtype, **config), text(203)
    before = model.parameters.flat.copy()
    squares = mean_squares(model, text(150, seed=3), 20)
    static = evaluate(model, ids, streams=1)
    frozen = evaluate_dynamically(model, ids, options(rate=0, segment=20), squares)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    assert frozen.nats == pytest.approx(static.nats, rel=tolerance)
    learned = evaluate_dynamically(model, ids, options(rate=0.02, segment=20), squares)
    assert abs(learned.nats - static.nats) > 0.01
    assert np.array_equal(model.parameters.flat, before)
    again = evaluate_dynamically(model, ids, options(rate=0.02, segment=20), squares)
    assert again == learned


@pytest.mark.parametrize("trained_on", ["nothing", "another text"])
def test_it_learns(trained_on: str) -> None:
    """A model that has learned nothing learns a text that repeats itself."""
    model = small("float32", cell="lstm", hidden_size=16)
    squares = None if trained_on == "nothing" else mean_squares(model, text(500), 20)
    ids = np.tile(text(7, seed=5), 200)
    score = evaluate_dynamically(model, ids, options(rate=0.01, decay=0, segment=20), squares)
    assert score.nats_per_symbol < 0.75 * evaluate(model, ids).nats_per_symbol


@pytest.mark.parametrize("N", [2, 3, T, T + 1])
def test_a_text_of_one_segment_is_scored_statically(N: int) -> None:
    """A gradient counts only for what follows it."""
    model, ids = small(cell="lstm"), text(N)
    score = evaluate_dynamically(model, ids, options(rate=1))
    assert score.predictions == N - 1
    assert score.nats == pytest.approx(evaluate(model, ids).nats, rel=1e-12)
    squares = mean_squares(model, ids, T)
    assert squares.shape == (model.size,)
    assert squares.any()


def test_a_rate_that_is_too_high() -> None:
    """A loss that is no number is refused, with the rate and how far the reading came."""
    model = small("float32", cell="rnn")
    with pytest.raises(ConfigError, match=r"dynamic_rate is 1e\+39, and after \d+ symbols"):
        evaluate_dynamically(model, text(100), options(rate=1e39))


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prediction is reported once, and the steps of gathering are always as many."""
    model, steps = small(cell="rnn"), list[int]()
    evaluate_dynamically(model, text(4 * T + 2), options(), advance=steps.append)
    assert steps == [T, T, T, T, 1]
    monkeypatch.setattr(dynamic_evaluation, "STRETCHES", 3)
    for N in (3, 300):
        gathered = list[int]()
        mean_squares(model, text(N), 2, gathered.append)
        assert sum(gathered) == GATHERING


def test_a_long_text_is_sampled_evenly() -> None:
    """Stretches begin at the text's beginning, end at its end, and hold whole segments."""
    found = stretches(1_000_003, 20)
    assert found[0][0] == 0
    assert found[-1][1] == 1_000_003
    assert {end - start for start, end in found} == {16 * 20}
    gaps = np.diff([start for start, _ in found])
    assert gaps.max() - gaps.min() <= 1
    assert stretches(64 * 16 * 20 + 19, 20) == [(0, 64 * 16 * 20)]
    assert stretches(19, 20) == [(0, 19)]


def test_statistics_of_a_sample_are_those_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample's root mean squares are close to the whole text's; warm-up makes its states real."""
    model, ids = small("float32", cell="rnn"), text(300)
    monkeypatch.setattr(dynamic_evaluation, "STRETCHES", 8)
    sampled = np.sqrt(mean_squares(model, ids, 1))
    whole = np.zeros(model.size)
    for place in range(299):
        slopes, states = model.parameters.zeros_like(), model.zero_states(1)
        if place:
            states = model.read(ids[max(0, place - 30) : place, None], states, Buffers())
        batch = Batch(ids[place : place + 1, None], ids[place + 1 : place + 2, None])
        _, _, backward = model.loss(batch, states)
        backward(slopes)
        whole += slopes.flat**2
    ratio = sampled / np.sqrt(whole / 299)
    assert ratio.max() < 1.4
    assert ratio.min() > 0.7
