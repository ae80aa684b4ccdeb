"""Generation from a label: sequences of a given class."""

from __future__ import annotations

from charnn.models.labelled_model import LabelledModel
from charnn.models.score import Score
from charnn.nn.buffers import Buffers
from charnn.tasks.examples_task import ExamplesTask
from charnn.text.batches import Batch
from charnn.text.symbols import PairVocabulary


class LabelGeneration(ExamplesTask):
    """Sequences of a given class."""

    name = "generate"
    title = "generation from a label"
    model = LabelledModel
    ends = 1

    def unit(self, vocabulary: PairVocabulary) -> str:
        """Return what a loss is given per."""
        return "char" if vocabulary.target_sep is None else "symbol"

    def score(self, model: LabelledModel, batch: Batch) -> Score:
        """Return the loss."""
        mean, _, _ = model.loss(batch, [], buffers=Buffers())
        scored = int(batch.target_ends.sum()) + self.ends * len(batch.target_ends)
        return Score(mean * scored, scored)
