"""Generation from a label: sequences of a given class."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from charnn.config import Config, EvaluationConfig, SamplingConfig
from charnn.errors import ConfigError
from charnn.generation.feedback import labelled_fed_back
from charnn.generation.lines import Line, draw_lines
from charnn.models.labelled_model import LabelledModel
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.options import shown, suggestion
from charnn.tasks.assessment import Assessment
from charnn.tasks.examples_task import SIDE_BY_SIDE, ExamplesTask
from charnn.text.batches import Batch
from charnn.text.symbols import PairVocabulary, split
from charnn.text.vocabulary import utf8

LABELS_SHOWN = 8  # in a message
ILLUSTRATED = 5  # classes of which a line is shown during training
ILLUSTRATION_TEMPERATURE = 0.8


class LabelGeneration(ExamplesTask):
    """Sequences of a given class."""

    name = "generate"
    title = "generation from a label"
    model = LabelledModel
    ends = 1
    use = "sample"
    draws_lines = True
    illustration_title = f"at temperature {ILLUSTRATION_TEMPERATURE:g}"

    def unit(self, vocabulary: PairVocabulary) -> str:
        """Return what a loss is given per."""
        return "char" if vocabulary.target_sep is None else "symbol"

    def next_command(self, run: str, vocabulary: PairVocabulary | None = None) -> str:
        """Return how lines of a class are drawn: see `Task.next_command`."""
        label = "LABEL" if vocabulary is None else shlex.quote(vocabulary.source.names[0])
        return f"sample {run} --label {label}"

    def score(self, model: LabelledModel, batch: Batch) -> Score:
        """Return the loss."""
        mean = model.mean_loss(batch)
        scored = int(batch.target_ends.sum()) + self.ends * len(batch.target_ends)
        return Score(mean * scored, scored)

    def figures(
        self,
        model: LabelledModel,
        vocabulary: PairVocabulary,
        batches: Iterable[Batch],
        options: EvaluationConfig,
    ) -> Assessment:
        """Return the loss per symbol, the ends of lines included."""
        total, examples = Score(0.0, 0), 0
        for batch in batches:
            total += self.score(model, batch)
            examples += len(batch.target_ends)
        return self.assessment(total, vocabulary, examples, {})

    def illustration(self, model: LabelledModel, dataset: Any, config: Config) -> str:
        """Return a line of each of a few classes, always drawn with the same seed."""
        if not config.training.sample_length:
            return ""
        vocabulary: PairVocabulary = dataset.vocabulary
        places = np.linspace(0, len(vocabulary.source.names) - 1, ILLUSTRATED).round()
        options = SamplingConfig(
            length=config.training.sample_length,
            temperature=ILLUSTRATION_TEMPERATURE,
            seed=config.training.seed,
        )
        drawn = draw_lines(
            model,
            np.unique(places).astype(np.intp),
            options,
            np.random.default_rng(options.seed),
            unknown=vocabulary.target.unknown_id,
        )
        return "\n".join(
            f"{vocabulary.source.names[line.label]}: {vocabulary.target_text(line.ids)}"
            for line in drawn
        )

    def sampling_notes(self, vocabulary: PairVocabulary, options: SamplingConfig) -> list[str]:
        """Return what becomes of a prime's symbols that the model does not know."""
        outside = vocabulary.target.outside(split(options.prime, vocabulary.target_sep))
        if not outside:
            return []
        names = ", ".join(map(repr, outside))
        return [f"the prime has {names}, which the model does not know; read as unknown."]

    def stream(
        self, model: LabelledModel, vocabulary: PairVocabulary, options: SamplingConfig
    ) -> Iterator[bytes]:
        """Yield lines: of one class as they are, of all classes with a tab and their class."""
        start = options.prime
        for line in lines(model, vocabulary, options):
            text = start + joined(vocabulary, start, line)
            if options.label is None:
                text += f"\t{vocabulary.source.names[line.label]}"
            yield utf8(text + "\n")

    def samples(
        self, model: LabelledModel, vocabulary: PairVocabulary, options: SamplingConfig
    ) -> Iterator[dict[str, Any]]:
        """Yield lines with their class, and whether they ended by themselves."""
        for number, line in enumerate(lines(model, vocabulary, options)):
            yield {
                "sample": number,
                "seed": options.seed,
                "label": vocabulary.source.names[line.label],
                "prime": options.prime,
                "text": joined(vocabulary, options.prime, line),
                "ended": line.ended,
            }

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


def joined(vocabulary: PairVocabulary, start: str, line: Line) -> str:
    """Return what follows the start of a line, with the separator between both."""
    text, between = vocabulary.target_text(line.ids), vocabulary.target_sep or ""
    return between + text if start and text and not start.endswith(between) else text


def lines(
    model: LabelledModel, vocabulary: PairVocabulary, options: SamplingConfig
) -> Iterator[Line]:
    """Draw `num` lines of a class, or of each in turn. Raises ConfigError for an unknown one."""
    labels, names = np.arange(len(vocabulary.source.names)), vocabulary.source.names
    if options.label is not None:
        if options.label not in vocabulary.source:
            more = " and others" if len(names) > LABELS_SHOWN else ""
            raise ConfigError(
                f"label is {shown(options.label)}, which the model does not know; choose one of "
                f"{', '.join(names[:LABELS_SHOWN])}{more}.{suggestion(options.label, names)}"
            )
        labels = vocabulary.source.encode([options.label])
    labels = np.repeat(labels, options.num)
    prime = vocabulary.target.encode(split(options.prime, vocabulary.target_sep))
    random = np.random.default_rng(options.seed)
    unknown = vocabulary.target.unknown_id
    for start in range(0, len(labels), SIDE_BY_SIDE):
        some = labels[start : start + SIDE_BY_SIDE]
        yield from draw_lines(model, some, options, random, prime, unknown)
