"""The moving average of the weights, and random starts afresh."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.config import Config
from charnn.engines.shards import IdsFile, Shards
from charnn.models.language_model import LanguageModel
from charnn.training.checkpoint import load_checkpoint
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
    expected = run.trainer.model.parameters.flat.astype(np.float64)
    for event in run:
        if isinstance(event, Step):
            d = min(0.6, event.update / (event.update + 10))
            expected = d * expected + (1 - d) * run.trainer.model.parameters.flat
    np.testing.assert_allclose(run.trainer.average, expected, rtol=0, atol=1e-6)


def test_the_average_is_what_is_evaluated_and_sampled(text, tmp_path):
    """best.npz holds the average as its weights; last.npz holds both."""
    run = run_of(text, tmp_path / "run", ema_decay=0.9)
    for _ in run:
        pass
    last, best = (load_checkpoint(tmp_path / "run" / f"{name}.npz") for name in ("last", "best"))
    assert (last.average == run.trainer.average).all()
    assert (last.parameters.flat == run.trainer.model.parameters.flat).all()
    assert (last.parameters.flat != last.average).any()
    assert (last.model.parameters.flat == last.average).all()
    assert best.progress.update == last.progress.update
    assert (best.model.parameters.flat == last.average).all()


def test_without_an_average_the_weights_are_evaluated(text):
    """By default nothing is averaged."""
    run = run_of(text)
    assert run.trainer.average is None
    assert run.trainer.evaluated is run.trainer.model


def test_both_are_resumed_to_the_bit(text, tmp_path):
    """A stopped run with both ends with the weights and average of one that was not stopped."""
    options = {"average": 0.8, "state_reset": 0.3}
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
    assert (second.trainer.average == whole.trainer.average).all()
    assert (second.trainer.model.parameters.flat == whole.trainer.model.parameters.flat).all()


def test_streams_start_afresh_at_random(tmp_path):
    """With a chance close to 1 each window's loss is that of zero states; with 0 it is not."""
    path = tmp_path / "ids"
    ids = np.random.default_rng(1).integers(0, 5, 301, np.uint8)
    ids.tofile(path)
    losses = {}
    for chance in (0.0, 0.999999):
        config = Config().replace(**OPTIONS | {"dropout": 0, "state_reset": chance})
        model = LanguageModel.initialized(config.model, 5, 1)
        shards = Shards(config, model, IdsFile(str(path), "u1", len(ids), 0))
        shards.compute(0)
        losses[chance] = shards.compute(1)
        inputs, targets = shards.streams.window(1)
        afresh, _, _ = model.loss(inputs, targets, model.zero_states(3))
    assert losses[0.999999] == pytest.approx(afresh, rel=1e-6)
    assert losses[0.0] != pytest.approx(afresh, rel=1e-6)
