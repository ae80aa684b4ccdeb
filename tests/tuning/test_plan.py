"""How the time of a search is divided."""

from __future__ import annotations

import pytest

from charnn.tuning.plan import MOST_CANDIDATES, RESERVE, Plan, cost, plan_of


@pytest.mark.parametrize(("rungs", "final"), [(1, 2), (2, 2), (3, 2), (4, 2), (4, 7), (5, 3)])
def test_what_a_search_costs(rungs: int, final: int) -> None:
    """The formula is the sum over the rungs: their runs, and the start, times their time."""
    sizes = [final * 2**k for k in reversed(range(rungs))]
    whole = sum((size + (rung > 0)) * 2.0 ** (rung - rungs + 1) for rung, size in enumerate(sizes))
    assert cost(rungs, final) == whole


def test_half_an_hour() -> None:
    """Sixteen configurations, and two of them with the start for three minutes."""
    plan = plan_of(1800.0, None, 3.0)
    assert plan.sizes == (16, 8, 4, 2)
    first = plan.trial_seconds(0, 16, 1800.0)
    assert 8 * first == pytest.approx(RESERVE * 1800 / 9.75)


def test_all_rungs_together_take_the_time() -> None:
    """Rung by rung, with what is left, every run as long as planned: the reserve is left."""
    plan = plan_of(1800.0, None, 3.0)
    left, entrants, before = 1800.0, plan.sizes[0], 0.0
    for rung, size in enumerate(plan.sizes):
        entrants = size + (rung > 0)
        seconds = plan.trial_seconds(rung, entrants, left)
        assert rung == 0 or 2 * before <= seconds < 2.2 * before
        left, before = left - entrants * seconds, seconds
    assert 0 < left < 0.04 * 1800


def test_a_short_time_has_few_rungs() -> None:
    """No run is shorter than what says something, but two configurations are always compared."""
    assert plan_of(60.0, None, 1.0).sizes == (8, 4, 2)
    assert plan_of(11.0, None, 1.0).sizes == (4, 2)
    assert plan_of(1.0, None, 1.0).sizes == (2,)
    assert plan_of(60.0, None, 1.0, slowness=5.0).sizes == (4, 2)


def test_a_target_is_the_time_of_the_last_rung() -> None:
    """More time than the target's runs need goes into more configurations."""
    plan = plan_of(1800.0, 60.0, 1.0)
    assert plan.sizes == (80, 40, 20, 10, 5)
    assert plan.trial_seconds(4, 6, 1800.0) == 60.0
    assert plan.trial_seconds(0, 80, 1800.0) == 60.0 / 16
    assert cost(5, 5) * 60 <= RESERVE * 1800 < cost(5, 6) * 60
    assert plan_of(86_400.0, 60.0, 1.0).sizes[0] == MOST_CANDIDATES


def test_a_target_that_is_too_long_shortens_the_last_rung() -> None:
    """Two runs of the target's length alone would be no search."""
    plan = plan_of(1800.0, 900.0, 1.0)
    assert plan.sizes == (16, 8, 4, 2)
    assert plan.trial_seconds(3, 3, 600.0) == RESERVE * 200


def test_first_runs_of_a_target_say_something() -> None:
    """A target of few updates is not halved into nothing."""
    plan = plan_of(100.0, 4.0, 1.5)
    assert plan.sizes == (22, 11)
    assert plan.trial_seconds(0, 22, 100.0) == pytest.approx(min(2.0, 97 / (22 + 24)), rel=0.06)


def test_few_configurations_get_more_time() -> None:
    """Where the space holds fewer configurations than planned, later rungs are smaller, too."""
    plan = Plan(100.0, None, (16, 8, 4, 2))
    assert plan.trial_seconds(0, 3, 100.0) == RESERVE * 100 / (3 + 3 * 2 + 3 * 4 + 3 * 8)
    assert plan.trial_seconds(0, 3, -1.0) == 0
