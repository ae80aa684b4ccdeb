"""Predictions of each task: in the order of the sources, each as if it were alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from charnn.config import Config, PredictionConfig
from charnn.errors import ConfigError
from charnn.models.model import Model
from charnn.nn.buffers import Buffers
from charnn.tasks.prediction import LARGEST_BATCH, SIDE_BY_SIDE, Prediction, in_batches
from charnn.tasks.registry import TASKS, task_of
from charnn.text.symbols import PairVocabulary, Symbols

VOCABULARY = PairVocabulary(
    Symbols(tuple("abcde"), unknown=True), Symbols(("X", "YY", "Z")), None, " "
)
SOURCES = [
    np.random.default_rng(n).integers(0, VOCABULARY.source_size, n)
    for n in (3, 1, 7, 2, 7, 5, 1, 4)
]


def model_of(task: str, **options: object) -> Model:
    """Return a random model of a task, in float64."""
    config = Config.from_values({"task": task, "hidden_size": 5, **options})
    found = task_of(config)
    model = found.model.started(config.model, found.sizes(VOCABULARY), 1, np.float64)
    model.parameters.flat[...] *= 3
    return model


def predictions(
    task: str, sources: list[np.ndarray], model: Model | None = None, **options: object
) -> list[Prediction]:
    """Return what a model answers."""
    chosen = PredictionConfig(**options)
    return TASKS[task]().predictions(model or model_of(task), VOCABULARY, sources, chosen)


@pytest.mark.parametrize(
    ("task", "options"),
    [("classify", {"top": 2}), ("tag", {}), ("transduce", {"n_best": 2, "length_penalty": 0.6})],
)
def test_order_and_company(task: str, options: dict) -> None:
    """Answers come in the order of the sources, and each is what it would be alone."""
    together = predictions(task, SOURCES, **options)
    assert [found.source for found in together] == [
        VOCABULARY.source_symbols(ids) for ids in SOURCES
    ]
    for ids, found in zip(SOURCES, together, strict=True):
        (alone,) = predictions(task, [ids], **options)
        assert [each.text for each in found.answers] == [each.text for each in alone.answers]
        for one, other in zip(found.answers, alone.answers, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-11)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-12)
    assert predictions(task, [], **options) == []


def test_classes() -> None:
    """The likeliest come first, with probabilities that add up to 1 where all are asked for."""
    model = model_of("classify", bidirectional=True)
    (found,) = predictions("classify", SOURCES[:1], model, top=9)
    ids = SOURCES[0][:, None]
    log_y = model.log_probabilities(ids, np.array([len(ids)]), Buffers())[0]  # type: ignore[attr-defined]
    order = np.argsort(-log_y)
    assert [each.text for each in found.answers] == [VOCABULARY.target.names[k] for k in order]
    np.testing.assert_allclose([each.score for each in found.answers], np.exp(log_y[order]))
    assert sum(each.probability for each in found.answers) == pytest.approx(1)
    (best,) = predictions("classify", SOURCES[:1], model)[0].answers
    assert best == found.best


def test_tags() -> None:
    """There is one for each symbol, joined as in training; their probabilities multiply."""
    for ids, found in zip(SOURCES, predictions("tag", SOURCES), strict=True):
        best = found.best
        assert len(best.symbols) == len(best.probabilities or ()) == len(ids)
        assert best.text == " ".join(best.symbols)
        assert best.probability == pytest.approx(math.prod(best.probabilities or ()))
        assert best.score == pytest.approx(best.probability)


def test_attention_is_over_the_source_alone() -> None:
    """Its rows are the answer's symbols and the end, its columns the source's symbols."""
    for ids, found in zip(SOURCES, predictions("transduce", SOURCES), strict=True):
        alpha = found.best.attention
        assert alpha is not None
        assert alpha.shape == (len(found.best.symbols) + 1, len(ids))
        np.testing.assert_allclose(alpha.sum(axis=1), 1, rtol=1e-12)
    without = model_of("transduce", attention=None)
    assert predictions("transduce", SOURCES[:1], without)[0].best.attention is None


def test_batches_hold_each_source_once() -> None:
    """Sources of similar length come together, as many as the beam and their lengths allow."""
    random = np.random.default_rng(3)
    sources = [random.integers(0, 5, n) for n in random.integers(1, 3_000, 300)]
    for width in (1, 5, 1_000):
        seen: list[int] = []
        for rows, ids, lengths in in_batches(sources, width):
            assert len(rows) == 1 or len(rows) * width <= SIDE_BY_SIDE
            assert len(rows) == 1 or ids.size * width <= LARGEST_BATCH
            for column, row in enumerate(rows):
                np.testing.assert_array_equal(ids[: lengths[column], column], sources[row])
            seen += rows.tolist()
        assert sorted(seen) == list(range(300))


@pytest.mark.parametrize("task", ["lm", "generate"])
def test_models_that_draw_predict_nothing(task: str) -> None:
    """The refusal names the command that is for them."""
    with pytest.raises(ConfigError, match=r"`charnn predict`; use `charnn sample RUN"):
        TASKS[task]().check_use("predict")


@pytest.mark.parametrize("task", ["classify", "tag", "transduce"])
def test_models_that_predict_draw_nothing(task: str) -> None:
    """The refusal names the command that is for them."""
    with pytest.raises(ConfigError, match=r"`charnn sample`; use `charnn predict RUN FILE`"):
        TASKS[task]().check_use("sample")


def test_a_beam_narrower_than_what_is_wanted() -> None:
    """It is refused; without one the beam is as wide as needed."""
    with pytest.raises(ConfigError, match=r"n_best is 3, but beam is 2"):
        PredictionConfig(beam=2, n_best=3)
    assert PredictionConfig(n_best=3).width == 3
    assert PredictionConfig(n_best=3, beam=7).width == 7
