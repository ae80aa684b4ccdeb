"""Saving between evaluations: when it is due, and that it changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_runs import content, finish, of_kind, small_config, small_corpus, substance, timeless

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.training import saving
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.events import Evaluation, Event, RolledBack, Saved, Step
from charnn.training.run_folder import RunFolder
from charnn.training.saving import Saver
from charnn.training.setup import prepared, resume_run
from charnn.training.trainer import Trainer


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that saving looks at."""
    clock = Clock()
    monkeypatch.setattr(saving, "time", clock)
    return clock


def begin(folder: Path, name: str = "run", **changes: Any) -> Trainer:
    """Return a run with one evaluation in its middle, in a folder of its own."""
    config = small_config(**{"eval_every": 9} | changes)
    run_folder = RunFolder(folder / name)
    run_folder.create(config)
    return prepared(config, small_corpus(folder, config), run_folder)


def ticking(trainer: Trainer, clock: Clock) -> Iterator[Event]:
    """Run, ten seconds an update."""
    for event in trainer.run():
        yield event
        if isinstance(event, Step):
            clock.now += 10


def test_a_run_saves_when_the_last_save_is_long_ago(tmp_path: Path, clock: Clock) -> None:
    """At ten seconds an update and 30 between saves, every third update is saved, and the last.

    The saves at evaluations, here of updates 9 and 17, count as well.
    """
    trainer = begin(tmp_path, save_every=30)
    saved = []
    for event in ticking(trainer, clock):
        if isinstance(event, Saved) and event.path.name == LAST:
            assert load_checkpoint(event.path).progress.update == event.update
            saved.append(event.update)
    assert saved == [3, 6, 9, 12, 15, 17]


def test_between_evaluations_only_the_last_state_is_saved(tmp_path: Path, clock: Clock) -> None:
    """The best is what an evaluation found: best.npz is written after evaluations only."""
    trainer = begin(tmp_path, save_every=10)
    events = list(ticking(trainer, clock))
    evaluated = [event.update for event in of_kind(events, Evaluation)]
    best = [event.update for event in of_kind(events, Saved) if event.path.name == BEST]
    assert evaluated == [9, 17]
    assert set(best) <= set(evaluated)
    for before, event in pairwise(events):
        if isinstance(event, Saved) and event.update not in evaluated:
            assert isinstance(before, Step)


def test_saving_changes_no_bit(tmp_path: Path, clock: Clock) -> None:
    """A run that saves after every update ends as one that saves at its evaluations only."""
    often, seldom = begin(tmp_path, "often", save_every=1), begin(tmp_path, "seldom")
    first, second = list(ticking(often, clock)), finish(seldom)
    assert len(of_kind(first, Saved)) > len(of_kind(second, Saved)) + 10
    kinds = (Step, Evaluation)
    assert timeless(of_kind(first, *kinds)) == timeless(of_kind(second, *kinds))
    assert substance(often) == substance(seldom)
    for name in (LAST, BEST):
        one, other = (
            content(load_checkpoint(tmp_path / run / name), timed=False)
            for run in ("often", "seldom")
        )
        assert {**one, "config": None} == {**other, "config": None}


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.8, "state_reset": 0.3}], ids=str)
def test_a_run_goes_on_from_between_evaluations(
    tmp_path: Path, clock: Clock, options: dict[str, Any]
) -> None:
    """Resumed from such a save, a run that ended there ends as one that did not, to the bit."""
    whole = begin(tmp_path, "whole", save_every=30, **options)
    for event in ticking(whole, clock):
        if isinstance(event, Saved) and event.update == 12:
            shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    resumed = resume_run(tmp_path / "parts").trainer
    assert resumed.progress.update == 12
    assert [row[0] for row in resumed.progress.history] == [9]
    finish(resumed)
    assert substance(resumed) == substance(whole)


def test_what_is_not_finite_is_not_saved(tmp_path: Path, clock: Clock) -> None:
    """Before such a save the state is checked, too: the run goes back instead of saving it."""
    trainer = begin(tmp_path, save_every=30)
    for event in ticking(trainer, clock):
        if isinstance(event, Step) and event.update == 11 and not trainer.progress.rollbacks:
            trainer.engine.export()["optimizer/m"][0] = float("nan")
            clock.now += 100
        if isinstance(event, Saved):
            load_checkpoint(event.path)
        if isinstance(event, RolledBack):
            assert (event.failed_update, event.update) == (11, 9)
    assert trainer.progress.rollbacks == 1


def test_without_a_folder_nothing_is_due(clock: Clock) -> None:
    """A run that writes nothing never stops to save."""
    saver = Saver(None, save_every=30)
    clock.now += 1_000
    assert not saver.due


@pytest.mark.parametrize(("seconds", "due"), [(29.9, False), (30, True), (1_000, True)])
def test_a_save_is_due_after_its_time(
    tmp_path: Path, clock: Clock, seconds: float, due: bool
) -> None:
    """Counted from the beginning, or from the last save."""
    saver = Saver(RunFolder(tmp_path / "run"), save_every=30)
    clock.now += seconds
    assert saver.due is due


@pytest.mark.parametrize("value", [0, 0.9, -1, 3_601, float("inf"), None])
def test_the_time_between_saves_has_bounds(value: float | None) -> None:
    """Between a second and an hour; two minutes by default."""
    with pytest.raises(ConfigError, match="save_every"):
        Config.from_values({"save_every": value})
    assert Config().training.save_every == 120
