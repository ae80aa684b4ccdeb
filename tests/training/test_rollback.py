"""Losses and gradients that are not finite: back to the last good state, or an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import (
    WINDOWS,
    content,
    finish,
    of_kind,
    small_config,
    stop_after,
    substance,
    write_corpus,
)

from charnn.errors import DivergenceError
from charnn.models.language_model import LanguageModel
from charnn.models.score import Score
from charnn.registry import OPTIMIZERS
from charnn.text.batches import Batch
from charnn.training import run_folder as run_folder_module
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.events import Evaluation, Event, Finished, RolledBack, Step
from charnn.training.setup import new_run, resume_run
from charnn.training.trainer import Trainer

Poison = Callable[[str, set[int]], list[Any]]


def begin(folder: Path, name: str = "run", **changes: Any) -> Trainer:
    """Return a new run in a folder of its own, at a constant learning rate of 0.02."""
    config = small_config(**{"lr_schedule": "constant", "warmup_steps": 0} | changes)
    return new_run([write_corpus(folder)], config, fixed=changes, out=folder / name).trainer


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Return a function that spoils the losses, or gradients, of some calls (from 0).

    It returns the list of inputs that training has read.
    """

    def spoil(kind: str, calls: set[int]) -> list[Any]:
        seen: list[Any] = []
        original = LanguageModel.loss
        what, value = kind.split()

        def loss(self: LanguageModel, batch: Batch, *arguments: Any, **named: Any) -> Any:
            spoilt = len(seen) in calls
            seen.append(batch.inputs.tolist())
            result, states, backward = original(self, batch, *arguments, **named)

            def spoilt_backward(gradients: Any) -> Any:
                initial = backward(gradients)
                gradients.arrays["b_y"][-1] = float(value)
                return initial

            if spoilt and what == "loss":
                result = float(value)
            if spoilt and what == "state":
                states = [tuple(state + np.float32(value) for state in layer) for layer in states]
                result = float("nan")
            return result, states, spoilt_backward if spoilt and what == "gradient" else backward

        monkeypatch.setattr(LanguageModel, "loss", loss)
        return seen

    return spoil


def assert_usable(folder: Path) -> None:
    """Check that the checkpoints in a run's folder can be loaded, and hold finite numbers."""
    for name in (LAST, BEST):
        if (folder / name).exists():
            loaded = load_checkpoint(folder / name)
            assert np.isfinite(loaded.parameters.flat).all()
            assert np.isfinite(loaded.progress.best_loss or 0.0)


@pytest.mark.parametrize(
    "kind",
    ["loss nan", "loss inf", "loss -inf", "gradient nan", "gradient inf", "state nan"],
)
def test_a_number_that_is_not_finite_undoes_updates(
    tmp_path: Path, poison: Poison, kind: str
) -> None:
    """The run returns to the last evaluation with half the learning rate, and comes to its end."""
    seen = poison(kind, {7})
    trainer = begin(tmp_path)
    events: list[Event] = []
    for event in trainer.run():
        events.append(event)
        if isinstance(event, RolledBack):
            last = load_checkpoint(tmp_path / "run" / LAST)
            assert trainer.model.parameters.flat.tobytes() == last.parameters.flat.tobytes()
            assert substance(trainer)["states"] == content(last)["states"]
            assert substance(trainer)["optimizer"] == content(last)["optimizer"]
            last.progress.rollbacks = 1
            assert trainer.progress == last.progress
    (back,) = of_kind(events, RolledBack)
    assert (back.failed_update, back.update, back.learning_rate_factor) == (7, 5, 0.5)
    assert "nan" in back.reason or "inf" in back.reason
    steps = of_kind(events, Step)
    assert [step.update for step in steps] == [*range(1, 8), *range(6, 18)]
    assert [step.learning_rate for step in steps] == [0.02] * 7 + [0.01] * 12
    assert seen[8:11] == seen[5:8]
    assert seen[8 + WINDOWS - 5] == seen[0]
    assert events[-1].reason == "completed"
    assert_usable(tmp_path / "run")


def test_the_average_returns_with_the_weights(tmp_path: Path, poison: Poison) -> None:
    """A moving average is part of the state that a run returns to, and stays finite."""
    poison("gradient nan", {7})
    trainer = begin(tmp_path, ema_decay=0.9)
    returns = 0
    for event in trainer.run():
        if isinstance(event, RolledBack):
            last = load_checkpoint(tmp_path / "run" / LAST)
            average = trainer.checkpoint().average
            assert average is not None
            assert last.average is not None
            assert average.tobytes() == last.average.tobytes()
            returns += 1
    assert returns == 1
    assert_usable(tmp_path / "run")


def test_before_the_first_evaluation_the_run_returns_to_its_beginning(
    tmp_path: Path, poison: Poison
) -> None:
    """The initial weights are the first good state."""
    poison("loss nan", {2})
    trainer = begin(tmp_path)
    initial = trainer.model.parameters.flat.tobytes()
    for event in trainer.run():
        if isinstance(event, RolledBack):
            assert (event.failed_update, event.update) == (2, 0)
            assert trainer.model.parameters.flat.tobytes() == initial
            assert trainer.progress.smoothed_loss is None
    assert trainer.progress.rollbacks == 1
    assert trainer.progress.update == 17


def test_the_very_first_loss_can_fail(tmp_path: Path, poison: Poison) -> None:
    """A run whose first loss is not finite starts again with half the rate."""
    poison("loss inf", {0})
    events = finish(begin(tmp_path))
    (back,) = of_kind(events, RolledBack)
    assert (back.failed_update, back.update) == (0, 0)
    assert {step.learning_rate for step in of_kind(events, Step)} == {0.01}


def test_each_return_halves_the_rate_once_more(tmp_path: Path, poison: Poison) -> None:
    """Three returns leave an eighth of the learning rate."""
    poison("gradient nan", {1, 4, 9})
    events = finish(begin(tmp_path))
    assert [back.learning_rate_factor for back in of_kind(events, RolledBack)] == [0.5, 0.25, 0.125]
    rates = [step.learning_rate for step in of_kind(events, Step)]
    assert rates[0] == 0.02
    assert rates[-1] == pytest.approx(0.02 / 8)
    assert events[-1].reason == "completed"


@pytest.mark.parametrize("max_rollbacks", [0, 1, 3])
def test_a_run_that_keeps_failing_ends_with_an_error(
    tmp_path: Path, poison: Poison, max_rollbacks: int
) -> None:
    """After `max_rollbacks` returns the error says where, and what to lower; files stay good."""
    poison("loss nan", set(range(7, 1_000)))
    trainer = begin(tmp_path, max_rollbacks=max_rollbacks)
    events: list[Event] = []
    with pytest.raises(DivergenceError) as caught:
        events.extend(trainer.run())
    message = str(caught.value)
    failed = 7 if max_rollbacks == 0 else 5
    assert message.startswith(f"training diverged at update {failed} (the loss is nan")
    assert f"after {max_rollbacks} returns to the last good state" in message
    assert message.endswith("lower --learning-rate (0.02) or --clip-norm.")
    assert caught.value.exit_code == 1
    assert load_checkpoint(tmp_path / "run" / LAST).progress.update == 5
    assert load_checkpoint(tmp_path / "run" / BEST).progress.update == 5
    assert_usable(tmp_path / "run")


def test_a_diverged_run_can_be_resumed_from_its_last_good_state(
    tmp_path: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a DivergenceError the folder holds a run like any other."""
    poison("loss nan", set(range(7, 1_000)))
    with pytest.raises(DivergenceError) as caught:
        finish(begin(tmp_path, max_rollbacks=0))
    assert "diverged" in str(caught.value)
    monkeypatch.undo()
    resumed = resume_run(tmp_path / "run").trainer
    assert resumed.progress.update == 5
    assert finish(resumed)[-1].reason == "completed"


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_undoes_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    """An evaluation that fails is not told, not saved and not taken for the best."""
    answers = iter([2.5, loss])
    trainer = begin(tmp_path)
    evaluate = trainer.engine.evaluate

    def spoilt(part: str) -> Score:
        return Score(next(answers), 1) if trainer.progress.rollbacks == 0 else evaluate(part)

    monkeypatch.setattr(trainer.engine, "evaluate", spoilt)
    events = finish(trainer)
    (back,) = of_kind(events, RolledBack)
    assert (back.failed_update, back.update) == (10, 5)
    assert [event.update for event in of_kind(events, Evaluation)] == [5, 10, 15, 17]
    assert all(np.isfinite(event.val_loss) for event in of_kind(events, Evaluation))
    assert_usable(tmp_path / "run")


@pytest.mark.parametrize("update", [6, 10])
@pytest.mark.parametrize("val_fraction", [0.0, 0.1])
def test_a_weight_that_is_not_finite_is_noticed(
    tmp_path: Path, update: int, val_fraction: float
) -> None:
    """Between evaluations the next loss shows it, and before an evaluation the weights do."""
    trainer = begin(tmp_path, val_fraction=val_fraction)
    events: list[Event] = []
    for event in trainer.run():
        events.append(event)
        if isinstance(event, Step) and event.update == update and not trainer.progress.rollbacks:
            trainer.engine.model.parameters.flat[:] = np.nan
    (back,) = of_kind(events, RolledBack)
    assert (back.failed_update, back.update) == (update, 5)
    assert np.isfinite(trainer.model.parameters.flat).all()
    assert_usable(tmp_path / "run")


def test_stopping_does_not_save_what_is_not_finite(tmp_path: Path) -> None:
    """Asked to stop just after an update that ruined the weights, the run keeps its good files."""
    trainer = begin(tmp_path)
    for event in trainer.run():
        if isinstance(event, Step) and event.update == 6 and not trainer.progress.rollbacks:
            trainer.engine.model.parameters.flat[:] = np.nan
            trainer.stop_requested = True
    assert_usable(tmp_path / "run")
    assert resume_run(tmp_path / "run").trainer.progress.update == 5


def test_metrics_forget_what_was_undone(
    tmp_path: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps after the good state are cut from metrics.jsonl, and the return is recorded."""
    monkeypatch.setattr(run_folder_module, "STEPS_BETWEEN_METRICS", 1)
    poison("loss nan", {5})
    trainer = begin(tmp_path, steps=6, eval_every=3)
    finish(trainer)
    lines = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [(line["event"], line["update"]) for line in lines] == [
        *[("step", 1), ("step", 2), ("step", 3), ("evaluation", 3)],
        ("rolledback", 3),
        *[("step", 4), ("step", 5), ("step", 6), ("evaluation", 6)],
    ]
    assert lines[4]["failed_update"] == 5
    assert [lines[3]["counted"], lines[-1]["counted"]] == [3, 3]  # none of the undone update
    assert lines[5]["learning_rate"] == lines[2]["learning_rate"] / 2


def test_returns_are_remembered_when_a_run_is_resumed(tmp_path: Path, poison: Poison) -> None:
    """A run that was halved and then stopped goes on with the halved rate, bit for bit."""
    poison("loss nan", {7})
    whole = begin(tmp_path, "whole")
    finish(whole)
    poison("loss nan", {7})
    stop_after(begin(tmp_path, "run"), 12)
    resumed = resume_run(tmp_path / "run").trainer
    assert resumed.progress.rollbacks == 1
    events = finish(resumed)
    assert {step.learning_rate for step in of_kind(events, Step)} == {0.01}
    assert substance(resumed) == substance(whole)


def test_a_resumed_run_returns_to_where_it_was_resumed(tmp_path: Path, poison: Poison) -> None:
    """The state of a checkpoint is a good state."""
    stop_after(begin(tmp_path, "run"), 7)
    poison("gradient inf", {2})
    (back,) = of_kind(finish(resume_run(tmp_path / "run").trainer), RolledBack)
    assert (back.failed_update, back.update) == (9, 7)


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"), [*((name, 1e38) for name in OPTIMIZERS), ("adam", 1e300)]
)
def test_an_absurd_learning_rate_ends_in_words(
    tmp_path: Path, optimizer: str, learning_rate: float
) -> None:
    """Whatever overflows, the run completes or diverges without a warning; files stay good."""
    trainer = begin(
        tmp_path,
        optimizer=optimizer,
        learning_rate=learning_rate,
        clip_norm=None,
        weight_decay=0.1,
        steps=12,
        eval_every=2,
    )
    try:
        reason = of_kind(finish(trainer), Finished)[0].reason
    except DivergenceError as error:
        reason = str(error)
        assert "lower --learning-rate" in reason
    assert reason == "completed" or "diverged" in reason
    assert_usable(tmp_path / "run")
