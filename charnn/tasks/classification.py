"""Classification: a class for each line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import EvaluationConfig, PredictionConfig
from charnn.models.classifier import Classifier
from charnn.models.score import Score
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.tasks.assessment import Assessment
from charnn.tasks.examples_task import ExamplesTask
from charnn.tasks.figures import ClassFigures, confusion
from charnn.tasks.prediction import Answer, Prediction, in_batches
from charnn.text.batches import Batch
from charnn.text.symbols import PairVocabulary


class Classification(ExamplesTask):
    """A class for each line."""

    name = "classify"
    title = "classification"
    model = Classifier
    accuracy = "accuracy"

    def unit(self, vocabulary: PairVocabulary) -> str:
        """Return what a loss is given per."""
        return "example"

    def score(self, model: Classifier, batch: Batch) -> Score:
        """Return the loss, and how many examples are in the class found likeliest."""
        score, _ = judged(model, batch)
        return score

    def figures(
        self,
        model: Classifier,
        vocabulary: PairVocabulary,
        batches: Iterable[Batch],
        options: EvaluationConfig,
    ) -> Assessment:
        """Return the loss, accuracy, macro-F1, and the figures of each class."""
        K = vocabulary.target_size
        total, counts = Score(0.0, 0), np.zeros((K, K), np.intp)
        for batch in batches:
            score, given = judged(model, batch)
            total += score
            counts += confusion(batch.targets[0], given, K)
        found = ClassFigures(counts, vocabulary.target.names)
        tables = [found.table("class")]
        content: dict[str, Any] = {"classes": found.by_class("class")}
        if options.confusion:
            tables.append(found.matrix_table("class"))
            content["confusion"] = found.matrix()
        shares = {self.accuracy: total.accuracy or 0.0, "macro-F1": found.macro_f1}
        return self.assessment(total, vocabulary, total.answers, shares, content, tables)

    def predictions(
        self,
        model: Classifier,
        vocabulary: PairVocabulary,
        sources: Sequence[Array],
        options: PredictionConfig,
    ) -> list[Prediction]:
        """Return the likeliest classes of each source: see `Task.predictions`."""
        found: dict[int, list[Answer]] = {}
        with single_thread():
            for rows, ids, lengths in in_batches(sources):
                log_y = model.log_probabilities(ids, lengths, Buffers()).astype(np.float64)
                best = np.argsort(-log_y, axis=1, kind="stable")[:, : options.top]
                for row, b in enumerate(rows):
                    found[int(b)] = [
                        answer(vocabulary.target.names[k], float(log_y[row, k])) for k in best[row]
                    ]
        return [
            Prediction(vocabulary.source_symbols(ids), found[b]) for b, ids in enumerate(sources)
        ]


def answer(name: str, log_probability: float) -> Answer:
    """Return a class as an answer."""
    return Answer(name, [name], log_probability, float(np.exp(log_probability)))


def judged(model: Classifier, batch: Batch) -> tuple[Score, Array]:
    """Return the score of a batch, and the classes that were found likeliest, (B,)."""
    log_y = model.log_probabilities(batch.inputs, batch.ends, Buffers())
    classes, given = batch.targets[0], log_y.argmax(axis=1)
    B = len(classes)
    nats = -log_y[np.arange(B), classes].sum(dtype=np.float64)
    return Score(float(nats), B, int((given == classes).sum()), B), given
