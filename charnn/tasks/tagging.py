"""Tagging: a tag for each symbol of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import EvaluationConfig, PredictionConfig
from charnn.models.score import Score
from charnn.models.tagger import Tagger
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.tasks.assessment import Assessment
from charnn.tasks.examples_task import ExamplesTask
from charnn.tasks.figures import ClassFigures, confusion
from charnn.tasks.prediction import Answer, Prediction, in_batches
from charnn.text.batches import Batch
from charnn.text.symbols import PairVocabulary


class Tagging(ExamplesTask):
    """A tag for each symbol."""

    name = "tag"
    title = "tagging"
    model = Tagger
    accuracy = "accuracy by symbol"
    error_rate = "sequences with an error"

    def unit(self, vocabulary: PairVocabulary) -> str:
        """Return what a loss is given per."""
        return "tag"

    def score(self, model: Tagger, batch: Batch) -> Score:
        """Return the loss, how many tags are right, and in how many sequences one is wrong."""
        score, _ = judged(model, batch)
        return score

    def figures(
        self,
        model: Tagger,
        vocabulary: PairVocabulary,
        batches: Iterable[Batch],
        options: EvaluationConfig,
    ) -> Assessment:
        """Return the loss, accuracy by symbol and by sequence, macro-F1, and F1 by tag."""
        K = vocabulary.target_size
        total, counts = Score(0.0, 0), np.zeros((K, K), np.intp)
        for batch in batches:
            score, given = judged(model, batch)
            total += score
            inside = np.arange(len(given))[:, None] < batch.ends
            counts += confusion(batch.targets[: len(given)][inside], given[inside], K)
        found = ClassFigures(counts, vocabulary.target.names)
        shares = {
            self.accuracy: total.accuracy or 0.0,
            "accuracy by sequence": 1 - (total.error_rate or 0.0),
            "macro-F1": found.macro_f1,
        }
        tables = [found.table("tag")]
        content: dict[str, Any] = {"tags": found.by_class("tag")}
        if options.confusion:
            tables.append(found.matrix_table("tag"))
            content["confusion"] = found.matrix()
        return self.assessment(total, vocabulary, total.places, shares, content, tables)

    def predictions(
        self,
        model: Tagger,
        vocabulary: PairVocabulary,
        sources: Sequence[Array],
        options: PredictionConfig,
    ) -> list[Prediction]:
        """Return the likeliest tags of each source: see `Task.predictions`."""
        found: dict[int, Answer] = {}
        with single_thread():
            for rows, ids, lengths in in_batches(sources):
                log_y = model.log_probabilities(ids, lengths, Buffers()).astype(np.float64)
                for row, b in enumerate(rows):
                    found[int(b)] = answer(vocabulary, log_y[: lengths[row], row])
        return [
            Prediction(vocabulary.source_symbols(ids), [found[b]]) for b, ids in enumerate(sources)
        ]


def answer(vocabulary: PairVocabulary, log_y: Array) -> Answer:
    """Return the likeliest tags as an answer, given log y (T, tags); each tag is independent."""
    tags, best = log_y.argmax(axis=1), log_y.max(axis=1)
    log_probability = float(best.sum())
    return Answer(
        vocabulary.target_text(tags),
        vocabulary.target.decode(tags),
        log_probability,
        float(np.exp(log_probability)),
        np.exp(best).tolist(),
    )


def judged(model: Tagger, batch: Batch) -> tuple[Score, Array]:
    """Return the score of a batch, and the tags that were found likeliest, (T, B)."""
    lengths = batch.ends
    log_y = model.log_probabilities(batch.inputs, lengths, Buffers())
    T, B = batch.inputs.shape
    inside = np.arange(T)[:, None] < lengths
    tags, given = batch.targets[:T], log_y.argmax(axis=2)
    nats = -np.take_along_axis(log_y, tags[..., None], axis=2)[..., 0]
    wrong = (given != tags) & inside
    scored = int(inside.sum())
    score = Score(
        float(nats.sum(where=inside, dtype=np.float64)),
        scored,
        scored - int(wrong.sum()),
        scored,
        int(wrong.any(axis=0).sum()),
        B,
    )
    return score, given
