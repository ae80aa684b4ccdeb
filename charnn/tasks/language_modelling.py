"""Language modelling: the next symbol of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import Config, EvaluationConfig, SamplingConfig
from charnn.generation.feedback import window_fed_back
from charnn.generation.sampling import sample, stream
from charnn.models.adoption import adopt_weights
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.models.score import Score
from charnn.models.stack import LayerStates
from charnn.nn.parameters import SYMBOLS
from charnn.tasks.assessment import Assessment, Progress
from charnn.tasks.task import Dataset, Task
from charnn.tasks.text_defaults import suited
from charnn.text.batches import WHOLE, Batch, Share, Streams, fit_streams
from charnn.text.corpus import Corpus, encode_corpus, make_vocabulary, read_for_scoring
from charnn.text.source import TextFiles, ignore, size_of, stem
from charnn.text.vocabulary import Vocabulary, utf8

SAMPLE_TEMPERATURE = 0.8  # of the samples during training
SEPARATOR = b"\n---\n"  # between samples
NAMED = 8  # unknown characters that a note names


class LanguageModelling(Task):
    """The next symbol of a text."""

    name = "lm"
    title = "language modelling"
    model = LanguageModel
    illustration_title = f"at temperature {SAMPLE_TEMPERATURE:g}"
    use = "sample"

    def run_name(self, names: Sequence[str], config: Config) -> str:
        """Return the name of a run's default folder: that of its first file and of the cell."""
        return f"{stem(names[0])}-{config.model.cell}"

    def unit(self, vocabulary: Vocabulary) -> str:
        """Return what a loss is given per."""
        return vocabulary.unit

    def sizes(self, vocabulary: Vocabulary) -> Sizes:
        """Return the number of symbols, which are read and predicted."""
        return Sizes(len(vocabulary), len(vocabulary))

    def vocabulary(self, content: object) -> Vocabulary:
        """Return the vocabulary that `to_json` gave. Raises VocabularyError."""
        return Vocabulary.from_json(content)

    def bytes_to_read(self, names: Sequence[str], config: Config) -> int | None:
        """Return twice the size of the files: a text is counted, then encoded."""
        size = size_of(names)
        return None if size is None else 2 * size

    def read(
        self,
        names: Sequence[str],
        config: Config,
        *,
        vocabulary: Vocabulary | None = None,
        known: Vocabulary | None = None,
        advance: Callable[[int], None] = ignore,
    ) -> Corpus:
        """Read text files: see `Task.read`. A text's own vocabulary gets what is known, too."""
        files = TextFiles(names, config.data.encoding)
        files.advance = advance
        if known is not None and config.data.vocab is None:
            vocabulary = union(make_vocabulary(files, config.data), known)
        return encode_corpus(files, config.data, vocabulary)

    def adapted(
        self, config: Config, dataset: Dataset, fixed: Collection[str]
    ) -> tuple[Config, list[str]]:
        """Return a configuration whose batches the text can fill: see `Task.adapted`."""
        training, notes, size = config.training, [], dataset.parts["train"]
        batch, steps = fit_streams(
            size,
            training.batch_size,
            training.seq_length,
            frozenset({"batch_size", "seq_length"} - set(fixed)),
        )
        changes = [
            f"{name} {now} instead of {before}"
            for name, now, before in (
                ("batch_size", batch, training.batch_size),
                ("seq_length", steps, training.seq_length),
            )
            if now != before
        ]
        if changes:
            notes.append(f"the training part has {size:,} symbols: {', '.join(changes)}.")
        if config.data.val_fraction and not dataset.has("val"):
            notes.append(
                "the text is too short for a validation part: the best is by training loss."
            )
        return config.replace(batch_size=batch, seq_length=steps), notes

    def suited(
        self, config: Config, dataset: Dataset, asked: Collection[str]
    ) -> tuple[Config, list[str]]:
        """Return a configuration with defaults for the text: see `Task.suited`."""
        return suited(config, dataset.parts["train"], asked)

    def adopt(
        self, model: LanguageModel, own: Vocabulary, source: LanguageModel, known: Vocabulary
    ) -> tuple[int, int]:
        """Copy a model's weights: see `Task.adopt`."""
        shared = shared_ids(own, known)
        adopt_weights(model, source, {SYMBOLS: shared})
        return len(own) - len(shared), len(own)

    def source(self, arrays: Arrays, config: Config) -> Streams:
        """Return the windows of the training part."""
        training = config.training
        return Streams(
            arrays["train"], training.batch_size, training.seq_length, training.curriculum
        )

    def description(self, dataset: Corpus) -> dict[str, str]:
        """Return the text's size and its parts': see `Task.description`."""
        vocabulary = dataset.vocabulary
        parts = ", ".join(f"{name} {size:,}" for name, size in dataset.parts.items())
        unknown = f", {dataset.unknown:,} became unknown" if vocabulary.unknown else ""
        return {
            "corpus": f"{dataset.name}: {len(dataset.ids):,} {vocabulary.unit}s ({parts})",
            "vocabulary": f"{len(vocabulary)} symbols{unknown}",
        }

    def batch_in_words(self, config: Config) -> str:
        """Return the size of a window."""
        training = config.training
        unit = "byte" if config.data.tokens == "bytes" else "char"
        return f"{training.batch_size} x {training.seq_length} {unit}s"

    def illustration(self, model: LanguageModel, dataset: Corpus, config: Config) -> str:
        """Return a short sample, always drawn with the same seed."""
        options = SamplingConfig(
            length=config.training.sample_length,
            temperature=SAMPLE_TEMPERATURE,
            seed=config.training.seed,
        )
        (text,) = sample(model, dataset.vocabulary, options)
        return text.decode("utf-8", "replace")

    def evaluate(
        self, model: LanguageModel, arrays: Arrays, part: str, share: Share = WHOLE
    ) -> Score:
        """Return the loss on a part, its states carried through: see `Task.evaluate`."""
        return evaluate(model, arrays[part], share=share)

    def assess(
        self,
        model: LanguageModel,
        vocabulary: Vocabulary,
        config: Config,
        names: Sequence[str],
        options: EvaluationConfig,
        progress: Progress,
    ) -> Assessment:
        """Score a text: see `Task.assess`."""
        ids, outside = read_for_scoring(names, options.encoding, vocabulary)
        return assessment_of(model, vocabulary, ids, outside, options, progress)

    def next_command(self, run: str, vocabulary: Vocabulary | None = None) -> str:
        """Return how text is drawn: see `Task.next_command`."""
        return f"sample {run} --len 500"

    def sampling_notes(self, vocabulary: Vocabulary, options: SamplingConfig) -> list[str]:
        """Return what becomes of a prime's characters that the model does not know."""
        outside = vocabulary.outside(options.prime)
        if not outside:
            return []
        fate = "read as the unknown symbol" if vocabulary.unknown else "left out"
        names = ", ".join(map(repr, outside))
        return [f"the prime has {names}, which the model does not know; {fate}."]

    def stream(
        self, model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig
    ) -> Iterator[bytes]:
        """Yield one sample piece by piece, or several with a separator between them."""
        start = utf8(options.prime)
        if options.num == 1:
            yield start
            yield from stream(model, vocabulary, options)
        else:
            yield SEPARATOR.join(start + text for text in sample(model, vocabulary, options))

    def samples(
        self, model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig
    ) -> Iterator[dict[str, Any]]:
        """Yield complete samples: see `Task.samples`."""
        for number, text in enumerate(sample(model, vocabulary, options)):
            yield {
                "sample": number,
                "seed": options.seed,
                "prime": options.prime,
                "text": text.decode("utf-8", "replace"),
            }

    def fed_back(
        self,
        model: LanguageModel,
        batch: Batch,
        states: LayerStates,
        share: float,
        random: np.random.Generator,
    ) -> Batch:
        """Return a window of which only a share is the text's: see `Task.fed_back`."""
        return window_fed_back(model, batch, states, share, random)


def assessment_of(
    model: LanguageModel,
    vocabulary: Vocabulary,
    ids: Array,
    outside: Counter[str],
    options: EvaluationConfig,
    progress: Progress,
) -> Assessment:
    """Score ids (N,) of a text; `outside` are its characters that the vocabulary lacks, counted."""
    with progress(len(ids) - 1) as advance:
        score = evaluate(model, ids, options.streams, advance)
    unknown, unit = sum(outside.values()), vocabulary.unit
    notes = unknown_notes(outside, vocabulary)
    characters = len(ids) + (0 if vocabulary.unknown else unknown)
    content = {
        "characters": characters,
        "unknown_characters": unknown,
        "nats_per_char": score.nats_per_symbol,
        "bits_per_char": score.bits_per_symbol,
        "perplexity": score.perplexity,
        "unit": unit,
    }
    summary = (
        f"{score.nats_per_symbol:.4f} nats/{unit}   {score.bits_per_symbol:.4f} bits/{unit}   "
        f"perplexity {score.perplexity:.3f}   {characters:,} {unit}s, {unknown:,} unknown"
    )
    return Assessment(summary, content, notes=notes)


def unknown_notes(outside: Counter[str], vocabulary: Vocabulary, done: str = "scored") -> list[str]:
    """Return what becomes of a text's characters that a vocabulary lacks, in a sentence, if any.

    `done` is what is done with the unknown symbol in their place.
    """
    if not outside:
        return []
    named = ", ".join(f"{char!r} {n:,}x" for char, n in outside.most_common(NAMED))
    more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
    fate = f"{done} as the unknown symbol" if vocabulary.unknown else "left out"
    return [f"{outside.total():,} characters are unknown to the model ({named}{more}); {fate}."]


def union(first: Vocabulary, second: Vocabulary) -> Vocabulary:
    """Return the vocabulary of the symbols of both."""
    symbols = "".join(sorted({*first.symbols, *second.symbols}))
    return Vocabulary(symbols, first.unknown or second.unknown, first.tokens)


def shared_ids(first: Vocabulary, second: Vocabulary) -> dict[int, int]:
    """Return the ids of the symbols that both have: first's to second's."""
    places = {symbol: number for number, symbol in enumerate(second.symbols)}
    shared = {n: places[symbol] for n, symbol in enumerate(first.symbols) if symbol in places}
    if first.unknown_id is not None and second.unknown_id is not None:
        shared[first.unknown_id] = second.unknown_id
    return shared
