"""What the tasks have in common that learn from files of examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from charnn.arrays import Arrays
from charnn.config import Config, EvaluationConfig, PredictionConfig
from charnn.models.adoption import adopt_weights
from charnn.models.model import Model, Sizes
from charnn.models.score import Score
from charnn.nn.blas import single_thread
from charnn.tasks.assessment import Assessment, Progress, Table
from charnn.tasks.task import Task
from charnn.text.batches import WHOLE, Batch, Share
from charnn.text.buckets import Buckets, in_order
from charnn.text.pairs import Examples, Pairs, pairs_in
from charnn.text.records import bytes_to_read, read_examples, read_for_scoring_pairs
from charnn.text.source import ignore
from charnn.text.symbols import PairVocabulary

ILLUSTRATED = 6  # examples that are shown during training
SIDE_BY_SIDE = 128  # examples that are scored at once


class ExamplesTask(Task):
    """A task whose data are pairs of a source and a target."""

    illustration_title = "from the validation part"
    ends: ClassVar[int] = 0  # symbols that are scored behind each target

    def sizes(self, vocabulary: PairVocabulary) -> Sizes:
        """Return the numbers of source and target symbols."""
        return Sizes(vocabulary.source_size, vocabulary.target_size)

    def vocabulary(self, content: object) -> PairVocabulary:
        """Return the vocabulary that `to_json` gave. Raises VocabularyError."""
        return PairVocabulary.from_json(content)

    def bytes_to_read(self, names: Sequence[str], config: Config) -> int | None:
        """Return the size of all files: see `Task.bytes_to_read`."""
        return bytes_to_read(names, config)

    def read(
        self,
        names: Sequence[str],
        config: Config,
        *,
        vocabulary: PairVocabulary | None = None,
        known: PairVocabulary | None = None,
        advance: Callable[[int], None] = ignore,
    ) -> Examples:
        """Read files of examples: see `Task.read`. What is known is the vocabulary."""
        return read_examples(names, config, vocabulary or known, advance)

    def adopt(
        self,
        model: Model,
        own: PairVocabulary,
        source: Model,
        known: PairVocabulary,
    ) -> tuple[int, int]:
        """Copy a model's weights, which has the same vocabulary: see `Task.adopt`."""
        adopt_weights(model, source, {})
        return 0, own.source_size

    def source(self, arrays: Arrays, config: Config) -> Buckets:
        """Return the batches of the training part."""
        training = config.training
        return Buckets(
            pairs_in(arrays, "train"),
            training.batch_size,
            training.seed,
            self.ends,
            training.curriculum,
        )

    def description(self, dataset: Examples) -> dict[str, str]:
        """Return the numbers of examples and symbols: see `Task.description`."""
        vocabulary, parts = dataset.vocabulary, dataset.parts
        sizes = ", ".join(f"{name} {size:,}" for name, size in parts.items())
        features = len(vocabulary.features)
        return {
            "task": self.title,
            "data": f"{dataset.name}: {sum(parts.values()):,} examples ({sizes})",
            "symbols": f"{vocabulary.source_size} in the sources"
            f"{f', of which {features} features' if features else ''}, "
            f"{vocabulary.target_size} in the targets",
        }

    def batch_in_words(self, config: Config) -> str:
        """Return the number of examples."""
        return f"{config.training.batch_size} examples"

    def evaluate(self, model: Any, arrays: Arrays, part: str, share: Share = WHOLE) -> Score:
        """Return a model's score on a part, or on share (k, n) of it: see `Task.evaluate`."""
        total = Score(0.0, 0)
        with single_thread():
            for batch in batches(arrays, part, share):
                total += self.score(model, batch)
        return total

    def illustration(self, model: Any, dataset: Examples, config: Config) -> str:
        """Return some examples of the validation part, or of training, with what a model says."""
        pairs = dataset.val if dataset.has("val") else dataset.train
        rows = np.linspace(0, len(pairs) - 1, min(ILLUSTRATED, len(pairs))).astype(np.intp)
        vocabulary = dataset.vocabulary
        sources = [pairs.sources[row] for row in rows]
        lines = []
        for row, found in zip(
            rows, self.predictions(model, vocabulary, sources, PredictionConfig()), strict=True
        ):
            source = vocabulary.source_text(pairs.sources[row])
            right = vocabulary.target_text(pairs.targets[row])
            mark = "" if found.best.text == right else f"   (right: {right})"
            lines.append(f"{source} -> {found.best.text}{mark}")
        return "\n".join(lines)

    @abstractmethod
    def score(self, model: Any, batch: Batch) -> Score:
        """Return a model's score on a batch."""

    def assess(
        self,
        model: Any,
        vocabulary: PairVocabulary,
        config: Config,
        names: Sequence[str],
        options: EvaluationConfig,
        progress: Progress,
    ) -> Assessment:
        """Score files of examples: see `Task.assess`."""
        own = config.replace(encoding=options.encoding)
        pairs, notes = read_for_scoring_pairs(names, own, vocabulary)
        with single_thread(), progress(len(pairs)) as advance:
            batches = counted(pairs, self.side_by_side(options), advance)
            found = self.figures(model, vocabulary, batches, options)
        return replace(found, notes=[*notes, *found.notes])

    def side_by_side(self, options: EvaluationConfig) -> int:
        """Return how many examples are scored at once."""
        return SIDE_BY_SIDE

    @abstractmethod
    def figures(
        self,
        model: Any,
        vocabulary: PairVocabulary,
        batches: Iterable[Batch],
        options: EvaluationConfig,
    ) -> Assessment:
        """Return what a model scores on batches."""

    def assessment(
        self,
        score: Score,
        vocabulary: PairVocabulary,
        examples: int,
        shares: dict[str, float],
        content: dict[str, Any] | None = None,
        tables: Sequence[Table] = (),
    ) -> Assessment:
        """Return a score, shares by their names in words, and more, as an assessment."""
        unit = self.unit(vocabulary)
        words = "".join(f"   {name} {value:.2%}" for name, value in shares.items())
        summary = (
            f"{score.nats_per_symbol:.4f} nats/{unit}   {score.bits_per_symbol:.4f} bits/{unit}"
            f"{words}   {examples:,} example{'s' if examples != 1 else ''}"
        )
        named = {
            name.lower().replace(" ", "_").replace("-", "_"): value
            for name, value in shares.items()
        }
        figures = {
            "task": self.name,
            "examples": examples,
            "unit": unit,
            f"nats_per_{unit}": score.nats_per_symbol,
            f"bits_per_{unit}": score.bits_per_symbol,
        }
        return Assessment(summary, figures | named | (content or {}), list(tables))


def counted(pairs: Pairs, batch_size: int, advance: Callable[[int], None]) -> Iterator[Batch]:
    """Yield all examples once, in batches, and report when each has been scored."""
    for rows, batch in in_order(pairs, batch_size):
        yield batch
        advance(len(rows))


def batches(arrays: Arrays, part: str, share: Share = WHOLE) -> Iterator[Batch]:
    """Yield the batches of a part to be scored, or every n-th of them, from the k-th on."""
    number, shares = share
    for place, (_, batch) in enumerate(in_order(pairs_in(arrays, part), SIDE_BY_SIDE)):
        if place % shares == number:
            yield batch
