"""Stretches of a text, and the states that they begin at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from looked_into import small_model

from charnn.analysis.positions import states_before
from charnn.analysis.stretches import stretches_of
from charnn.analysis.trace import trace
from charnn.errors import CorpusError

IDS = np.random.default_rng(1).integers(0, 5, 240)
STRETCHES = stretches_of(len(IDS), 240, 1_024, seed=1)


def test_stretches() -> None:
    """All of a short text, or a part of a long one, in halves of equal size."""
    assert STRETCHES.starts.tolist() == list(range(0, 240, 30))
    assert STRETCHES.second.sum() == 4
    part = stretches_of(100_000, 20_000, 1_024, seed=2)
    assert part.length == 1_020
    assert part.symbols == 20_400
    assert (np.diff(part.starts) >= part.length).all()
    assert part.starts[-1] + part.length <= 100_000
    few = stretches_of(8_000, 800, 1_024, seed=2)
    assert (few.length, few.symbols) == (100, 800)
    other = stretches_of(100_000, 20_000, 1_024, seed=3)
    assert part.starts.tolist() != other.starts.tolist()
    with pytest.raises(CorpusError, match="63 symbols"):
        stretches_of(63, 63, 1_024, seed=1)


@pytest.mark.parametrize("options", [{"cell": "lstm"}, {"cell": "gru", "attention": "dot"}])
def test_states_before_a_stretch_are_carried(options: dict[str, Any]) -> None:
    """From the text's beginning, or from zeros so many symbols before."""
    model = small_model(**options)
    starts = np.array([0, 5, 70, 200])
    for warm_up in (0, 6, 100, 300):
        found = states_before(model, IDS, starts, warm_up)
        for column, start in enumerate(starts):
            read = IDS[max(0, start - warm_up) : start]
            expected = trace(model, read).final if len(read) else model.zero_states(1)
            for layer, other in zip(found, expected, strict=True):
                for state, own in zip(layer, other, strict=True):
                    np.testing.assert_allclose(state[column], own[0], rtol=1e-9, atol=1e-12)


def test_no_half_is_looked_at_twice() -> None:
    """Halves have no stretch in common, and are all of them."""
    both = [*STRETCHES.half(second=False), *STRETCHES.half(second=True)]
    assert sorted(both) == STRETCHES.starts.tolist()
    turned = replace(STRETCHES, second=~STRETCHES.second)
    assert turned.half(second=True).tolist() == STRETCHES.half(second=False).tolist()
