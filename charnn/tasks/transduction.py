"""Transduction: one sequence into another."""

from __future__ import annotations

import numpy as np

from charnn.generation.decoding import decode
from charnn.generation.edits import edit_distance
from charnn.generation.feedback import targets_fed_back
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.models.transducer import Transducer
from charnn.nn.buffers import Buffers
from charnn.tasks.examples_task import ExamplesTask
from charnn.text.batches import Batch
from charnn.text.symbols import PairVocabulary


class Transduction(ExamplesTask):
    """One sequence into another."""

    name = "transduce"
    title = "transduction"
    model = Transducer
    accuracy = "exact match"
    error_rate = "symbol error rate"
    ends = 1

    def unit(self, vocabulary: PairVocabulary) -> str:
        """Return what a loss is given per."""
        return "symbol"

    def score(self, model: Transducer, batch: Batch) -> Score:
        """Return the loss, the greedy predictions that are right, and edits to the targets."""
        mean, _, _ = model.loss(batch, [], buffers=Buffers())
        lengths = batch.target_ends
        scored = int(lengths.sum()) + self.ends * len(lengths)
        right = edits = 0
        for b, (best,) in enumerate(decode(model, batch.inputs, batch.ends)):
            target = batch.targets[: lengths[b], b].tolist()
            right += best.ids == target
            edits += edit_distance(best.ids, target)
        return Score(mean * scored, scored, right, len(lengths), edits, int(lengths.sum()))

    def fed_back(
        self,
        model: Transducer,
        batch: Batch,
        states: LayerStates,
        share: float,
        random: np.random.Generator,
    ) -> Batch:
        """Return pairs of whose targets only a share is read: see `Task.fed_back`."""
        return targets_fed_back(model, batch, share, random)

    def answers(self, model: Transducer, batch: Batch, vocabulary: PairVocabulary) -> list[str]:
        """Return the greedy prediction for each source."""
        unknown = vocabulary.target.unknown_id
        found = decode(model, batch.inputs, batch.ends, unknown=unknown)
        return [vocabulary.target_text(best.ids) for (best,) in found]
