"""A model of one text, to go into the text's file: trained on all of it, for a limited time.

The width is the one from which the smallest file is expected (`charnn.compression.model_size`): of
each that comes into question some updates are timed, which tells how much of the text it would see
in the time. The number of updates is planned by that, so that the learning rate's schedule ends in
time. In the first part of the time the plan still follows the machine's pace; after that, the end
is only ever drawn closer, where the machine becomes slower.

Nothing is held out: a model that knows this text by heart is what is wanted, as far as its weights
are fewer than what they save. So there is no dropout, either.
"""

from __future__ import annotations

import codecs
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from charnn.arrays import Array
from charnn.compression.model_size import (
    MOST_PASSES,
    WIDTHS,
    expected_bytes,
    least_count,
    weights_of,
    width_without_a_limit,
    with_width,
)
from charnn.config import Config
from charnn.engines.shards import default_shards
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.tasks.text_defaults import suited
from charnn.text.batches import BOTH, fit_streams
from charnn.text.corpus import Corpus, corpus_in_memory
from charnn.text.source import ignore
from charnn.text.vocabulary import CODE_POINTS, Vocabulary, code_points
from charnn.training.events import Step
from charnn.training.setup import prepared
from charnn.training.time_budget import MEASURED, PART_MEASURED, pace_of
from charnn.training.trainer import Trainer

BLOCK = 1 << 20  # bytes read at a time
FEWEST_CHARACTERS = 2
CHECK = 16  # updates between two looks at the clock
EARLY = 0.15  # of the time, in which the number of updates follows the pace either way
RESERVE = 0.05  # of what is left then
OPTIONS = {
    "cell": "lstm",
    "dropout": 0.0,
    "val_fraction": 0.0,
    "sample_length": 0,
    "eval_every": 1_000,  # a good state to return to, should the loss become infinite
}


@dataclass(frozen=True)
class OwnModel:
    """A model of one text, and how it came about."""

    model: LanguageModel
    vocabulary: Vocabulary
    updates: int
    passes: float  # over the text
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A configuration, how many updates of it are made, and how large the file may become."""

    config: Config
    updates: int
    expected: float


def train_on(
    path: Path, seconds: float, seed: int = 1, advance: Callable[[int], None] = ignore
) -> OwnModel:
    """Train a model on a file's text for at most some seconds.

    `advance` is told the milliseconds that have gone by. Where there is nothing to predict, the
    model is left untrained. Raises OSError for a file that cannot be read.
    """
    began = time.perf_counter()
    config = Config.from_values(OPTIONS | {"seed": seed})
    counts = counted(path)
    characters = int(counts.sum())
    if characters < FEWEST_CHARACTERS:
        vocabulary = vocabulary_of(counts, 1) if characters else Vocabulary(" ")
        model = LanguageModel.initialized(
            with_width(config.model, WIDTHS[0]), len(vocabulary), seed
        )
        return OwnModel(model, vocabulary, 0, 0.0, time.perf_counter() - began)
    widest = width_without_a_limit(config.model, counts)
    vocabulary = vocabulary_of(counts, least_count(widest))
    with encoded(path, vocabulary, characters) as corpus:
        plan = plan_for(config, corpus, widest, seconds - (time.perf_counter() - began))
        own, _ = suited(plan.config.replace(steps=plan.updates), characters, OPTIONS)
        run = prepared(own, corpus)
        follow(run, began, seconds, advance)
        model, made = run.model, run.progress.update
        passes = run.source.epochs(made)
    return OwnModel(model, vocabulary, made, passes, time.perf_counter() - began)


def follow(run: Trainer, began: float, seconds: float, advance: Callable[[int], None]) -> None:
    """Make a run's updates: more or fewer than planned, as the machine is faster or slower."""
    started, told, steps = time.perf_counter(), 0, 0
    most = max(run.total, int(MOST_PASSES / run.source.epochs(1)))
    try:
        for event in run.run():
            if not isinstance(event, Step):
                continue
            steps += 1
            if steps % CHECK == 0:
                now = time.perf_counter()
                gone = int(1000 * (now - began))  # rounded once, so that the sum does not drift
                advance(gone - told)
                told = gone
                left = max(0.0, (began + seconds - now) * steps / (now - started))
                if now - began < EARLY * seconds:
                    run.total = min(most, event.update + int((1 - RESERVE) * left))
                else:
                    run.total = min(run.total, event.update + int(left))
    finally:
        run.engine.close()


def plan_for(config: Config, corpus: Corpus, widest: int, seconds: float) -> Plan:
    """Return the plan from which the smallest file is expected, of widths up to the widest.

    They are tried from the narrowest on, as long as the file is expected to become smaller.
    """
    characters = len(corpus.ids)
    began = time.perf_counter()
    plans: list[Plan] = []
    for width in [each for each in WIDTHS if each <= widest]:
        own = fitted(config.replace(hidden_size=width), corpus)
        training = own.training
        pace = pace_of(own, corpus, seconds=min(MEASURED, PART_MEASURED * seconds))
        left = seconds - (time.perf_counter() - began)
        symbols = training.batch_size * training.seq_length
        most = max(1, MOST_PASSES * characters // symbols)
        updates = min(most, pace.updates(left, most))
        weights = weights_of(own.model, len(corpus.vocabulary))
        plan = Plan(own, updates, expected_bytes(weights, characters, updates * symbols))
        if plans and plan.expected >= plans[-1].expected:
            break
        plans.append(plan)
    return plans[-1]


def fitted(config: Config, corpus: Corpus) -> Config:
    """Return a configuration whose batches the text can fill, with the shards that suit them."""
    training, symbols = config.training, len(corpus.vocabulary)
    batch, steps = fit_streams(len(corpus.ids), training.batch_size, training.seq_length, BOTH)
    config = config.replace(batch_size=batch, seq_length=steps)
    shards = default_shards(config, Sizes(symbols, symbols), batch * steps)
    return config.replace(shards=shards)


def text_of(path: Path) -> Iterator[str]:
    """Yield a file's text in blocks; bytes that are no UTF-8 are surrogate escapes."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def counted(path: Path) -> Array:
    """Return how often each code point occurs in a file, (0x110000,)."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for block in text_of(path):
        found = np.bincount(code_points(block))
        counts[: len(found)] += found
    return counts


def vocabulary_of(counts: Array, least: int) -> Vocabulary:
    """Return the characters that occur often enough, with an unknown symbol if there are others.

    The most frequent character is always one of them.
    """
    enough = counts >= min(least, int(counts.max()))
    symbols = "".join(map(chr, np.flatnonzero(enough).tolist()))
    return Vocabulary(symbols, unknown=bool(counts[~enough].any()))


@contextmanager
def encoded(path: Path, vocabulary: Vocabulary, characters: int) -> Iterator[Corpus]:
    """Write a text's ids to a temporary file, from which all shards of a run read them."""
    with tempfile.TemporaryDirectory(prefix="charnn-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "ids"
        with place.open("wb") as file:
            for block in text_of(path):
                file.write(vocabulary.encode(block).data)
        ids = np.memmap(place, vocabulary.id_dtype, "r", shape=(characters,))
        yield replace(corpus_in_memory(ids, vocabulary, path.name), path=place)
