"""The loss by the number of symbols read since zero states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from delay_line import delay_line
from looked_into import V, last_losses, naive, small_model

from charnn.analysis import context
from charnn.analysis.context import context_use, doubled, enough, losses_after, smoothed
from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates

TEXT = np.random.default_rng(4).integers(0, V, 60)
STARTS = np.array([20, 31, 44])
SPAN = 7


def naive_losses(model: LanguageModel, warm_up: int) -> Array:
    """Return the losses (SPAN, places) in bits: each is read on its own, from zeros."""
    found = np.empty((SPAN, len(STARTS)))
    for column, start in enumerate(STARTS):
        for k in range(SPAN):
            read = TEXT[start - warm_up : start + k, None]
            target = TEXT[start + k : start + k + 1]
            if len(read):
                logits, _ = naive(model, read, model.zero_states(1))
            else:
                logits = np.asarray(model.parameters["b_y"])[None, None]
            found[k, column] = last_losses(logits, target)[0] / math.log(2)
    return found


def check(model: LanguageModel, warm_up: int) -> None:
    """Compare the losses with those of the naive computation."""
    found = losses_after(model, TEXT, STARTS, SPAN, warm_up)
    np.testing.assert_allclose(found, naive_losses(model, warm_up), rtol=1e-10)


@pytest.mark.parametrize("warm_up", [0, 1, 9])
@pytest.mark.parametrize(
    "options",
    [
        {"cell": "rnn"},
        {"cell": "lstm", "embedding_size": 3},
        {"cell": "gru", "attention": "dot", "attention_span": 3},
    ],
    ids=str,
)
def test_losses_are_those_of_reading_each_alone(warm_up: int, options: dict[str, Any]) -> None:
    """After k symbols and no more; nothing read is h = 0."""
    check(small_model(**options), warm_up)


def test_states_that_are_not_zero_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: reading begins at other states than zeros."""
    before = LanguageModel.zero_states

    def ones(model: LanguageModel, batch_size: int) -> LayerStates:
        return [tuple(state + 1 for state in layer) for layer in before(model, batch_size)]

    model = small_model(cell="lstm")
    expected = naive_losses(model, 0)
    monkeypatch.setattr(LanguageModel, "zero_states", ones)
    found = losses_after(model, TEXT, STARTS, SPAN, 0)
    assert np.abs(found[1:] - expected[1:]).max() > 1e-3


def test_losses_that_come_late_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: one symbol more is read than is said."""
    original = context.losses_after
    model = small_model(cell="lstm")
    monkeypatch.setattr(
        context,
        "losses_after",
        lambda model, ids, starts, span, _: original(model, ids, starts, span, 1),
    )
    found = context.losses_after(model, TEXT, STARTS, SPAN, 0)
    assert np.abs(found - naive_losses(model, 0)).max() > 1e-3


def test_a_memory_of_five_symbols_needs_five() -> None:
    """Where states hold the last five symbols only, reading more changes nothing."""
    ids = np.random.default_rng(6).integers(0, 4, 400)
    found = context_use(delay_line(4, 5), ids, 7, 80, seed=1)
    assert found.places == 80
    np.testing.assert_allclose(found.excess[5:], 0, atol=1e-12)
    assert abs(found.excess[4]) > 1e-3
    assert found.enough[0.01] <= 5  # type: ignore[operator]
    np.testing.assert_allclose(np.array(found.loss) - found.excess, found.full)
    assert list(found.gains) == [1, 2]
    gain, error = found.gains[2]
    assert gain == pytest.approx(found.excess[2] - found.excess[4])
    assert error > 0


def test_more_than_eight_are_smoothed() -> None:
    """The mean for k is over k - k // 8 to k + k // 8; errors are those of the places."""
    values = np.random.default_rng(7).standard_normal((21, 3))
    found = smoothed(values, 18)
    np.testing.assert_allclose(found[5], values[5])
    np.testing.assert_allclose(found[8], values[7:10].mean(axis=0))
    np.testing.assert_allclose(found[17], values[15:20].mean(axis=0))


def test_where_it_is_enough() -> None:
    """The first k from which on all are below; None where the last is not."""
    assert enough(np.array([3, 0.005, 0.02, 0.005, 0.001]), 0.01) == 3
    assert enough(np.array([0.001, -0.5]), 0.01) == 0
    assert enough(np.array([3, 2, 0.02]), 0.01) is None
    assert doubled(9) == [0, 1, 2, 4, 8]
    assert doubled(1) == [0, 1]


def test_short_texts() -> None:
    """There is less to read, and at last nothing."""
    model = small_model(cell="gru")
    found = context_use(model, TEXT[:8], 256, 100, seed=1)
    assert len(found.loss) == 4
    assert np.isfinite(found.loss).all()
    with pytest.raises(CorpusError, match="7 symbols"):
        context_use(model, TEXT[:7], 256, 100, seed=1)
