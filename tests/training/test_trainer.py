"""The training loop: events, states, evaluations, and that it learns."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import (
    WINDOWS,
    V,
    arrays_of,
    bytes_of,
    finish,
    naive_loss,
    of_kind,
    small_config,
    small_corpus,
    stop_after,
    substance,
    timeless,
)

from charnn.config import DEFAULT_STEPS, Config, SamplingConfig
from charnn.engines.shard import Shard, shared_shapes
from charnn.engines.shards import Shards
from charnn.engines.shards_memory import SharedArrays
from charnn.generation.sampling import sample
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.models.score import Score
from charnn.nn.clipping import global_norm
from charnn.nn.schedules import cosine, learning_rate
from charnn.text.batches import Batch, Streams
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST
from charnn.training.events import Evaluation, Event, Finished, RolledBack, Saved, Started, Step
from charnn.training.progress import SMOOTHING
from charnn.training.run_folder import RunFolder
from charnn.training.setup import prepared
from charnn.training.trainer import Trainer, total_updates

GOLDEN = {  # losses of the updates 5, 10, ... 50
    "rnn": "3.256280 2.994825 2.911084 2.897569 3.056513 "
    "2.718180 2.512305 2.519072 2.569564 2.630962",
    "lstm": "3.213476 3.107646 2.969155 2.961471 3.155761 "
    "2.829481 2.853091 2.766845 2.807076 2.803921",
    "gru": "3.284779 3.077991 2.978664 3.102743 3.197716 "
    "2.734403 2.806821 2.746031 2.778631 2.822764",
}


def make_trainer(folder: Path, *, write: bool = False, **changes: Any) -> Trainer:
    """Return a run that has not begun, with a folder of its own if it is to write."""
    config = small_config(**changes)
    corpus = small_corpus(folder, config)
    run_folder = None
    if write:
        run_folder = RunFolder(folder / "run")
        run_folder.create(config)
    return prepared(config, corpus, run_folder)


@pytest.fixture
def losses_spied(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what `LanguageModel.loss` is given and gives back in training."""
    calls: list[dict[str, Any]] = []
    original = LanguageModel.loss

    def loss(self: LanguageModel, batch: Batch, states: Any, **named: Any) -> Any:
        before = arrays_of(states)
        result = original(self, batch, states, **named)
        calls.append(
            {
                "inputs": batch.inputs.copy(),
                "targets": batch.targets.copy(),
                "before": before,
                "after": arrays_of(result[1]),
                "loss": result[0],
            }
        )
        return result

    monkeypatch.setattr(LanguageModel, "loss", loss)
    return calls


def test_events_come_in_order(tmp_path: Path) -> None:
    """Started, steps, at each evaluation best and last saved, at the end another, Finished."""
    trainer = make_trainer(tmp_path, write=True, steps=7, eval_every=3)
    events = finish(trainer)
    kinds = [type(event).__name__ for event in events]
    saves = [event.path.name for event in events if isinstance(event, Saved)]
    assert kinds[0] == "Started"
    assert kinds[-1] == "Finished"
    improved = [event.improved for event in of_kind(events, Evaluation)]
    expected = ["Started"]
    for steps, better in zip((3, 3, 1), improved, strict=True):
        expected += ["Step"] * steps + ["Evaluation"] + ["Saved"] * (1 + better)
    assert kinds == [*expected, "Finished"]
    assert saves == [name for better in improved for name in ([BEST] * better + [LAST])]
    assert improved[0]
    assert [event.update for event in of_kind(events, Step)] == list(range(1, 8))
    assert [event.update for event in of_kind(events, Evaluation)] == [3, 6, 7]
    assert [event.update for event in of_kind(events, Saved)][-1] == 7


def test_files_are_there_when_their_event_is(tmp_path: Path) -> None:
    """When `Saved` is told, the file can be loaded, and holds the run at that update."""
    trainer = make_trainer(tmp_path, write=True, steps=6, eval_every=2)
    saved = 0
    for event in trainer.run():
        if isinstance(event, Saved):
            loaded = load_checkpoint(event.path)
            assert loaded.progress.update == event.update == trainer.progress.update
            assert loaded.parameters.flat.tobytes() == trainer.model.parameters.flat.tobytes()
            saved += 1
    assert saved >= 4


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a folder leaves no file, and tells of none."""
    trainer = make_trainer(tmp_path)
    monkeypatch.chdir(tmp_path)
    events = finish(trainer)
    assert of_kind(events, Saved) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["tide.txt"]


def test_started_tells_the_sizes(tmp_path: Path) -> None:
    """Total, updates of an epoch and the shape of a batch are told first."""
    trainer = make_trainer(tmp_path)
    started = next(iter(trainer.run()))
    S = (len(trainer.corpus.train) - 1) // 3
    assert started == Started(0, 17, math.ceil(S / 10), 3, 10)


def test_steps_tell_what_was_done(tmp_path: Path, losses_spied: list[dict[str, Any]]) -> None:
    """Loss, smoothed loss, learning rate, epoch and symbols are those of the update."""
    trainer = make_trainer(tmp_path, steps=17)
    events = of_kind(finish(trainer), Step)
    config, windows = trainer.config.training, trainer.source.count
    assert windows == WINDOWS
    smoothed = 0.0
    for number, (event, call) in enumerate(zip(events, losses_spied, strict=True)):
        assert event.loss == call["loss"]
        weight = max(SMOOTHING, 1 / (number + 1))
        smoothed += weight * (event.loss - smoothed)
        assert event.smoothed_loss == pytest.approx(smoothed, rel=1e-12)
        assert event.learning_rate == learning_rate(cosine, config, number, 17, 0)
        assert event.epoch == pytest.approx((number + 1) / windows)
        assert event.symbols == call["inputs"].size
        assert event.gradient_norm > 0
    rest = trainer.source.length % 10 * 3
    assert [event.symbols for event in events[:WINDOWS]] == [30] * (WINDOWS - 1) + [rest]
    seconds = [event.seconds for event in events]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_the_smoothed_loss_begins_as_the_mean(tmp_path: Path) -> None:
    """Up to 50 updates the smoothed loss is the mean of all losses so far."""
    events = of_kind(finish(make_trainer(tmp_path)), Step)
    losses = [event.loss for event in events]
    assert events[-1].smoothed_loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_windows_follow_the_streams(tmp_path: Path, losses_spied: list[dict[str, Any]]) -> None:
    """Update u trains on window u of the epoch, and epochs begin again at the first."""
    trainer = make_trainer(tmp_path, steps=17)
    finish(trainer)
    streams = Streams(trainer.corpus.train, 3, 10)
    for number, call in enumerate(losses_spied):
        batch = streams.batch(number % streams.count)
        assert call["inputs"].tolist() == batch.inputs.tolist()
        assert call["targets"].tolist() == batch.targets.tolist()


def test_states_are_carried_and_reset_at_an_epochs_start(
    tmp_path: Path, losses_spied: list[dict[str, Any]], cell_options: dict[str, str]
) -> None:
    """A window starts from the states after the one before; an epoch's first from zeros."""
    trainer = make_trainer(tmp_path, steps=17, num_layers=2, **cell_options)
    finish(trainer)
    zeros = arrays_of(trainer.model.zero_states(3))
    for number, call in enumerate(losses_spied):
        if number % trainer.source.count == 0:
            assert call["before"] == zeros
        else:
            assert call["before"] == losses_spied[number - 1]["after"] != zeros
    carried = trainer.checkpoint().states
    assert list(bytes_of(carried).values()) == losses_spied[-1]["after"]


def test_some_streams_can_start_afresh(
    tmp_path: Path, losses_spied: list[dict[str, Any]], cell_options: dict[str, str]
) -> None:
    """With `state_reset`, a stream's states are carried into a window whole, or are zeros."""
    trainer = make_trainer(tmp_path, state_reset=0.4, batch_size=8, seq_length=4, **cell_options)
    finish(trainer)

    def rows(states: list[bytes]) -> Any:
        arrays = [np.frombuffer(state, np.float32).reshape(8, -1) for state in states]
        return np.concatenate(arrays, axis=1)

    afresh = []
    for before, call in pairwise(losses_spied):
        states, carried = rows(call["before"]), rows(before["after"])
        zero = (states == 0).all(axis=1)
        assert (zero | (states == carried).all(axis=1)).all()
        afresh += zero.tolist()
    assert 0.25 < np.mean(afresh) < 0.55


@pytest.mark.parametrize("val_fraction", [0.1, 0.45])
def test_an_evaluation_is_on_the_whole_validation_part(tmp_path: Path, val_fraction: float) -> None:
    """The validation loss is that of every symbol of the part, without dropout."""
    trainer = make_trainer(tmp_path, val_fraction=val_fraction)
    evaluations = 0
    for event in trainer.run():
        if isinstance(event, Evaluation):
            expected = naive_loss(trainer.model, trainer.corpus.val)
            assert event.val_loss == pytest.approx(expected, abs=1e-5)
            assert event.train_loss == trainer.progress.smoothed_loss
            assert event.epoch == pytest.approx(event.update / trainer.source.count)
            evaluations += 1
    assert evaluations == 4


def test_an_evaluation_changes_nothing(tmp_path: Path) -> None:
    """How often a run is evaluated has no influence on its updates."""
    seldom, often = make_trainer(tmp_path, eval_every=100), make_trainer(tmp_path, eval_every=1)
    first = of_kind(finish(seldom), Step)
    second = of_kind(finish(often), Step)
    assert timeless(first) == timeless(second)
    for part in ("parameters", "optimizer", "states"):
        assert substance(seldom)[part] == substance(often)[part]


def test_the_best_evaluation_is_kept(tmp_path: Path) -> None:
    """best.npz, `best` and the events agree on the lowest validation loss."""
    trainer = make_trainer(tmp_path, write=True, learning_rate=0.5, steps=20, eval_every=2)
    events = finish(trainer)
    evaluations = of_kind(events, Evaluation)
    best = min(evaluations, key=lambda event: event.val_loss)
    assert [event.improved for event in evaluations] != [True] * len(evaluations)
    running = math.inf
    for event in evaluations:
        assert event.improved == (event.val_loss < running)
        running = min(running, event.val_loss)
        assert event.best_loss == running
    saved = load_checkpoint(tmp_path / "run" / BEST)
    assert saved.progress.update == best.update == trainer.progress.best_update
    assert saved.progress.best_loss == best.val_loss
    assert saved.parameters.flat.tobytes() == trainer.best.parameters.flat.tobytes()
    assert naive_loss(saved.model, trainer.corpus.val) == pytest.approx(best.val_loss, abs=1e-5)
    finished = of_kind(events, Finished)[0]
    assert (finished.best_loss, finished.best_update) == (best.val_loss, best.update)
    history = [(e.update, e.train_loss, e.val_loss) for e in evaluations]
    assert trainer.progress.history == history


def test_without_a_validation_part_the_training_loss_decides(tmp_path: Path) -> None:
    """With nothing kept for validation there is no validation loss, and still a best."""
    trainer = make_trainer(tmp_path, write=True, val_fraction=0)
    events = finish(trainer)
    evaluations = of_kind(events, Evaluation)
    assert {event.val_loss for event in evaluations} == {None}
    assert trainer.progress.best_loss == min(event.train_loss for event in evaluations)
    assert (tmp_path / "run" / BEST).exists()


def test_the_test_part_is_scored_with_the_best_weights(tmp_path: Path) -> None:
    """The final test loss is the best evaluation's model's, not the last one's."""
    trainer = make_trainer(
        tmp_path, write=True, test_fraction=0.2, learning_rate=0.5, steps=20, eval_every=2
    )
    (finished,) = of_kind(finish(trainer), Finished)
    assert trainer.progress.best_update < 20
    best = load_checkpoint(tmp_path / "run" / BEST).model
    assert finished.test_loss == pytest.approx(naive_loss(best, trainer.corpus.test), abs=1e-5)
    assert finished.test_loss != pytest.approx(
        naive_loss(trainer.model, trainer.corpus.test), abs=1e-3
    )


def test_finished_tells_how_it_ended(tmp_path: Path) -> None:
    """A whole run is `completed`; without a test part there is no test loss."""
    trainer = make_trainer(tmp_path)
    (finished,) = of_kind(finish(trainer), Finished)
    assert (finished.update, finished.reason, finished.test_loss) == (17, "completed", None)
    assert finished.train_loss == trainer.progress.smoothed_loss
    assert finished.best_update in {5, 10, 15, 17}
    assert not trainer.interrupted


@pytest.mark.parametrize("update", [0, 1, 4, 5, 7, 16])
def test_a_run_that_is_asked_to_stop_saves_and_ends(tmp_path: Path, update: int) -> None:
    """After the update under way, last.npz is written and the run ends as `interrupted`."""
    trainer = make_trainer(tmp_path, write=True, test_fraction=0.1)
    events = stop_after(trainer, update)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.update, finished.reason) == (update, "interrupted")
    assert finished.test_loss is None
    assert trainer.interrupted
    assert len(of_kind(events, Step)) == update
    assert isinstance(events[-2], Saved)
    assert events[-2].path.name == LAST
    assert load_checkpoint(tmp_path / "run" / LAST).progress.update == update


def test_asking_to_stop_at_the_end_changes_nothing(tmp_path: Path) -> None:
    """A run that has made its last update is completed."""
    trainer = make_trainer(tmp_path, write=True)
    events = stop_after(trainer, 17)
    assert events[-1].reason == "completed"
    assert not trainer.interrupted


def between_evaluations(events: list[Event]) -> list[tuple[Evaluation, list[float]]]:
    """Return evaluations, each with the norms of the updates since the one before."""
    found: list[tuple[Evaluation, list[float]]] = []
    norms: list[float] = []
    for event in events:
        if isinstance(event, Step):
            norms.append(event.gradient_norm)
        elif isinstance(event, Evaluation):
            found.append((event, norms))
            norms = []
    return found


@pytest.mark.parametrize(
    "clip",
    [{"clip_norm": 0.3}, {"clip_norm": None}, {"clip_norm": 0.3, "clip_value": 0.1}],
    ids=str,
)
def test_evaluations_tell_the_gradients_since_the_last(
    tmp_path: Path, clip: dict[str, float | None]
) -> None:
    """Mean and largest norm before clipping, of how many updates, and how many were clipped."""
    found = between_evaluations(finish(make_trainer(tmp_path, **clip)))
    assert [event.counted for event, _ in found] == [5, 5, 5, 2]
    for event, norms in found:
        assert event.counted == len(norms)
        assert event.gradient_norm_mean == pytest.approx(sum(norms) / len(norms), rel=1e-12)
        assert event.gradient_norm_max == max(norms)
        above = sum(norm > 0.3 for norm in norms)
        expected = above if clip["clip_norm"] else 0
        assert event.clipped == (None if "clip_value" in clip else expected)
    counts = {event.clipped for event, _ in found}
    assert clip != {"clip_norm": 0.3} or counts - {0}


@pytest.mark.parametrize("clip", [{"clip_norm": 0.05}, {"clip_value": 0.001}, {}], ids=str)
def test_gradients_are_clipped_before_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: dict[str, float]
) -> None:
    """The optimiser sees a clipped gradient; the event tells the norm before clipping."""
    trainer = make_trainer(tmp_path, optimizer="sgd", **({"clip_norm": None} | clip))
    seen = []
    update = trainer.engine._own.optimizer.update

    def spy(p: Any, g: Any, lr: float, t: int) -> None:
        seen.append(g.copy())
        update(p, g, lr, t)

    monkeypatch.setattr(trainer.engine._own.optimizer, "update", spy)
    norms = [event.gradient_norm for event in of_kind(finish(trainer), Step)]
    assert min(norms) > 0.06
    for gradient, norm in zip(seen, norms, strict=True):
        if "clip_norm" in clip:
            assert global_norm(gradient) == pytest.approx(0.05, rel=1e-5)
        elif "clip_value" in clip:
            assert np.abs(gradient).max() == np.float32(0.001)
        else:
            assert global_norm(gradient) == norm


def test_the_first_loss_is_about_chance(tmp_path: Path) -> None:
    """An untrained model knows nothing: ln V nats per character, give or take little."""
    trainer = make_trainer(tmp_path, hidden_size=32)
    (first, *_) = of_kind(finish(trainer), Step)
    assert first.loss == pytest.approx(math.log(len(trainer.corpus.vocabulary)), rel=0.1)


def test_two_runs_are_equal_to_the_bit(tmp_path: Path) -> None:
    """The same text and configuration give the same events and the same bits."""
    first = make_trainer(tmp_path, num_layers=2)
    second = make_trainer(tmp_path, num_layers=2)
    assert timeless(finish(first)) == timeless(finish(second))
    assert substance(first) == substance(second)


def test_the_seed_decides(tmp_path: Path) -> None:
    """Another seed gives other weights, and another loss."""
    first, second = make_trainer(tmp_path, seed=1), make_trainer(tmp_path, seed=2)
    assert first.model.parameters.flat.tobytes() != second.model.parameters.flat.tobytes()
    assert timeless(finish(first)) != timeless(finish(second))


def test_nothing_depends_on_global_random_numbers(tmp_path: Path) -> None:
    """NumPy's global generator is neither used nor changed."""
    before = np.random.get_state()[1].tolist()
    first = make_trainer(tmp_path)
    finish(first)
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(99)
    second = make_trainer(tmp_path)
    finish(second)
    assert substance(first) == substance(second)


def test_dropout_differs_from_update_to_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each update draws from its own generator, seeded by seed, update and shard."""
    drawn = []
    original = LanguageModel.loss

    def loss(self: LanguageModel, *arguments: Any, random: Any, **named: Any) -> Any:
        drawn.append(random.bit_generator.state)
        return original(self, *arguments, random=random, **named)

    monkeypatch.setattr(LanguageModel, "loss", loss)
    finish(make_trainer(tmp_path, seed=5))
    generators = [np.random.default_rng((5, update, 0)) for update in range(17)]
    assert drawn == [generator.bit_generator.state for generator in generators]


def test_every_shard_draws_its_own_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed, update and shard decide a generator: no two of a run are the same."""
    config = small_config(shards=3)
    corpus = small_corpus(tmp_path, config)
    sizes = Sizes(V, V)
    arrays = SharedArrays(shared_shapes(config, sizes))
    drawn = []
    original = LanguageModel.loss

    def loss(self: LanguageModel, *arguments: Any, random: Any, **named: Any) -> Any:
        drawn.append(str(random.bit_generator.state))
        return original(self, *arguments, random=random, **named)

    monkeypatch.setattr(LanguageModel, "loss", loss)
    parts = {"train": corpus.train, "val": corpus.val, "test": corpus.test}
    shards = [Shard(config, sizes, parts, arrays, number) for number in range(3)]
    for update in range(5):
        for shard in shards:
            shard.compute(update)
    assert len(set(drawn)) == len(drawn) == 15


def test_early_stopping(tmp_path: Path) -> None:
    """After so many evaluations without improvement the run ends, and says why."""
    trainer = make_trainer(
        tmp_path, write=True, learning_rate=0.8, steps=200, eval_every=2, early_stopping=3
    )
    events = finish(trainer)
    evaluations = of_kind(events, Evaluation)
    (finished,) = of_kind(events, Finished)
    assert finished.reason == "early stopping"
    assert [event.improved for event in evaluations[-4:]] == [True, False, False, False]
    assert finished.update == evaluations[-1].update < 200
    assert load_checkpoint(tmp_path / "run" / LAST).progress.update == finished.update


def test_the_plateau_schedule_reduces_the_rate(tmp_path: Path) -> None:
    """After `lr_patience` evaluations without improvement the rate is cut, and again."""
    trainer = make_trainer(
        tmp_path,
        learning_rate=0.5,
        steps=60,
        eval_every=2,
        lr_schedule="plateau",
        lr_patience=2,
        lr_decay=0.5,
        lr_floor=0.01,
        warmup_steps=0,
    )
    events = finish(trainer)
    rate, stale, reductions = 0.5, 0, 0
    for event in events:
        if isinstance(event, Step):
            assert event.learning_rate == pytest.approx(rate)
        if isinstance(event, Evaluation):
            stale = 0 if event.improved else stale + 1
            if stale == 2:
                rate, stale, reductions = max(rate / 2, 0.005), 0, reductions + 1
            assert event.learning_rate == pytest.approx(rate)
    assert reductions >= 2
    assert trainer.progress.reductions == reductions


def test_the_average_of_the_weights_follows_its_formula(tmp_path: Path) -> None:
    """`a <- d a + (1 - d) p` after each update, where d grows to its value over the first ones."""
    trainer = make_trainer(tmp_path, ema_decay=0.5)
    weights = trainer.engine.model.parameters.flat
    expected = weights.astype(np.float64)
    for event in trainer.run():
        if isinstance(event, Step):
            decay = min(0.5, event.update / (event.update + 10))
            expected = decay * expected + (1 - decay) * weights
            assert trainer.checkpoint().average == pytest.approx(expected, abs=1e-6)
    assert np.abs(expected - weights).max() > 1e-3


def test_the_average_is_what_is_evaluated_and_kept(tmp_path: Path) -> None:
    """Validation, test and best.npz are the average's; last.npz goes on from the weights."""
    trainer = make_trainer(tmp_path, write=True, ema_decay=0.8, test_fraction=0.1, steps=15)
    for event in trainer.run():
        if isinstance(event, Evaluation):
            expected = naive_loss(trainer.model, trainer.corpus.val)
            assert event.val_loss == pytest.approx(expected, abs=1e-5)
            assert event.val_loss != pytest.approx(
                naive_loss(trainer.checkpoint().trained_model, trainer.corpus.val), abs=1e-5
            )
        if isinstance(event, Saved) and event.path.name == BEST:
            assert load_checkpoint(event.path).parameters.flat.tobytes() == (
                trainer.model.parameters.flat.tobytes()
            )
    assert isinstance(event, Finished)
    best = load_checkpoint(tmp_path / "run" / BEST)
    assert best.average is None
    assert event.test_loss == pytest.approx(naive_loss(best.model, trainer.corpus.test), abs=1e-5)
    last = load_checkpoint(tmp_path / "run" / LAST)
    weights = trainer.engine.model.parameters.flat
    assert last.parameters.flat.tobytes() == weights.tobytes()
    assert last.model.parameters.flat.tobytes() == trainer.model.parameters.flat.tobytes()
    assert last.trained_model.parameters is last.parameters


def test_averaging_changes_no_update(tmp_path: Path) -> None:
    """The average is only watched: the weights are those of a run without one."""
    plain, averaged = make_trainer(tmp_path), make_trainer(tmp_path, ema_decay=0.9)
    finish(plain)
    finish(averaged)
    assert substance(plain)["parameters"] == substance(averaged)["parameters"]
    weights = plain.engine.model.parameters.flat
    assert plain.model.parameters.flat.tobytes() == weights.tobytes()
    assert plain.progress.history != averaged.progress.history


def test_shards_learn_what_one_does(tmp_path: Path) -> None:
    """Without dropout, a batch in three parts makes the same updates, to rounding."""
    whole = make_trainer(tmp_path, dropout=0.0)
    parts = make_trainer(tmp_path, dropout=0.0, shards=3)
    losses = [event.loss for event in of_kind(finish(whole), Step)]
    assert [event.loss for event in of_kind(finish(parts), Step)] == pytest.approx(losses, abs=1e-4)


def scripted_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], **changes: Any
) -> tuple[Trainer, list[Evaluation]]:
    """Run with one evaluation an update, whose losses are given."""
    script = iter(losses)
    monkeypatch.setattr(Shards, "evaluate", lambda *_: Score(next(script), 1))
    trainer = make_trainer(
        folder,
        **{"eval_every": 1, "steps": len(losses), "learning_rate": 1, "warmup_steps": 0} | changes,
    )
    return trainer, of_kind(finish(trainer), Evaluation)


def test_improvements_and_reductions_begin_the_count_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two evaluations in a row that do not improve reduce the rate; an equal loss is none."""
    losses = [5.0, 5.0, 4.0, 4.5, 4.2, 4.1, 4.0, 3.0, 3.5, 3.5, 3.5]
    trainer, evaluations = scripted_run(
        tmp_path, monkeypatch, losses, lr_schedule="plateau", lr_patience=2, lr_decay=0.5
    )
    assert [event.improved for event in evaluations] == [
        loss < min(losses[:at], default=9) for at, loss in enumerate(losses)
    ]
    rates = [event.learning_rate for event in evaluations]
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]
    assert (trainer.progress.stale, trainer.progress.plateau) == (3, 1)
    assert trainer.progress.best_update == 8


def test_patience_begins_anew_at_an_improvement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends at the third evaluation in a row without improvement, not earlier."""
    losses = [5.0, 6.0, 6.0, 4.0, 5.0, 4.0, 3.9, 4.0, 4.0, 4.0, 1.0]
    trainer, evaluations = scripted_run(tmp_path, monkeypatch, losses, early_stopping=3)
    assert len(evaluations) == trainer.progress.update == 10
    assert (trainer.progress.best_loss, trainer.progress.best_update) == (3.9, 7)


def test_a_runs_length(tmp_path: Path) -> None:
    """Steps, or epochs times an epoch's windows, or the default; at least one update."""
    streams = Streams(np.arange(101), 2, 5)
    assert streams.count == 10
    lengths = {
        (7, None): 7,
        (None, 2.0): 20,
        (None, 0.25): 2,
        (None, 1e-9): 1,
        (None, None): DEFAULT_STEPS,
    }
    for (steps, epochs), expected in lengths.items():
        config = Config.from_values({"steps": steps, "epochs": epochs})
        assert total_updates(config, streams) == expected
    trainer = make_trainer(tmp_path, steps=None, epochs=1.5)
    assert len(of_kind(finish(trainer), Step)) == trainer.total == 1.5 * WINDOWS


def test_hello_is_learned(tmp_path: Path, cell_options: dict[str, str]) -> None:
    """A network of 16 units learns to spell a word: the loss is small and the sample right."""
    config = small_config(
        hidden_size=16,
        batch_size=1,
        seq_length=12,
        steps=150,
        eval_every=150,
        dropout=0.0,
        learning_rate=0.05,
        val_fraction=0,
        **cell_options,
    )
    trainer = prepared(config, small_corpus(tmp_path, config, "hello\n" * 12))
    last = of_kind(finish(trainer), Step)[-1]
    assert last.loss < 0.05
    options = SamplingConfig(prime="h", length=11, temperature=0)
    assert sample(trainer.model, trainer.corpus.vocabulary, options) == [b"ello\nhello\n"]


def golden_trainer(folder: Path, cell: str) -> Trainer:
    """Return a run from weights that do not depend on how models are initialized."""
    trainer = make_trainer(folder, cell=cell, steps=50, num_layers=2, dropout=0.2)
    flat = trainer.engine.model.parameters.flat
    flat[:] = np.random.default_rng(4).uniform(-0.5, 0.5, flat.size)
    return trainer


@pytest.mark.parametrize("cell", GOLDEN)
def test_the_loss_follows_the_golden_curve(tmp_path: Path, cell: str) -> None:
    """Ten losses of a fixed run are what they were when this test was written."""
    trainer = golden_trainer(tmp_path, cell)
    losses = [event.loss for event in of_kind(finish(trainer), Step)]
    expected = [float(loss) for loss in GOLDEN[cell].split()]
    assert losses[4::5] == pytest.approx(expected, abs=1e-4)


def test_a_run_that_goes_well_never_rolls_back(tmp_path: Path) -> None:
    """Nothing is undone where every loss is finite."""
    trainer = make_trainer(tmp_path)
    assert of_kind(finish(trainer), RolledBack) == []
    assert trainer.progress.rollbacks == 0


def test_training_can_be_watched_from_outside(tmp_path: Path) -> None:
    """The generator does one thing at a time: after n events, the run stands where they say."""
    trainer = make_trainer(tmp_path)
    run = trainer.run()
    for update in range(4):
        assert next(run).update == update == trainer.progress.update
    run.close()
    assert trainer.progress.update == 3
