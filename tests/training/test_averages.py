"""The moving average of the weights, and random starts afresh."""

from __future__ import annotations

import numpy as np
import pytest

import charnn
from charnn.config import Config
from charnn.engines.shards import Shards
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.text.batches import Streams
from charnn.text.corpus import corpus_in_memory
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.events import Step
from charnn.training.setup import new_run, resume_run

OPTIONS = {
    "hidden_size": 6,
    "batch_size": 3,
    "seq_length": 5,
    "steps": 14,
    "eval_every": 7,
    "shards": 1,
    "dropout": 0.2,
}


@pytest.fixture
def text(tmp_path):
    """A short text."""
    path = tmp_path / "text.txt"
    path.write_text("the tide comes in and the tide goes out. " * 12, encoding="utf-8")
    return path


def run_of(text, folder=None, **options):
    """Return a run on the text."""
    values = OPTIONS | options
    return new_run(
        [str(text)], Config.from_values(values), fixed=values, out=folder, write=folder is not None
    )


def test_the_average_follows_the_weights(text):
    """`average <- d average + (1 - d) p` after each update, d growing to its value at first."""
    run = run_of(text, ema_decay=0.6)
    weights = run.trainer.engine.model.parameters.flat
    expected = weights.astype(np.float64)
    for event in run:
        if isinstance(event, Step):
            d = min(0.6, event.update / (event.update + 10))
            expected = d * expected + (1 - d) * weights
    np.testing.assert_allclose(run.trainer.checkpoint().average, expected, rtol=0, atol=1e-6)


def test_the_average_is_what_is_evaluated_and_sampled(text, tmp_path):
    """best.npz holds the average as its weights; last.npz holds both."""
    run = run_of(text, tmp_path / "run", ema_decay=0.9)
    for _ in run:
        pass
    last, best = (load_checkpoint(tmp_path / "run" / f"{name}.npz") for name in ("last", "best"))
    now = run.trainer.checkpoint()
    assert (last.average == now.average).all()
    assert (last.parameters.flat == now.parameters.flat).all()
    assert (run.trainer.model.parameters.flat == now.average).all()
    assert (last.parameters.flat != last.average).any()
    assert (last.model.parameters.flat == last.average).all()
    assert best.progress.update == last.progress.update
    assert (best.model.parameters.flat == last.average).all()


def test_without_an_average_the_weights_are_evaluated(text):
    """By default nothing is averaged."""
    run = run_of(text)
    now = run.trainer.checkpoint()
    assert now.average is None
    assert (now.model.parameters.flat == now.trained_model.parameters.flat).all()


def test_both_are_resumed_to_the_bit(text, tmp_path):
    """A stopped run with both ends with the weights and average of one that was not stopped."""
    options = {"ema_decay": 0.8, "state_reset": 0.3}
    whole = run_of(text, tmp_path / "whole", **options)
    for _ in whole:
        pass
    first = run_of(text, tmp_path / "parts", **options)
    for event in first:
        if isinstance(event, Step) and event.update == 9:
            first.trainer.stop_requested = True
    second = resume_run(tmp_path / "parts")
    for _ in second:
        pass
    ours, theirs = second.trainer.checkpoint(), whole.trainer.checkpoint()
    assert (ours.average == theirs.average).all()
    assert (ours.parameters.flat == theirs.parameters.flat).all()


def test_streams_start_afresh_at_random():
    """With a chance close to 1 each window's loss is that of zero states; with 0 it is not."""
    ids = np.random.default_rng(1).integers(0, 5, 301, np.uint8)
    corpus = corpus_in_memory(ids, Vocabulary("abcde"))
    losses = {}
    for chance in (0.0, 0.999999):
        config = Config().replace(**OPTIONS | {"dropout": 0, "state_reset": chance})
        model = LanguageModel.initialized(config.model, 5, 1)
        shards = Shards(config, model, corpus)
        shards.update(0, rate=0.0)
        losses[chance], _ = shards.update(1, rate=0.0)
        afresh, _, _ = model.loss(Streams(ids, 3, 5).batch(1), model.zero_states(3))
    assert losses[0.999999] == pytest.approx(afresh, rel=1e-6)
    assert losses[0.0] != pytest.approx(afresh, rel=1e-6)


def test_the_decay_can_be_given_by_its_former_name(text):
    """`charnn.train(average=...)` is `ema_decay`: the run is the same to the bit."""
    former = charnn.train(text, **OPTIONS, average=0.9)
    now = charnn.train(text, **OPTIONS, ema_decay=0.9)
    for run in (former, now):
        for _ in run:
            pass
    assert former.trainer.config == now.trainer.config
    assert (former.checkpoint.average == now.checkpoint.average).all()


def test_the_best_average_is_not_changed_by_later_updates(text, tmp_path):
    """The best weights stay what they were: in the trainer, in best.npz, and for the test part."""
    options = {"learning_rate": 0.3, "lr_schedule": "constant", "test_fraction": 0.1}
    run = charnn.train(
        text, out=tmp_path / "run", ema_decay=0.5, steps=60, eval_every=3, shards=1, **options
    )
    (*_, finished) = run
    assert finished.best_update < finished.update
    best = charnn.load(tmp_path / "run")
    assert (run.trainer.best.parameters.flat == best.parameters.flat).all()
    assert finished.test_loss == evaluate(best.model, run.trainer.corpus.test).nats_per_symbol
