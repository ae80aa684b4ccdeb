"""Courses of the learning rate."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.config import TrainingConfig
from charnn.nn.schedules import learning_rate
from charnn.registry import SCHEDULES

every_schedule = pytest.mark.parametrize("name", SCHEDULES)


def course(total: int, reductions: int = 0, **options: Any) -> list[float]:
    """Return the learning rates of all updates of a run, and of one more."""
    config = TrainingConfig(**{"learning_rate": 2.0, "warmup_steps": 0} | options)
    return [learning_rate(config, update, total, reductions) for update in range(total + 1)]


@every_schedule
def test_warm_up_is_linear(name: str) -> None:
    """The rate rises in equal steps, from above zero, and is full after the warm-up."""
    rates = course(100, lr_schedule=name, warmup_steps=4)
    assert rates[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert all(rate <= 2.0 for rate in rates)


@every_schedule
def test_without_warm_up_the_first_rate_is_the_full_one(name: str) -> None:
    """The first update uses the configured learning rate."""
    assert course(10, lr_schedule=name)[0] == 2.0


@every_schedule
@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_warm_up_longer_than_the_run_is_cut(name: str, total: int) -> None:
    """Even a run of one update reaches the full rate, at its end."""
    rates = course(total, lr_schedule=name, warmup_steps=1_000)
    expected = [2.0 * (update + 1) / total for update in range(total)]
    assert rates[:total] == pytest.approx(expected)


def test_constant_stays() -> None:
    """After the warm-up the rate never changes."""
    assert set(course(50, lr_schedule="constant")) == {2.0}
    assert set(course(50, reductions=3, lr_schedule="constant", lr_floor=0.5)) == {2.0}


def test_cosine_follows_half_a_cosine_down_to_the_floor() -> None:
    """It starts at the full rate, is half-way in the middle, and ends at the floor."""
    rates = course(100, lr_schedule="cosine", lr_floor=0.1)
    assert rates[0] == 2.0
    assert rates[50] == pytest.approx(2.0 * (0.1 + 1) / 2)
    assert rates[100] == pytest.approx(0.2, abs=1e-15)
    assert rates[25] == pytest.approx(2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2))
    assert all(before > after for before, after in pairwise(rates))


def test_cosine_begins_after_the_warm_up() -> None:
    """The cosine spans what is left of the run."""
    rates = course(110, lr_schedule="cosine", lr_floor=0.0, warmup_steps=10)
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.0, abs=1e-15)


def test_step_multiplies_at_regular_updates() -> None:
    """The rate falls by the factor every so many updates, but not below the floor."""
    rates = course(12, lr_schedule="step", lr_decay=0.5, lr_decay_every=3, lr_floor=0.2)
    assert rates == pytest.approx([2.0] * 3 + [1.0] * 3 + [0.5] * 3 + [0.4] * 4)
    warm = course(12, lr_schedule="step", lr_decay=0.5, lr_decay_every=3, warmup_steps=2)
    assert warm[2:5] == [2.0] * 3
    assert warm[5] == 1.0


def test_plateau_multiplies_by_reductions() -> None:
    """The rate depends on how many reductions were made, not on the update."""
    options = {"lr_schedule": "plateau", "lr_decay": 0.5, "lr_floor": 0.2}
    for reductions, rate in enumerate([2.0, 1.0, 0.5, 0.4, 0.4]):
        assert course(20, reductions, **options) == pytest.approx([rate] * 21)


@every_schedule
@given(
    st.integers(1, 500),
    st.integers(0, 600),
    st.floats(0, 1),
    st.floats(0, 1, exclude_min=True),
    st.integers(0, 40),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_rate_is_between_the_floor_and_the_full_one(
    name: str, total: int, warmup: int, floor: float, decay: float, reductions: int
) -> None:
    """Whatever the options, no update after the warm-up leaves these bounds."""
    rates = course(
        total,
        reductions,
        lr_schedule=name,
        warmup_steps=warmup,
        lr_floor=floor,
        lr_decay=decay,
        lr_decay_every=7,
    )
    assert all(rate > 0 for rate in rates[: min(warmup, total - 1)])
    for rate in rates[min(warmup, total - 1) :]:
        assert 2.0 * floor <= rate * (1 + 1e-12) + 1e-300
        assert rate <= 2.0 * (1 + 1e-12)


def test_every_schedule_is_known() -> None:
    """What the registry names can be looked up, and starts at the full rate."""
    config = TrainingConfig()
    assert {SCHEDULES[name](config, 0, 10, 0) for name in SCHEDULES} == {1.0}
