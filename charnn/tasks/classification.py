"""Classification: a class for each line."""

from __future__ import annotations

import numpy as np

from charnn.models.classifier import Classifier
from charnn.models.score import Score
from charnn.nn.buffers import Buffers
from charnn.tasks.examples_task import ExamplesTask
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
        log_y = model.log_probabilities(batch.inputs, batch.ends, Buffers())
        classes = batch.targets[0]
        B = len(classes)
        right = log_y.argmax(axis=1) == classes
        nats = -log_y[np.arange(B), classes].sum(dtype=np.float64)
        return Score(float(nats), B, int(right.sum()), B)

    def answers(self, model: Classifier, batch: Batch, vocabulary: PairVocabulary) -> list[str]:
        """Return the likeliest class of each source."""
        log_y = model.log_probabilities(batch.inputs, batch.ends, Buffers())
        return vocabulary.target.decode(log_y.argmax(axis=1))
