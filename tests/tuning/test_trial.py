"""Real runs of a search: the same as `charnn train` makes, and what becomes of bad ones."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.tasks.registry import task_of
from charnn.text.corpus import Corpus, read_corpus
from charnn.training.events import Evaluation
from charnn.training.setup import new_run
from charnn.training.time_budget import Pace
from charnn.tuning.space import SEARCHED
from charnn.tuning.trial import Laboratory, beginning, clock_of, measured, timed

PLAY = Path(__file__).parents[2] / "data" / "the-tide-clock.txt"
TINY = Config.from_values(
    {
        "hidden_size": 6,
        "batch_size": 3,
        "seq_length": 10,
        "shards": 1,
        "warmup_steps": 2,
        "test_fraction": 0.1,
        "eval_every": 10,
    }
)


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return the beginning of the play as a corpus."""
    path = tmp_path_factory.mktemp("play") / "play.txt"
    path.write_text(PLAY.read_text(encoding="utf-8")[:3_000], encoding="utf-8")
    return read_corpus([str(path)], TINY.data)


@pytest.fixture
def laboratory(play: Corpus, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """Return a laboratory whose every update takes a millisecond, and which never tests."""
    task = type(task_of(TINY))
    evaluate = task.evaluate

    def untested(self, model, arrays, part, *share):
        assert part == "val"
        return evaluate(self, model, arrays, part, *share)

    monkeypatch.setattr(task, "evaluate", untested)
    monkeypatch.setattr("charnn.tuning.trial.timed", lambda *_, **__: (Pace(0.001), 1.0))
    return Laboratory(play, TINY, Pace(0.001))


def never() -> bool:
    """Say that there is time left."""
    return False


def test_a_trial_is_a_run(laboratory: Laboratory, play: Corpus) -> None:
    """Its losses are those, bit for bit, of a run of `charnn train` with its options."""
    outcome = laboratory.train({"learning_rate": 0.03, "hidden_size": 8}, 0.04, never)
    assert outcome is not None
    assert outcome.steps == 37  # 93 % of the time
    config = TINY.replace(learning_rate=0.03, hidden_size=8, steps=37, test_fraction=0.0)
    corpus = play.cut(TINY.data)
    run = new_run(corpus, config.replace(test_fraction=0.1), fixed=SEARCHED, write=False)
    for event in run:
        if isinstance(event, Evaluation) and event.update == 37:
            break
    assert outcome.train_loss == run.trainer.progress.smoothed_loss
    assert outcome.loss == run.trainer.progress.best_loss
    assert outcome.best_update == run.trainer.progress.best_update > 0
    assert outcome.parameters == run.trainer.best.parameters.flat.size
    assert outcome.failure is None
    run.trainer.engine.close()


def test_evaluations_count_towards_the_time(play: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation of ten updates' time after every ten of them leaves half of them."""
    monkeypatch.setattr("charnn.tuning.trial.timed", lambda *_, **__: (Pace(0.002), 1.0))
    laboratory = Laboratory(play, TINY, Pace(0.001, 0.01))
    # Twice as slow as the start, whose evaluation takes 10 ms: 20 ms, as long as ten updates.
    wide = TINY.replace(hidden_size=12)
    assert laboratory.updates(wide, 1.0) == int((0.93 - 0.02) / 0.004)


def test_one_shape_makes_equally_many_updates(
    play: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quickest measurement of a shape counts for all of its later runs."""
    laboratory = Laboratory(play, TINY, Pace(0.001))
    wide, paces = TINY.replace(hidden_size=12), iter([0.004, 0.003, 0.002, 0.005])
    monkeypatch.setattr("charnn.tuning.trial.timed", lambda *_: (Pace(next(paces)), 1.0))
    updates = [laboratory.updates(TINY.replace(dropout=0.3), 1.0)]
    updates += [laboratory.updates(wide, 1.0) for _ in range(3)]
    assert updates == [930, 310, 465, 465]


def test_a_run_that_is_over_leaves_nothing(laboratory: Laboratory) -> None:
    """Stopped before it begins, or after some updates."""
    assert laboratory.train({}, 0.04, lambda: True) is None
    asked = iter([False] * 9 + [True] * 99)
    assert laboratory.train({}, 0.04, lambda: next(asked)) is None


def test_a_run_that_diverges_is_a_bad_result(laboratory: Laboratory) -> None:
    """With an absurd learning rate it has no loss, but a reason."""
    laboratory = Laboratory(
        laboratory.dataset,
        TINY.replace(optimizer="sgd", clip_norm=None, max_rollbacks=0),
        laboratory.pace,
    )
    outcome = laboratory.train({"learning_rate": 1e38}, 0.04, never)
    assert outcome is not None
    assert outcome.loss is None
    assert outcome.failure is not None
    assert "diverged at update" in outcome.failure


def test_early_stopping_ends_a_trial(laboratory: Laboratory) -> None:
    """It is a result like any other, and the test part is not scored."""
    start = TINY.replace(early_stopping=1, learning_rate=1e-12, eval_every=1)
    outcome = Laboratory(laboratory.dataset, start, laboratory.pace).train({}, 0.2, never)
    assert outcome is not None
    assert outcome.loss is not None


def test_what_is_allowed(laboratory: Laboratory) -> None:
    """What fits the text, and makes a thousand updates in the time."""
    assert laboratory.allows(TINY, 0.0)  # the start always does
    assert laboratory.allows(TINY.replace(hidden_size=24), 100.0)
    assert not laboratory.allows(TINY.replace(hidden_size=24), 1.0)
    assert not laboratory.allows(TINY.replace(seq_length=2_000), 1e9)


def test_the_pace_is_the_processors(play: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update takes some time; what else the machine does makes it slow, not its updates."""
    pace, slowness = timed(TINY, play, 0.01, None, evaluates=True)
    assert 0 < pace.update < 0.1
    assert 0 < pace.evaluation < 1
    assert slowness >= 1
    now, own = [0.0], time.perf_counter

    def clock() -> float:
        now[0] = own()
        return now[0]

    with monkeypatch.context() as patched:
        patched.setattr("charnn.tuning.trial.time.perf_counter", clock)
        patched.setattr("charnn.tuning.trial.clock_of", lambda _: lambda: now[0] / 4)
        _, slowness = timed(TINY, play, 0.01, None)
    assert slowness == pytest.approx(4)
    found = measured(TINY, play, 1.0)
    assert found.least > 100 * found.pace.update
    if sys.platform == "linux":
        assert clock_of(None).__name__ == "process_time"


def test_a_search_needs_a_validation_part(play: Corpus) -> None:
    """Without one there is nothing to choose by."""
    config = TINY.replace(val_fraction=0.0)
    with pytest.raises(ConfigError, match="raise --val-fraction, or give more text"):
        beginning(config, play.cut(config.data))


def test_the_beginning_has_no_length(play: Corpus) -> None:
    """How long runs are is the search's business, also where a file says it."""
    start, notes = beginning(TINY.replace(steps=77), play)
    assert (start.training.steps, start.training.epochs) == (None, None)
    assert notes == []
