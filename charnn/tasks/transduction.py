"""Transduction: one sequence into another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import EvaluationConfig, PredictionConfig
from charnn.generation.decoding import Hypothesis, decode
from charnn.generation.edits import edit_distance
from charnn.generation.feedback import targets_fed_back
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.models.transducer import Transducer
from charnn.tasks.assessment import Assessment
from charnn.tasks.examples_task import SIDE_BY_SIDE, ExamplesTask
from charnn.tasks.prediction import Answer, Prediction, in_batches
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
        return judged(model, batch)

    def figures(
        self,
        model: Transducer,
        vocabulary: PairVocabulary,
        batches: Iterable[Batch],
        options: EvaluationConfig,
    ) -> Assessment:
        """Return the loss, the share of exact predictions, and the symbol error rate."""
        total = Score(0.0, 0)
        for batch in batches:
            total += judged(
                model,
                batch,
                beam=options.beam,
                length_penalty=options.length_penalty,
                max_length=options.max_length,
                unknown=vocabulary.target.unknown_id,
            )
        shares = {
            self.accuracy: total.accuracy or 0.0,
            self.error_rate: total.error_rate or 0.0,
        }
        return self.assessment(total, vocabulary, total.answers, shares)

    def side_by_side(self, options: EvaluationConfig) -> int:
        """Return how many examples are scored at once: fewer with a wide beam."""
        return max(1, SIDE_BY_SIDE // options.beam)

    def predictions(
        self,
        model: Transducer,
        vocabulary: PairVocabulary,
        sources: Sequence[Array],
        options: PredictionConfig,
    ) -> list[Prediction]:
        """Return the likeliest targets of each source: see `Task.predictions`."""
        found: dict[int, list[Answer]] = {}
        for rows, ids, lengths in in_batches(sources, options.width):
            decoded = decode(
                model,
                ids,
                lengths,
                beam=options.width,
                n_best=options.n_best,
                max_length=options.max_length,
                length_penalty=options.length_penalty,
                unknown=vocabulary.target.unknown_id,
            )
            for b, length, hypotheses in zip(rows, lengths, decoded, strict=True):
                found[int(b)] = [answer(vocabulary, each, int(length)) for each in hypotheses]
        return [
            Prediction(vocabulary.source_symbols(ids), found[b]) for b, ids in enumerate(sources)
        ]

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


def answer(vocabulary: PairVocabulary, hypothesis: Hypothesis, length: int) -> Answer:
    """Return a hypothesis about a source of some length as an answer."""
    alpha = hypothesis.attention
    return Answer(
        vocabulary.target_text(hypothesis.ids),
        vocabulary.target.decode(hypothesis.ids),
        hypothesis.log_probability,
        hypothesis.score,
        attention=None if alpha is None else alpha[:, :length],
    )


def judged(model: Transducer, batch: Batch, **options: Any) -> Score:
    """Return the score of a batch; options are those of `decode`."""
    mean = model.mean_loss(batch)
    lengths = batch.target_ends
    scored = int(lengths.sum()) + Transduction.ends * len(lengths)
    right = edits = 0
    for b, (best, *_) in enumerate(decode(model, batch.inputs, batch.ends, **options)):
        target = batch.targets[: lengths[b], b].tolist()
        right += best.ids == target
        edits += edit_distance(best.ids, target)
    return Score(mean * scored, scored, right, len(lengths), edits, int(lengths.sum()))
