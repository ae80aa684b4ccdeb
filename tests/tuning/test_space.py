"""Which configurations are tried."""

from __future__ import annotations

import math

import pytest

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.tuning.space import SEARCHED, candidates, possible, searched, values_near

START = Config()


def anything(_: Config) -> bool:
    """Allow every configuration."""
    return True


def test_the_start_is_first_and_all_differ() -> None:
    """Sixty configurations, each once."""
    found = candidates(START, SEARCHED, 60, anything)
    assert len(found) == 60
    assert found[0] == {name: START.values()[name] for name in SEARCHED}
    assert len({tuple(each.values()) for each in found}) == 60


def test_values_are_where_they_should_be() -> None:
    """Within the bounds around the start; many of them are its own."""
    found = candidates(START, SEARCHED, 300, anything)[1:]
    rates = [each["learning_rate"] for each in found]
    assert 0.002 <= min(rates) < 0.0025
    assert 0.026 < max(rates) <= 0.032
    logs = [math.log(rate / 0.008) for rate in rates if rate != 0.008]
    assert abs(sum(logs) / len(logs)) < 0.15
    assert {each["dropout"] for each in found} == {0.0, 0.05, 0.1, 0.2, 0.3, 0.5}
    assert {each["seq_length"] for each in found} == {32, 64, 128, 256}
    assert {each["num_layers"] for each in found} == {1, 2, 3}
    sizes = {64, 88, 128, 184, 256, 360, 512, 728, 1024}
    assert {each["hidden_size"] for each in found} == sizes
    assert 0.3 < rates.count(0.008) / len(rates) < 0.6


def test_the_seed_decides() -> None:
    """The same seed tries the same, another one something else; a longer search tries more."""
    assert candidates(START, SEARCHED, 9, anything) == candidates(START, SEARCHED, 9, anything)
    assert candidates(START, SEARCHED, 20, anything)[:9] == candidates(START, SEARCHED, 9, anything)
    other = candidates(START.replace(seed=2), SEARCHED, 9, anything)
    assert other[1:] != candidates(START, SEARCHED, 9, anything)[1:]


def test_what_is_not_allowed_is_drawn_again() -> None:
    """A limit on sizes changes the configurations beyond it, and no others."""
    free = candidates(START, SEARCHED, 20, anything)
    limited = candidates(START, SEARCHED, 20, lambda each: each.model.hidden_size <= 256)
    assert len(limited) == 20
    assert all(each["hidden_size"] <= 256 for each in limited)
    same = [each == other for each, other in zip(free, limited, strict=True)]
    assert same == [each["hidden_size"] <= 256 for each in free]


def test_a_small_space_is_exhausted() -> None:
    """Where only the dropout is searched, there are six configurations."""
    found = candidates(START, ["dropout"], 40, anything)
    assert sorted(each["dropout"] for each in found) == [0.0, 0.05, 0.1, 0.2, 0.3, 0.5]


def test_the_starts_own_value_is_among_the_choices() -> None:
    """Also where it is none of the usual ones."""
    assert values_near("dropout", 0.15) == [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
    assert values_near("hidden_size", 10) == [8, 10, 16, 24, 32, 40]
    assert values_near("num_layers", 5) == [1, 2, 3, 5]


def test_options_that_contradict_each_other_are_not_tried() -> None:
    """Tied weights need an embedding as wide as the layer, so that its size stays."""
    tied = START.replace(tie_weights=True, embedding_size=256)
    assert not possible(tied, {"hidden_size": 128}, anything)
    found = candidates(tied, SEARCHED, 30, anything)
    assert len(found) == 30
    assert {each["hidden_size"] for each in found} == {256}


def test_what_is_searched() -> None:
    """The task's options but those that are fixed."""
    assert searched(START, {"hidden_size", "cell"}) == [
        *("learning_rate", "dropout", "num_layers", "seq_length")
    ]
    assert "seq_length" not in searched(Config.from_values({"task": "classify"}), ())
    with pytest.raises(ConfigError, match="there is nothing to search; leave one out"):
        searched(START, SEARCHED)
