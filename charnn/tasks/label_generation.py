"""Generation from a label: sequences of a given class."""

from __future__ import annotations

import numpy as np

from charnn.generation.feedback import labelled_fed_back
from charnn.models.labelled_model import LabelledModel
from charnn.models.score import Score
from charnn.models.stack import LayerStates
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

    def fed_back(
        self,
        model: LabelledModel,
        batch: Batch,
        states: LayerStates,
        share: float,
        random: np.random.Generator,
    ) -> Batch:
        """Return sequences of which only a share is read: see `Task.fed_back`."""
        return labelled_fed_back(model, batch, share, random)
