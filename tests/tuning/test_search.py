"""Successive halving with invented runs: rungs, times, ties, divergence, and going on."""

from __future__ import annotations

import pytest
from invented import CANDIDATES, PLAN, invented, outcome, rungs

from charnn.errors import DivergenceError
from charnn.tuning.plan import Plan
from charnn.tuning.search import Result, Rung

LOSSES = (1.5, 1.9, 1.2, 1.8, 1.1, 1.7, 1.6, 1.4)


def test_the_better_half_goes_on() -> None:
    """Eight, then the start with the best four, then the start with the best two."""
    search, train = invented(LOSSES)
    events = list(search.run())
    assert rungs(train) == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 4, 2, 7], [0, 4, 2]]
    assert search.ended == "completed"
    assert [each.entrants for each in events if isinstance(each, Rung)] == [8, 4, 3]
    best = search.best()
    assert best is not None
    assert (best.trial, best.rung) == (4, 2)
    start = search.at_start(2)
    assert start is not None
    assert start.outcome.loss == 1.5


def test_times_double_and_fit() -> None:
    """Each rung's runs take twice as long, and all of them together less than the time."""
    search, train = invented(LOSSES)
    list(search.run())
    first, second, third = sorted({seconds for _, seconds in train.made})
    assert second == pytest.approx(2 * first, rel=0.2)
    assert third == pytest.approx(2 * second, rel=0.2)
    assert 85 < sum(seconds for _, seconds in train.made) <= 100


def test_the_start_is_compared_even_if_it_is_bad() -> None:
    """It runs on every rung, but takes nobody's place."""
    search, train = invented((9.0, *LOSSES[1:]))
    list(search.run())
    assert rungs(train)[1:] == [[0, 4, 2, 7, 6], [0, 4, 2]]


def test_the_best_of_the_last_rung_counts() -> None:
    """What is best after a short time does not matter once there are longer runs."""
    search, _ = invented(LOSSES)
    list(search.run())
    search.results.append(Result(0, 1, 1.0, outcome(0.1)))
    best = search.best()
    assert best is not None
    assert best.trial == 4


def test_a_run_that_diverges_is_a_bad_result() -> None:
    """It is recorded, ranked nowhere, and does not go on, even where places are free."""
    search, train = invented((1.5, None, None, None, None, None, 1.1, None))
    list(search.run())
    assert rungs(train)[1:] == [[0, 6], [0, 6]]
    assert sum(each.outcome.failure is not None for each in search.results) == 6


def test_all_diverge() -> None:
    """Then there is nothing to choose among, and the sentence says what to do."""
    search, _ = invented([None] * 8)
    with pytest.raises(DivergenceError, match="all runs of rung 1 diverged; give a lower"):
        list(search.run())
    assert search.best() is None


def test_equal_losses_keep_their_order() -> None:
    """The start is preferred to what is no better."""
    search, train = invented([1.0] * 8)
    list(search.run())
    assert rungs(train)[1:] == [[0, 1, 2, 3], [0, 1]]


def test_accuracy_decides_where_it_selects() -> None:
    """With --select accuracy the loss decides between equal ones only."""
    results = [
        Result(0, 0, 1.0, outcome(1.0, accuracy=0.5)),
        Result(0, 1, 1.0, outcome(3.0, accuracy=0.9)),
        Result(0, 2, 1.0, outcome(2.0, accuracy=0.9)),
    ]
    search, _ = invented(LOSSES, results=results, by_accuracy=True)
    assert [each.trial for each in search.ranked(0)] == [2, 1, 0]


@pytest.mark.parametrize("line", range(16))
def test_a_search_goes_on_after_any_result(line: int) -> None:
    """Whatever was found first, the rest is made: the same runs of the same times, none twice."""
    whole, train = invented(LOSSES)
    list(whole.run())
    assert len(whole.results) == 15
    rest, again = invented(LOSSES, results=whole.results[:line])
    events = list(rest.run())
    assert [number for number, _ in again.made] == [number for number, _ in train.made[line:]]
    assert [each.trial for each in rest.results] == [each.trial for each in whole.results]
    for old, new in zip(whole.results, rest.results, strict=True):
        assert new.planned == pytest.approx(old.planned, rel=0.05)
    assert rest.best() is not None
    assert rest.best().outcome.loss == 1.1  # type: ignore[union-attr]
    assert len(events) >= 15 - line


def test_a_line_that_is_missing_is_made_again() -> None:
    """Not only the last ones: a damaged line in the middle costs its run, and no other."""
    whole, _ = invented(LOSSES)
    list(whole.run())
    rest, train = invented(LOSSES, results=[*whole.results[:3], *whole.results[4:]])
    list(rest.run())
    assert [number for number, _ in train.made] == [3]


def test_a_finished_search_makes_nothing() -> None:
    """Going on with it only shows it again."""
    whole, _ = invented(LOSSES)
    list(whole.run())
    again, train = invented(LOSSES, results=whole.results)
    assert list(again.run()) == []
    assert train.made == []
    assert again.ended == "completed"


@pytest.mark.parametrize(("slow", "ended"), [(1.3, "completed"), (3.0, "time is up")])
def test_a_slow_machine_shortens_later_rungs(slow: float, ended: str) -> None:
    """They fit into the time; one whose runs would be shorter than those before is not begun."""
    search, train = invented(LOSSES, slow=slow)
    list(search.run())
    assert search.ended == ended
    assert len(train.made) == (15 if ended == "completed" else 8)
    assert sum(slow * seconds for _, seconds in train.made) <= 100
    planned = [result.planned for result in search.results]
    assert planned == sorted(planned)
    best = search.best()
    assert best is not None
    assert best.planned == max(planned)


def test_a_rung_counts_with_its_second_result() -> None:
    """The start alone is not the best of its rung, however long it was trained."""
    whole, _ = invented(LOSSES)
    list(whole.run())
    found = [invented(LOSSES, results=whole.results[:made])[0].best() for made in (1, 8, 9, 10)]
    assert [(best.rung, best.trial) for best in found if best] == [(0, 0), (0, 4), (0, 4), (1, 4)]


def test_the_time_is_up() -> None:
    """What was found stays; the run that was under way leaves nothing."""
    search, train = invented(LOSSES, slow=30.0)
    list(search.run())
    assert search.ended == "time is up"
    assert 0 < len(search.results) == len(train.made) < 8
    assert search.best() is not None


def test_more_time_is_used() -> None:
    """A search that ran out of time goes on when it gets more."""
    search, _ = invented(LOSSES, slow=30.0)
    list(search.run())
    longer = Plan(10_000.0, None, PLAN.sizes)
    rest, _ = invented(LOSSES, plan=longer, results=search.results)
    list(rest.run())
    assert rest.ended == "completed"
    assert len(rest.results) == 15


def test_an_interruption_where_no_longer_runs_fit() -> None:
    """It is one all the same: the command's exit status says so."""
    search, train = invented(LOSSES, slow=3.0)
    for event in search.run():
        search.stop_requested = isinstance(event, Result) and event.trial == 7
    assert search.ended == "interrupted"
    assert len(train.made) == 8


def test_an_interruption_keeps_what_is_done() -> None:
    """Asked to stop, the search ends with the run that is under way, which leaves no result."""
    search, train = invented(LOSSES)
    for event in search.run():
        if isinstance(event, Result) and event.trial == 2:
            search.stop_requested = True
    assert search.ended == "interrupted"
    assert [each.trial for each in search.results] == [0, 1, 2]
    assert len(train.made) == 3


def test_results_are_recorded_before_they_are_told() -> None:
    """What has been shown is safe."""
    kept: list[Result] = []
    search, _ = invented(LOSSES, record=kept.append)
    for event in search.run():
        if isinstance(event, Result):
            assert kept[-1] is event
    assert kept == search.results


def test_the_length_of_the_final_training() -> None:
    """Without a target it is the run's own; with one, as many updates as fit into its time."""
    search, _ = invented(LOSSES)
    list(search.run())
    best = search.best()
    assert best is not None
    assert search.final_steps(best) == best.outcome.steps
    longer, _ = invented(LOSSES, plan=Plan(100.0, 10 * best.planned, PLAN.sizes))
    assert longer.final_steps(best) == 10 * best.outcome.steps


def test_fewer_candidates_than_places() -> None:
    """A small space is searched with what it has."""
    search, train = invented(LOSSES)
    search.candidates = CANDIDATES[:3]
    list(search.run())
    assert rungs(train) == [[0, 1, 2], [0, 2, 1], [0, 2]]
