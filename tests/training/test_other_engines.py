"""The trainer with an engine that is none of charnn's: it needs the protocol and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from small_runs import content, finish, of_kind, small_config, small_corpus, stop_after

from charnn.arrays import Array, Arrays
from charnn.config import Config
from charnn.models.language_model import LanguageModel
from charnn.models.score import Score
from charnn.text.batches import Streams
from charnn.text.corpus import Corpus
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, expected_arrays
from charnn.training.events import Evaluation, Finished, RolledBack, Step
from charnn.training.run_folder import RunFolder
from charnn.training.trainer import Trainer


class Drift:
    """An engine that learns nothing: each update adds its rate to every number.

    It fails at the calls of `update` in `failing`, counted from 0, and says what it was asked.
    """

    def __init__(self, config: Config, corpus: Corpus, failing: set[int] = frozenset()) -> None:
        model = LanguageModel.initialized(config.model, len(corpus.vocabulary), 1)
        shapes = expected_arrays(config, model.sizes, resumable=True)
        self.arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        for name, array in model.parameters.items():
            self.arrays[f"parameters/{name}"][...] = array
        self.failing, self.calls = failing, 0
        self.updates: list[tuple[int, float]] = []
        self.evaluated: list[str] = []
        self.closed = 0

    def update(self, number: int, rate: float) -> tuple[float, float]:
        """Add the rate to all arrays, or fail."""
        self.calls += 1
        if self.calls - 1 in self.failing:
            return float("nan"), 1.0
        self.updates.append((number, rate))
        for array in self.arrays.values():
            array += np.float32(rate)
        return 3.0 / (number + 1), 0.5

    def evaluate(self, part: str) -> Score:
        """Return a loss that falls with every evaluation."""
        self.evaluated.append(part)
        return Score(10.0 / len(self.evaluated), 5)

    def export(self) -> dict[str, Array]:
        """Return all arrays."""
        return dict(self.arrays)

    def load(self, arrays: Arrays) -> None:
        """Take over the values of all arrays."""
        for name, array in self.arrays.items():
            array[...] = arrays[name]

    def not_finite(self) -> str | None:
        """Nothing is."""
        return None

    def weights(self) -> dict[str, Array]:
        """Return the parameters."""
        return {name: self.arrays[name] for name in self.arrays if name.startswith("parameters/")}

    def any(self, wish: str, flag: bool) -> bool:
        """There is no other participant."""
        return flag

    def notes(self) -> list[str]:
        """There is nothing to know."""
        return []

    def provenance(self) -> dict[str, str]:
        """Return the engine's name."""
        return {"engine": "drift"}

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


def trainer_of(folder: Path, failing: set[int] = frozenset(), **changes: Any) -> Trainer:
    """Return a run of such an engine."""
    config = small_config(**{"lr_schedule": "constant", "warmup_steps": 0} | changes)
    corpus = small_corpus(folder, config)
    source = Streams(corpus.train, 3, 10)
    run_folder = RunFolder(folder / "run")
    run_folder.create(config, force=True)
    return Trainer(config, corpus, source, Drift(config, corpus, failing), run_folder)


def test_a_run_comes_to_its_end(tmp_path: Path) -> None:
    """Every update, evaluation and save is made, and the engine is closed."""
    trainer = trainer_of(tmp_path)
    engine = trainer.engine
    events = finish(trainer)
    assert engine.updates == [(update, 0.02) for update in range(17)]
    assert engine.evaluated == ["val"] * 4
    assert [event.loss for event in of_kind(events, Step)] == [3 / n for n in range(1, 18)]
    assert [event.val_loss for event in of_kind(events, Evaluation)] == [
        10 / n / 5 for n in range(1, 5)
    ]
    assert of_kind(events, Finished)[0].reason == "completed"
    assert engine.closed == 1
    last, best = (load_checkpoint(tmp_path / "run" / name) for name in (LAST, BEST))
    assert content(last) == content(trainer.checkpoint())
    assert (best.parameters.flat == last.parameters.flat).all()
    assert (trainer.model.parameters.flat == last.parameters.flat).all()


def test_a_failed_update_takes_the_engine_back(tmp_path: Path) -> None:
    """The engine is given the arrays of the last good state, and a lower rate."""
    trainer = trainer_of(tmp_path, failing={7})
    engine = trainer.engine
    for event in trainer.run():
        if isinstance(event, RolledBack):
            last = load_checkpoint(tmp_path / "run" / LAST).named_arrays()
            for name, array in engine.export().items():
                assert (array == last[name]).all()
    assert [number for number, _ in engine.updates] == [*range(7), *range(5, 17)]
    assert [rate for _, rate in engine.updates] == [0.02] * 7 + [0.01] * 12


def test_a_run_is_resumed_in_another_engine(tmp_path: Path) -> None:
    """A checkpoint is loaded into whatever engine continues it."""
    first = trainer_of(tmp_path)
    stop_after(first, 6)
    first.folder.release()
    saved = load_checkpoint(tmp_path / "run" / LAST)
    config, corpus = first.config, first.corpus
    engine = Drift(config, corpus)
    second = Trainer(config, corpus, first.source, engine, resume_from=saved)
    for name, array in engine.export().items():
        assert (array == saved.named_arrays()[name]).all()
    finish(second)
    assert [number for number, _ in engine.updates] == list(range(6, 17))


def test_every_participant_stops_when_one_is_asked_to(tmp_path: Path) -> None:
    """It is the engine that says whether anybody in the run was asked to stop."""
    trainer = trainer_of(tmp_path)
    trainer.engine.any = lambda _, flag: flag or trainer.progress.update >= 3
    (finished,) = of_kind(finish(trainer), Finished)
    assert (finished.update, finished.reason) == (3, "interrupted")
    assert load_checkpoint(tmp_path / "run" / LAST).progress.update == 3


def test_the_engine_is_closed_however_the_run_ends(tmp_path: Path) -> None:
    """A run that is dropped, and one that fails, close their engine."""
    dropped = trainer_of(tmp_path)
    run = dropped.run()
    next(run)
    run.close()
    assert dropped.engine.closed == 1
