"""Reading files of examples, for all tasks but the language model's, into arrays of ids."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from charnn.arrays import Array
from charnn.config import Config
from charnn.errors import CorpusError
from charnn.options import shown
from charnn.text.pairs import Examples, Pairs, Sequences, id_dtype
from charnn.text.record_formats import LABEL, Layout, examples_in
from charnn.text.record_lines import Lines
from charnn.text.record_parts import random_parts, shared
from charnn.text.source import STANDARD_INPUT, ignore, quoted
from charnn.text.symbols import PairVocabulary, Symbols, split

PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


class Numbers(dict[str, int]):
    """Symbols by the order in which they are first asked for: 0, 1, 2, ..."""

    def __missing__(self, symbol: str) -> int:
        number = self[symbol] = len(self)
        return number


@dataclass
class Column:
    """Sequences as they are read: numbers of symbols, a few bytes each, at any length of a file."""

    numbers: Numbers = field(default_factory=Numbers)
    ids: array[int] = field(default_factory=lambda: array("I"))
    ends: array[int] = field(default_factory=lambda: array("q", [0]))

    def add(self, symbols: Sequence[str]) -> None:
        """Add a sequence."""
        self.ids.extend(map(self.numbers.__getitem__, symbols))
        self.ends.append(len(self.ids))

    def counts(self) -> dict[str, int]:
        """Return how often each symbol occurs."""
        found = np.bincount(np.frombuffer(self.ids, np.uintc), minlength=len(self.numbers))
        return dict(zip(self.numbers, found.tolist(), strict=True))

    def encoded(self, find: Callable[[Iterable[str]], Array], size: int) -> Sequences:
        """Return the sequences in ids below `size`, which `find` gives for symbols."""
        table = find(self.numbers).astype(id_dtype(size))
        return Sequences(table[np.frombuffer(self.ids, np.uintc)], np.array(self.ends, np.int64))


@dataclass
class Columns:
    """Examples as they are read."""

    source: Column = field(default_factory=Column)
    features: Column = field(default_factory=Column)
    target: Column = field(default_factory=Column)

    def __len__(self) -> int:
        return len(self.source.ends) - 1

    def pairs(self, vocabulary: PairVocabulary) -> Pairs:
        """Return the examples in ids of a vocabulary."""
        size, size_out = vocabulary.source_size, vocabulary.target_size
        sources = self.source.encoded(vocabulary.encode_source, size)
        if self.features.ids:
            beside = self.features.encoded(lambda names: vocabulary.encode_source((), names), size)
            sources = sources.followed_by(beside)
        return Pairs(sources, self.target.encoded(vocabulary.target.encode, size_out))


def read_examples(
    names: Sequence[str],
    config: Config,
    vocabulary: PairVocabulary | None = None,
    advance: Callable[[int], None] = ignore,
) -> Examples:
    """Read files of examples, in the format and the parts that a configuration asks for.

    Without `vocabulary`, that of the files `names` is built; the files of the validation and test
    parts are read with it, so that what only they hold is unknown. `advance` is told the bytes
    read. Raises CorpusError, which names file and line, ConfigError for a format that is not one of
    the task's, and VocabularyError where `--min-count` keeps no symbol.
    """
    records, notes = config.records, []
    check_standard_input([*names, records.val or "", records.test or ""])
    columns, layout = read_columns(names, config, vocabulary, advance)
    check_enough(columns, names, config)
    if config.records.format == "auto" and layout.format == "conll":
        notes.append("read as a token and its tag on each line; --format chooses another format.")
    vocabulary = vocabulary or vocabulary_of(columns, layout, config)
    whole = columns.pairs(vocabulary)
    del columns
    parts = dict(zip(PART_NAMES, divided(whole, config, vocabulary), strict=True))
    for part, name in (("val", records.val), ("test", records.test)):
        if name is not None:
            others, _ = read_columns([name], config, vocabulary, advance)
            check_any(others, [name])
            parts[part] = others.pairs(vocabulary)
    for part in ("val", "test"):
        notes += notes_on(parts[part], parts["train"], PART_NAMES[part])
    unknown = sum(sum(unknown_in(pairs, vocabulary)) for pairs in parts.values())
    for part, pairs in parts.items():
        notes += unknown_notes(pairs, vocabulary, PART_NAMES[part])
    name = Lines(names[0], config.data.encoding).label
    train, val, test = parts.values()
    return Examples(name, list(names), vocabulary, train, val, test, unknown, notes)


def read_for_scoring_pairs(
    names: Sequence[str], config: Config, vocabulary: PairVocabulary
) -> tuple[Pairs, list[str]]:
    """Return the examples of files to score, and what the user should know of them.

    Raises CorpusError, as for a label or tag that the vocabulary lacks.
    """
    check_standard_input(names)
    columns, _ = read_columns(names, config, vocabulary, ignore)
    check_any(columns, names)
    pairs = columns.pairs(vocabulary)
    return pairs, unknown_notes(pairs, vocabulary, "test")


def source_of(line: str, config: Config, vocabulary: PairVocabulary) -> Array:
    """Return the source's ids (S,) of a line of input to predict from. Raises CorpusError.

    The line is the source, unless it has several columns: then it is in those that the
    configuration names. A label of fastText's before it is left out.
    """
    records, line = config.records, line.rstrip("\r\n")
    text, beside = line, ""
    if "\t" in line and "\t" not in vocabulary.source:
        columns = line.split("\t")
        needed = max(records.source_col, records.features_col or 1)
        if len(columns) < needed:
            raise CorpusError(
                f"the line {shown(line)} has {len(columns)} columns, and column {needed} is "
                "needed; give the columns of the training files (the target's may be empty)."
            )
        text = columns[records.source_col - 1]
        if records.features_col is not None:
            beside = columns[records.features_col - 1]
    elif records.features_col is not None:
        raise CorpusError(
            f"the line {shown(line)} has no tab, but the features are column "
            f"{records.features_col}; give the columns of the training files (the target's may be "
            "empty)."
        )
    if text.startswith(LABEL) and records.format in ("auto", "fasttext"):
        text = text.partition(" ")[2].lstrip(" ")
    symbols = vocabulary.split_source(text)
    if not symbols:
        raise CorpusError(f"the line {shown(line)} has an empty text; give one, or leave it out.")
    return vocabulary.encode_source(symbols, split(beside, records.features_sep))


def read_columns(
    names: Sequence[str],
    config: Config,
    vocabulary: PairVocabulary | None,
    advance: Callable[[int], None],
) -> tuple[Columns, Layout]:
    """Read files of one format. With a vocabulary, labels and tags must be its own."""
    files = [Lines(name, config.data.encoding) for name in names]
    layout = Layout.of(config).resolved(files)
    if vocabulary is not None and layout.task != "transduce":
        labels = vocabulary.source if layout.task == "generate" else vocabulary.target
        layout = replace(layout, known=frozenset(labels.names))
    if layout.format == "classes" and vocabulary is None:
        check_labels(files)
    columns = Columns()
    for lines in files:
        lines.files.advance = advance
        for text, features, target in examples_in(lines, layout):
            source, answer = (target, text) if layout.task == "generate" else (text, target)
            columns.source.add(source)
            columns.features.add(features)
            columns.target.add(answer)
    return columns, layout


def vocabulary_of(columns: Columns, layout: Layout, config: Config) -> PairVocabulary:
    """Return the vocabulary of examples. Labels and tags are all known; other symbols may not be.

    Symbols of texts that are rarer than `min_count` are unknown.
    """
    source, target = columns.source.counts(), columns.target.counts()
    features, least = columns.features.counts(), config.data.min_count
    source_sep, target_sep = config.records.source_sep, config.records.target_sep
    if layout.format == "conll":  # whole tokens and tags
        source_sep, target_sep = source_sep or " ", target_sep or " "
    if layout.task == "generate":
        known, texts = Symbols.from_counts(source), Symbols.from_counts(target, least, unknown=True)
        return PairVocabulary(known, texts, None, target_sep)
    kept = Symbols(tuple(sorted(name for name, count in features.items() if count >= least)))
    answers = Symbols.from_counts(target, unknown=layout.task == "transduce")
    texts = Symbols.from_counts(source, least, unknown=True)
    return PairVocabulary(texts, answers, source_sep, target_sep, kept)


def divided(whole: Pairs, config: Config, vocabulary: PairVocabulary) -> list[Pairs]:
    """Return the parts of examples: random ones, but those that have a file of their own."""
    records, task = config.records, config.task.task
    labels, names = np.zeros(len(whole), np.intp), vocabulary.target.names
    if task == "classify":
        labels = whole.targets.ids.astype(np.intp)
    elif task == "generate":
        labels, names = whole.sources.ids.astype(np.intp), vocabulary.source.names
    val_fraction = 0.0 if records.val is not None else config.data.val_fraction
    rows = random_parts(labels, config.training.seed, val_fraction, config.data.test_fraction)
    lost = np.setdiff1d(labels, labels[rows[0]])
    if len(rows[0]) < 2 or len(lost):
        few = (
            f"and {len(lost):,} classes (such as {shown(names[lost[0]])}) none" if len(lost) else ""
        )
        raise CorpusError(
            f"training keeps {len(rows[0]):,} of {len(whole):,} examples {few}".rstrip()
            + "; give more examples, or lower --val-fraction and --test-fraction."
        )
    return [whole.take(part) for part in rows]


def check_standard_input(names: Sequence[str]) -> None:
    """Raise CorpusError where standard input is given more than once."""
    if names.count(STANDARD_INPUT) > 1:
        raise CorpusError("standard input (-) can be read only once; give - only once.")


def check_labels(files: Sequence[Lines]) -> None:
    """Raise CorpusError where two files are named after the same class."""
    owners: dict[str, str] = {}
    for lines in files:
        if lines.label in owners:
            raise CorpusError(
                f"the files '{owners[lines.label]}' and '{lines.name}' both hold the class "
                f"{shown(lines.label)}; rename one, or put their lines into one file."
            )
        owners[lines.label] = lines.name


def check_any(columns: Columns, names: Sequence[str]) -> None:
    """Raise CorpusError where there is no example."""
    if not len(columns):
        raise CorpusError(f"{quoted(names)} has no example; give a file with some.")


def check_enough(columns: Columns, names: Sequence[str], config: Config) -> None:
    """Raise CorpusError where nothing can be learned from examples."""
    check_any(columns, names)
    kinds = {"classify": "class", "tag": "tag"}
    task, answers = config.task.task, list(columns.target.numbers)
    if task in kinds and len(answers) == 1:
        how = "a file for each class, or lines text<TAB>class" if task == "classify" else "others"
        raise CorpusError(
            f"all examples of {quoted(names)} have the {kinds[task]} {shown(answers[0])}; "
            f"give {how}, so that there is something to tell apart."
        )


def notes_on(part: Pairs, train: Pairs, name: str) -> list[str]:
    """Return what the user should know of a part beside the training part."""
    count = shared(part, train)
    if not count:
        return []
    return [f"{count:,} of {len(part):,} {name} examples are also in the training part."]


def unknown_in(pairs: Pairs, vocabulary: PairVocabulary) -> tuple[int, int]:
    """Return how many symbols of sources and of targets are unknown."""
    counts = [
        0 if unknown is None else int((sequences.ids == unknown).sum())
        for sequences, unknown in (
            (pairs.sources, vocabulary.unknown_source_id),
            (pairs.targets, vocabulary.target.unknown_id),
        )
    ]
    return counts[0], counts[1]


def unknown_notes(pairs: Pairs, vocabulary: PairVocabulary, name: str) -> list[str]:
    """Return what the user should know of unknown symbols in a part."""
    sources, targets = unknown_in(pairs, vocabulary)
    notes = []
    if sources:
        notes.append(
            f"{sources:,} of {len(pairs.sources.ids):,} source symbols of the {name} part are "
            "unknown."
        )
    if targets:
        notes.append(
            f"{targets:,} of {len(pairs.targets.ids):,} target symbols of the {name} part are "
            "unknown, which a model never writes."
        )
    return notes
