"""Tagging: a tag for each symbol of a sequence."""

from __future__ import annotations

import numpy as np

from charnn.models.score import Score
from charnn.models.tagger import Tagger
from charnn.nn.buffers import Buffers
from charnn.tasks.examples_task import ExamplesTask
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
        lengths = batch.ends
        log_y = model.log_probabilities(batch.inputs, lengths, Buffers())
        T, B = batch.inputs.shape
        inside = np.arange(T)[:, None] < lengths
        tags = batch.targets[:T]
        nats = -np.take_along_axis(log_y, tags[..., None], axis=2)[..., 0]
        wrong = (log_y.argmax(axis=2) != tags) & inside
        scored = int(inside.sum())
        return Score(
            float(nats.sum(where=inside, dtype=np.float64)),
            scored,
            scored - int(wrong.sum()),
            scored,
            int(wrong.any(axis=0).sum()),
            B,
        )

    def answers(self, model: Tagger, batch: Batch, vocabulary: PairVocabulary) -> list[str]:
        """Return the likeliest tags of each source."""
        tags = model.log_probabilities(batch.inputs, batch.ends, Buffers()).argmax(axis=2)
        return [vocabulary.target_text(tags[:end, b]) for b, end in enumerate(batch.ends)]
