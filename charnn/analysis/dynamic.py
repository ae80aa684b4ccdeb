"""Dynamic evaluation beside the static one: see `charnn.models.dynamic_evaluation`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from charnn.analysis.training_text import training_text
from charnn.arrays import Array
from charnn.config import DynamicConfig, EvaluationConfig
from charnn.errors import CorpusError
from charnn.models.dynamic_evaluation import GATHERING, evaluate_dynamically, mean_squares
from charnn.models.language_model import LanguageModel
from charnn.models.score import Score
from charnn.tasks.assessment import Assessment, Progress, Table
from charnn.tasks.language_modelling import assessment_of, unknown_notes
from charnn.text.corpus import read_for_scoring
from charnn.text.source import ignore, quoted
from charnn.training.checkpoint import Checkpoint

TRAINING_TEXT, TEXT_READ = "training text", "text read so far"  # where statistics come from


@dataclass(frozen=True)
class Statistics:
    """Of which text gradients are gathered, if of any before the text is read."""

    ids: Array | None
    notes: list[str]

    @property
    def source(self) -> str:
        """Where they come from, in words."""
        return TEXT_READ if self.ids is None else TRAINING_TEXT


def statistics_for(saved: Checkpoint, names: Sequence[str] = ()) -> Statistics:
    """Return the text of a model's training, from its files or from others, where it is there.

    Raises CorpusError where files are named that cannot be read.
    """
    try:
        text = training_text(saved, names)
        if len(text.train) < 2:
            raise CorpusError(
                f"the training text {quoted([text.name])} has {len(text.train)} symbols that the "
                "model knows, and at least 2 are needed; give more text."
            )
    except CorpusError as error:
        if names:
            raise
        return Statistics(None, [f"gradient statistics are gathered as the text is read: {error}"])
    return Statistics(text.train, text.notes)


def dynamic_score(
    model: LanguageModel,
    ids: Array,
    options: DynamicConfig,
    train: Array | None,
    advance: Callable[[int], None] = ignore,
) -> Score:
    """Return the loss on ids (N,) of a model that learns from them as it reads.

    `train` (M,) is its training text; `advance` is told of `GATHERING` steps for that, if it is
    there, and of N - 1 predictions. Raises ConfigError for a rate that is too high.
    """
    squares = None
    if train is not None:
        squares = mean_squares(model, train, options.dynamic_segment, advance)
    return evaluate_dynamically(model, ids, options, squares, advance)


def assess_dynamically(
    saved: Checkpoint,
    names: Sequence[str],
    evaluation: EvaluationConfig,
    options: DynamicConfig,
    train: Sequence[str],
    progress: Progress,
) -> Assessment:
    """Score a text with a language model, as it is and as it learns. Raises InputError.

    `train` names the files of the training text, where they have moved.
    """
    model, vocabulary = saved.model, saved.vocabulary
    ids, outside = read_for_scoring(names, evaluation.encoding, vocabulary)
    statistics = statistics_for(saved, train)
    static = assessment_of(model, vocabulary, ids, outside, evaluation, progress)
    steps = len(ids) - 1 + (0 if statistics.ids is None else GATHERING)
    with progress(steps) as advance:
        score = dynamic_score(model, ids, options, statistics.ids, advance)
    found: dict[str, Any] = {
        "nats_per_char": score.nats_per_symbol,
        "bits_per_char": score.bits_per_symbol,
        "perplexity": score.perplexity,
        "rate": options.dynamic_rate,
        "decay": options.dynamic_decay,
        "segment": options.dynamic_segment,
        "statistics": statistics.source,
    }
    return Assessment(
        static.summary,
        static.content | {"dynamic": found},
        [table(static.content, found, vocabulary.unit)],
        [*unknown_notes(outside, vocabulary), *statistics.notes],
    )


def table(static: dict[str, Any], dynamic: dict[str, Any], unit: str) -> Table:
    """Return the figures of both evaluations, and what the dynamic one was done with."""
    title = (
        f"Dynamic evaluation: rate {dynamic['rate']:g}, decay {dynamic['decay']:g}, segments of "
        f"{dynamic['segment']:,} {unit}s, gradient statistics of the {dynamic['statistics']}"
    )
    rows = [
        [name, *(f"{figures[key]:.{digits}f}" for key, digits in FIGURES)]
        for name, figures in (("static", static), ("dynamic", dynamic))
    ]
    return Table(
        title, ["evaluation", f"nats/{unit}", f"bits/{unit}", "perplexity"], rows, ["evaluation"]
    )


FIGURES = (("nats_per_char", 4), ("bits_per_char", 4), ("perplexity", 3))  # with their decimals
