"""A resumed run is the uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import (
    TEXT,
    WINDOWS,
    content,
    finish,
    of_kind,
    small_config,
    stop_after,
    substance,
    timeless,
    write_corpus,
)

from charnn.errors import RunError
from charnn.training import run_folder as run_folder_module
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.events import Evaluation, Event, Finished, Saved, Started, Step
from charnn.training.run_folder import METRICS
from charnn.training.setup import new_run, resume_run
from charnn.training.trainer import Trainer

# Of 17 updates, 8 an epoch, evaluated every 5: before the first, between evaluations, at one, at
# an epoch's border and after it, and at the last border, one before the end.
STOPS = {0, 4, 5, WINDOWS, WINDOWS + 1, 2 * WINDOWS}
# What no checkpoint has: an evaluation after a resumption tells the gradients since then.
COUNTED_ANEW: dict[str, Any] = {
    "counted": 0,
    "gradient_norm_mean": None,
    "gradient_norm_max": None,
    "clipped": None,
}


@pytest.fixture(autouse=True)
def often_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record every second step in the metrics, so that they are compared as well."""
    monkeypatch.setattr(run_folder_module, "STEPS_BETWEEN_METRICS", 2)


def begin(folder: Path, name: str, **changes: Any) -> Trainer:
    """Return a new run in a folder of its own."""
    return new_run(
        [write_corpus(folder)], small_config(**changes), fixed=changes, out=folder / name
    ).trainer


def resume(folder: Path, name: str, **changes: Any) -> Trainer:
    """Return the rest of a run."""
    return resume_run(folder / name, changes=changes).trainer


def kill_when(trainer: Trainer, condition: Callable[[Event], bool]) -> None:
    """Run until an event, and then end without another line of the run's own code."""
    run = trainer.run()
    while not condition(next(run)):
        pass
    run.close()


def on_disk(folder: Path) -> dict[str, Any]:
    """Return all that a run left on disk, but for the time it took."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return {
        "last": content(load_checkpoint(folder / LAST), timed=False),
        "best": content(load_checkpoint(folder / BEST), timed=False),
        "metrics": [
            line | {"seconds": 0.0} | (COUNTED_ANEW if line["event"] == "evaluation" else {})
            for line in lines
        ],
        "config": (folder / "config.yaml").read_text(),
    }


def assert_equal(folder: Path, resumed: Trainer, whole: Trainer) -> None:
    """Compare a resumed run with the uninterrupted one, in memory and on disk."""
    assert resumed.folder is not None
    assert whole.folder is not None
    assert substance(resumed) == substance(whole)
    assert on_disk(resumed.folder.path) == on_disk(whole.folder.path)


def after(events: list[Event], update: int) -> list[Event]:
    """Return the steps and evaluations of later updates, without what is counted anew."""
    return [
        replace(event, **COUNTED_ANEW) if isinstance(event, Evaluation) else event
        for event in timeless(events)
        if isinstance(event, (Step, Evaluation)) and event.update > update
    ]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Stopped after any update: same bits, events, files and metrics."""
    whole = begin(tmp_path, "whole")
    events = finish(whole)
    assert whole.source.count == WINDOWS
    for stop in sorted(STOPS):
        stop_after(begin(tmp_path, f"run{stop}"), stop)
        resumed = resume(tmp_path, f"run{stop}")
        resumed_events = finish(resumed)
        assert resumed_events[0] == Started(stop, 17, WINDOWS, 3, 10)
        assert after(resumed_events, 0) == after(events, stop)
        assert timeless(resumed_events)[-1] == timeless(events)[-1]
        assert_equal(tmp_path, resumed, whole)


def test_every_cell_is_resumed(tmp_path: Path, cell_options: dict[str, str]) -> None:
    """All cells and forms, with two layers, go on from the states in the middle of an epoch."""
    options = {**cell_options, "num_layers": 2}
    whole = begin(tmp_path, "whole", **options)
    finish(whole)
    stop_after(begin(tmp_path, "run", **options), 7)
    resumed = resume(tmp_path, "run")
    assert any(np.any(state) for state in resumed.checkpoint().states.values())
    finish(resumed)
    assert_equal(tmp_path, resumed, whole)


def test_a_run_that_was_killed_goes_on_from_its_last_save(tmp_path: Path) -> None:
    """Killed between saves, or between the two files of a save, nothing shows afterwards."""
    whole = begin(tmp_path, "whole")
    finish(whole)
    moments: dict[str, Callable[[Event], bool]] = {
        "after a step": lambda event: isinstance(event, Step) and event.update == 8,
        "before a save": lambda event: isinstance(event, Evaluation) and event.update == 10,
        "within a save": lambda event: isinstance(event, Saved) and event.update == 10,
        "near the end": lambda event: isinstance(event, Step) and event.update == 17,
    }
    for name, moment in moments.items():
        kill_when(begin(tmp_path, name), moment)
        resumed = resume(tmp_path, name)
        assert resumed.progress.update in {5, 10, 15}
        finish(resumed)
        assert_equal(tmp_path, resumed, whole)


def test_the_kill_within_a_save_is_one(tmp_path: Path) -> None:
    """The best of an evaluation is written before the last (a test of the tests above)."""
    trainer = begin(tmp_path, "run")
    kill_when(trainer, lambda event: isinstance(event, Saved) and event.update == 10)
    assert load_checkpoint(tmp_path / "run" / BEST).progress.update == 10
    assert load_checkpoint(tmp_path / "run" / LAST).progress.update == 5


def test_a_run_can_be_resumed_again_and_again(tmp_path: Path) -> None:
    """Stopped after every other update, a run comes to the same end."""
    whole = begin(tmp_path, "whole", num_layers=2)
    finish(whole)
    stop_after(begin(tmp_path, "run", num_layers=2), 2)
    for stop in range(4, 17, 2):
        stop_after(resume(tmp_path, "run"), stop)
    resumed = resume(tmp_path, "run")
    finish(resumed)
    assert_equal(tmp_path, resumed, whole)


def test_an_old_checkpoint_can_be_gone_back_to(tmp_path: Path) -> None:
    """With an earlier last.npz put back, the run makes the same updates once more."""
    whole = begin(tmp_path, "run")
    for event in whole.run():
        if isinstance(event, Saved) and event.path.name == LAST and event.update == 5:
            shutil.copy(event.path, tmp_path / "early.npz")
    expected = on_disk(tmp_path / "run")
    shutil.copy(tmp_path / "early.npz", tmp_path / "run" / LAST)
    resumed = resume(tmp_path, "run")
    assert resumed.progress.update == 5
    finish(resumed)
    assert substance(resumed) == substance(whole)
    assert on_disk(tmp_path / "run") == expected


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad"])
def test_every_optimizer_is_resumed(tmp_path: Path, optimizer: str) -> None:
    """Each optimiser's memory is saved and goes on where it was."""
    options = {"optimizer": optimizer, "weight_decay": 0.01, "clip_value": 0.1}
    whole = begin(tmp_path, "whole", **options)
    finish(whole)
    stop_after(begin(tmp_path, "run", **options), 7)
    resumed = resume(tmp_path, "run")
    finish(resumed)
    assert_equal(tmp_path, resumed, whole)


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": "bytes", "embedding_size": 4, "val_fraction": 0, "seed": 2**63 - 1},
        {"min_count": 3, "test_fraction": 0.1, "lr_schedule": "step", "lr_decay_every": 4},
        {"steps": None, "epochs": 2.2, "lr_schedule": "constant", "clip_norm": None},
        {"ema_decay": 0.9, "state_reset": 0.3},
        {"shards": 2},
    ],
    ids=str,
)
def test_other_options_are_resumed(tmp_path: Path, options: dict[str, Any]) -> None:
    """Bytes, unknown symbols, parts, lengths, schedules, averages and shards survive a stop."""
    whole = begin(tmp_path, "whole", **options)
    finish(whole)
    stop_after(begin(tmp_path, "run", **options), 7)
    resumed = resume(tmp_path, "run")
    finish(resumed)
    assert_equal(tmp_path, resumed, whole)
    assert {name: resumed.config.values()[name] for name in options} == options


PATIENT = {
    "learning_rate": 0.5,
    "steps": 80,
    "eval_every": 2,
    "lr_schedule": "plateau",
    "lr_patience": 2,
    "early_stopping": 7,
    "warmup_steps": 0,
}


def test_reductions_and_patience_are_resumed(tmp_path: Path) -> None:
    """The plateau schedule and early stopping count on where they were."""
    whole = begin(tmp_path, "whole", **PATIENT)
    (finished,) = of_kind(finish(whole), Finished)
    assert finished.reason == "early stopping"
    assert whole.progress.reductions >= 2
    for stop in range(3, finished.update, 6):
        stop_after(begin(tmp_path, f"run{stop}", **PATIENT), stop)
        resumed = resume(tmp_path, f"run{stop}")
        (again,) = of_kind(timeless(finish(resumed)), Finished)
        assert again == timeless([finished])[0]
        assert_equal(tmp_path, resumed, whole)


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    """Its patience used up, a run makes no further update when it is resumed."""
    whole = begin(tmp_path, "run", **PATIENT)
    (finished,) = of_kind(finish(whole), Finished)
    assert finished.reason == "early stopping"
    assert steps_of_resumed(tmp_path / "run") == []


def test_a_run_killed_after_its_last_save_stays_stopped(tmp_path: Path) -> None:
    """Killed when its patience was used up and saved, a run does not outlive it either."""
    whole = begin(tmp_path, "whole", **PATIENT)
    (finished,) = of_kind(finish(whole), Finished)
    kill_when(
        begin(tmp_path, "run", **PATIENT),
        lambda event: (
            isinstance(event, Saved) and event.path.name == LAST and event.update == finished.update
        ),
    )
    assert steps_of_resumed(tmp_path / "run") == []


def steps_of_resumed(folder: Path) -> list[Step]:
    """Return the updates that a resumed run makes; none if it refuses to be resumed."""
    try:
        return of_kind(finish(resume_run(folder).trainer), Step)
    except RunError:
        return []


def test_raising_steps_goes_on(tmp_path: Path) -> None:
    """At a constant rate, 10 updates and 10 more are 20, bit for bit."""
    options = {"lr_schedule": "constant", "eval_every": 5}
    whole = begin(tmp_path, "whole", steps=20, **options)
    finish(whole)
    finish(begin(tmp_path, "run", steps=10, **options))
    resumed = resume(tmp_path, "run", steps=20)
    assert resumed.config.training.steps == 20
    finish(resumed)
    assert_equal(tmp_path, resumed, whole)


def test_raising_epochs_goes_on(tmp_path: Path) -> None:
    """A run measured in steps can be given epochs instead."""
    finish(begin(tmp_path, "run"))
    resumed = resume(tmp_path, "run", epochs=3)
    assert resumed.total == 3 * WINDOWS
    assert resumed.config.training.steps is None
    assert len(of_kind(finish(resumed), Step)) == 3 * WINDOWS - 17
    assert load_checkpoint(tmp_path / "run" / LAST).config.training.epochs == 3


@pytest.mark.parametrize("changes", [{}, {"steps": 17}, {"steps": 5}, {"epochs": 1}], ids=str)
def test_a_finished_run_says_how_to_go_on(tmp_path: Path, changes: dict[str, Any]) -> None:
    """With all its updates made, a run asks for more; its files stay as they are."""
    finish(begin(tmp_path, "run"))
    before = on_disk(tmp_path / "run")
    with pytest.raises(RunError) as caught:
        resume(tmp_path, "run", **changes)
    total = changes.get("steps") or (WINDOWS if "epochs" in changes else 17)
    assert str(caught.value) == (
        f"the run has made all its {total} updates; raise --steps or --epochs to train it further."
    )
    assert on_disk(tmp_path / "run") == before


def test_a_changed_text_is_not_resumed(tmp_path: Path) -> None:
    """Another text under the same name is refused, and the run left as it is."""
    stop_after(begin(tmp_path, "run"), 3)
    before = {entry.name: entry.read_bytes() for entry in (tmp_path / "run").iterdir()}
    write_corpus(tmp_path, TEXT.replace("tide", "tied"))
    with pytest.raises(RunError) as caught:
        resume(tmp_path, "run")
    assert str(caught.value) == (
        f"the corpus is not the one that the run was trained on ({tmp_path / 'tide.txt'}); "
        "give that text."
    )
    assert {entry.name: entry.read_bytes() for entry in (tmp_path / "run").iterdir()} == before


def test_a_text_that_moved_can_be_given(tmp_path: Path) -> None:
    """The same text under another name, or packed differently, is the same text."""
    whole = begin(tmp_path, "whole")
    finish(whole)
    stop_after(begin(tmp_path, "run"), 6)
    halves = [tmp_path / "one.txt", tmp_path / "two.txt"]
    halves[0].write_text(TEXT[:100])
    halves[1].write_text(TEXT[100:])
    (tmp_path / "tide.txt").unlink()
    resumed = resume_run(tmp_path / "run", [str(half) for half in halves]).trainer
    finish(resumed)
    assert substance(resumed) == substance(whole)
    assert load_checkpoint(tmp_path / "run" / LAST).corpus.files == [str(half) for half in halves]


def test_the_time_of_all_parts_is_added_up(tmp_path: Path) -> None:
    """A resumed run's seconds go on from those before."""
    stop_after(begin(tmp_path, "run"), 6)
    before = load_checkpoint(tmp_path / "run" / LAST).progress.seconds
    resumed = resume(tmp_path, "run")
    assert resumed.progress.seconds == before > 0
    assert of_kind(finish(resumed), Finished)[0].seconds > before
