"""A run that fits a time: its number of updates, who decides it, and what is left of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_runs import finish, small_config, small_corpus, stop_after, substance, write_corpus
from team_of_threads import Member, on_ranks

from charnn.config import Config
from charnn.config.tasks import TASKS
from charnn.errors import ConfigError
from charnn.tasks.registry import task_of
from charnn.training import timed_run
from charnn.training.run_folder import RunFolder
from charnn.training.setup import Run, new_run, resume_run
from charnn.training.timed_run import BOTH_ENDS, Cost, brief, cost_of, fitted_to_time

FIVE = Cost(update=0.004, evaluation=0.5, save=0.25, start=1.0, end=2.0)


def timed_config(time: str = "1m", **changes: Any) -> Config:
    """Return the configuration of a small run that has a time."""
    return small_config(steps=None, time=time, **changes)


@pytest.fixture
def fixed_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure nothing: an update takes 1 s, and nothing else takes any time."""
    monkeypatch.setattr(timed_run, "cost_of", lambda *_, **__: Cost(1.0))
    monkeypatch.setattr(timed_run, "SHARE", 1.0)


def test_a_run_costs_all_of_its_parts() -> None:
    """The start, 1,001 updates, 3 evaluations with their saves, and the end."""
    assert FIVE.total(1_001, 500) == pytest.approx(1 + 1_001 * 0.004 + 3 * 0.75 + 2)


def test_saves_between_evaluations() -> None:
    """Updates of 10 s are saved every 30 s where evaluations come after 1,000 s."""
    slow = Cost(10.0, save=1.0, save_every=30.0)
    assert slow.total(100, 100) == pytest.approx(1_000 + 1 + 1_000 / 30)
    assert slow.total(100, 2) == pytest.approx(1_000 + 50)


def test_a_curriculum_begins_with_shorter_updates() -> None:
    """100 updates of 1 s, and then of 3 s."""
    growing = Cost(3.0, early=1.0, growth=100)
    assert growing.total(60, 1_000) == 60
    assert growing.total(110, 1_000) == 130
    assert growing.updates(131.0, 1_000) == 110


@pytest.mark.parametrize("eval_every", [1, 3, 500, 10**9])
@pytest.mark.parametrize("seconds", [3.754, 3.76, 5.0, 77.7, 10_000.0])
def test_one_update_more_would_be_too_many(seconds: float, eval_every: int) -> None:
    """What fits, fits, and is the most that does."""
    updates = FIVE.updates(seconds, eval_every)
    assert updates == 0 or FIVE.total(updates, eval_every) <= seconds
    assert FIVE.total(updates + 1, eval_every) > seconds
    assert FIVE.updates(3.7, eval_every) == 0


@pytest.mark.usefixtures("fixed_cost")
def test_the_rest_of_the_time_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of which 12 s have gone by has room for 47 updates; steps stand for the time."""
    monkeypatch.setattr("charnn.training.timed_run.time.perf_counter", lambda: 112.0)
    config = timed_config()
    corpus = small_corpus(tmp_path, config)
    fitted, notes = fitted_to_time(config, corpus, began=100.0)
    assert fitted == small_config(steps=int(60 - 12 - BOTH_ENDS))
    assert notes == ["steps is 47, from --time 1m: 1.0 s an update."]
    assert fitted_to_time(fitted, corpus, began=0.0) == (fitted, [])
    with pytest.raises(ConfigError, match=r"time is '1m', but the start .* take about 64 s; give"):
        fitted_to_time(config, corpus, began=112.0 - 62)


@pytest.mark.usefixtures("fixed_cost")
def test_a_resumed_run_is_exact(tmp_path: Path) -> None:
    """A run of a time that is stopped and resumed is, bit for bit, one of as many steps."""
    text = [write_corpus(tmp_path)]
    changes = {"time": "20s"}
    timed = new_run(text, timed_config(**changes), out=tmp_path / "timed", fixed=changes)
    steps = timed.trainer.total
    assert 15 < steps < 20
    stop_after(timed.trainer, 7)
    rest = resume_run(tmp_path / "timed")
    assert rest.trainer.config == timed.trainer.config == small_config(steps=steps)
    finish(rest.trainer)
    whole = new_run(text, small_config(steps=steps), write=False)
    finish(whole.trainer)
    assert substance(rest.trainer) == substance(whole.trainer)


@pytest.mark.usefixtures("fixed_cost")
def test_what_a_resumed_run_refuses(tmp_path: Path) -> None:
    """Its number of updates is fixed; other steps are asked for as such."""
    run = new_run([write_corpus(tmp_path)], timed_config("9s"), out=tmp_path / "run")
    finish(run.trainer)
    with pytest.raises(ConfigError, match="time is '3m', but the number of updates of the run"):
        resume_run(tmp_path / "run", changes={"time": "3m"})
    more = resume_run(tmp_path / "run", changes={"steps": 30, "time": None})
    assert more.trainer.total == 30
    more.trainer.saver.release()


def test_rank_0_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranks measure together, and have one number where each has its own clock."""
    text = [write_corpus(tmp_path)]
    config = timed_config(val_fraction=0.1, test_fraction=0.1, batch_size=2)
    measured: list[float] = []

    def other(*arguments: Any, team: Member, **more: Any) -> Cost:
        cost = cost_of(*arguments, team=team, **more)
        measured.append(cost.update)
        return Cost(1.0 + team.rank)

    monkeypatch.setattr(timed_run, "cost_of", other)
    runs, _ = on_ranks(lambda team: new_run(text, config, write=False, team=team))
    totals = {run.trainer.total for run in runs}
    assert len(measured) == 3
    assert len(totals) == 1
    assert 40 < totals.pop() <= 60
    errors, _ = on_ranks(
        lambda team: new_run(text, config.replace(time="0.1s"), write=False, team=team)
    )
    assert len({str(error) for error in errors}) == 1
    assert "give more time" in str(errors[0])


@pytest.mark.usefixtures("fixed_cost")
def test_a_launch_that_is_restarted_goes_on(tmp_path: Path) -> None:
    """The same command, with its time, goes on with the steps that were fixed."""
    text = [write_corpus(tmp_path)]
    config = timed_config("20s")

    def begin(team: Member) -> Run:
        return new_run(text, config, out=tmp_path / "run", fixed=("time",), team=team)

    (run,), _ = on_ranks(begin, 1, "id tide", machines=(0,))
    stop_after(run.trainer, 6)
    (again,), _ = on_ranks(begin, 1, "id tide", machines=(0,))
    assert again.trainer.progress.update == 6
    assert again.trainer.config == run.trainer.config
    RunFolder(tmp_path / "run").release()


FILES = {
    "lm": "the tide comes in, the tide goes out.\n" * 20,
    "classify": "tide\tsea\nlamp\tland\nwaves\tsea\nhill\tland\n" * 5,
    "generate": "tide\tsea\nlamp\tland\nwaves\tsea\nhill\tland\n" * 5,
    "tag": "tide\tabab\nlamp\tbaab\nsea\taab\n" * 7,
    "transduce": "tide\ttides\nlamp\tlamps\nsea\tseas\n" * 7,
}


@pytest.mark.parametrize("growth", [None, 6])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_measured(
    task: str, growth: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parts of a run take some time, with and without a curriculum; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "data.tsv"
    path.write_text(FILES[task], encoding="utf-8")
    values = {"task": task, "hidden_size": 6, "batch_size": 3, "shards": 1, "time": "1m"}
    values |= {"curriculum": growth, "test_fraction": 0.2, "val_fraction": 0.2}
    values |= {"seq_length": 10} if task == "lm" else {}
    config = Config.from_values(values)
    cost = cost_of(config, task_of(config).read([str(path)], config), 0.0)
    for part in (cost.update, cost.evaluation, cost.save, cost.start, cost.end):
        assert 0 < part < 10
    assert (cost.early > 0) == (growth is not None)
    assert cost.growth == (growth or 0)
    assert list(tmp_path.iterdir()) == [path]


def test_short_times_in_words() -> None:
    """At least two digits, in milliseconds or seconds."""
    assert [brief(each) for each in (0.00412, 0.254, 3.14)] == ["4.1 ms", "254 ms", "3.1 s"]
