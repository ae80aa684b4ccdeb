"""Reading files of examples, for all tasks but the language model's, into arrays of ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from charnn.arrays import Array
from charnn.config import Config
from charnn.errors import CorpusError
from charnn.options import shown
from charnn.text.pairs import PARTS, Examples, Pairs
from charnn.text.record_columns import Columns
from charnn.text.record_formats import counted, examples_in
from charnn.text.record_layout import LABEL, Layout
from charnn.text.record_lines import Lines
from charnn.text.record_parts import notes_on, random_parts, unknown_in, unknown_notes
from charnn.text.source import STANDARD_INPUT, ignore, is_stream, name_of, quoted
from charnn.text.symbols import PairVocabulary, Symbols, split


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
    records = config.records
    apart = {"val": records.val, "test": records.test}
    check_standard_input([*names, *(name or "" for name in apart.values())])
    files = lines_of(names, config)
    others = {part: lines_of([name], config) for part, name in apart.items() if name is not None}
    columns, layout = read_columns(files, config, vocabulary, advance)
    check_enough(columns, names, layout)
    notes = notes_on_reading(columns, names, layout)
    vocabulary = vocabulary or vocabulary_of(columns, layout, config)
    whole = columns.pairs(vocabulary)
    del columns  # a few times the memory of the pairs
    parts = dict(zip(PARTS, divided(whole, config, vocabulary), strict=True))
    for part, lines in others.items():
        parts[part] = read_columns(lines, config, vocabulary, advance)[0].pairs(vocabulary)
    unknown = 0
    for part, pairs in parts.items():
        notes += notes_on(part, pairs, parts["train"], vocabulary)
        unknown += sum(unknown_in(pairs, vocabulary))
    train, val, test = parts.values()
    for read in (files, *others.values()):
        notes += [note for lines in read for note in lines.notes]
    return Examples(name_of(names), list(names), vocabulary, train, val, test, unknown, notes)


def read_for_scoring_pairs(
    names: Sequence[str],
    config: Config,
    vocabulary: PairVocabulary,
    advance: Callable[[int], None] = ignore,
) -> tuple[Pairs, list[str]]:
    """Return the examples of files to score, and what the user should know of them.

    Raises CorpusError, as for a label or tag that the vocabulary lacks.
    """
    check_standard_input(names)
    columns, _ = read_columns(lines_of(names, config), config, vocabulary, advance)
    pairs = columns.pairs(vocabulary)
    return pairs, unknown_notes(pairs, vocabulary)


def bytes_to_read(names: Sequence[str], config: Config) -> int | None:
    """Return the size of all files that `read_examples` reads; None where it is not known."""
    apart = [name for name in (config.records.val, config.records.test) if name is not None]
    every = [*names, *apart]
    if any(is_stream(name) or name.endswith(".gz") or not Path(name).is_file() for name in every):
        return None
    return sum(Path(name).stat().st_size for name in every)


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
        text = "".join(text.split(maxsplit=1)[1:])
    symbols = vocabulary.split_source(text)
    if not symbols:
        raise CorpusError(f"the line {shown(line)} has an empty text; give one, or leave it out.")
    return vocabulary.encode_source(symbols, split(beside, records.features_sep))


def read_columns(
    files: Sequence[Lines],
    config: Config,
    vocabulary: PairVocabulary | None,
    advance: Callable[[int], None],
) -> tuple[Columns, Layout]:
    """Read files of one format. With a vocabulary, labels and tags must be its own."""
    layout = Layout.of(config)
    if layout.format == "auto":
        layout = replace(layout, format=layout.found_in(files, vocabulary), guessed=True)
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
            if layout.features_col is not None:
                columns.features.add(features)
            columns.target.add(answer)
    if not len(columns):
        raise CorpusError(
            f"{quoted([lines.name for lines in files])} has no example; give a file with some."
        )
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
    if len(rows[0]) < 2:
        raise CorpusError(
            f"{len(rows[0]):,} of {len(whole):,} examples are left for training, and at least 2 "
            "are needed; give more examples, or lower --val-fraction and --test-fraction."
        )
    if len(lost):
        raise CorpusError(
            f"{len(lost):,} of {len(names):,} classes, such as {shown(names[lost[0]])}, have no "
            "example left for training; give more examples, or lower --val-fraction and "
            "--test-fraction."
        )
    return [whole.take(part) for part in rows]


def lines_of(names: Sequence[str], config: Config) -> list[Lines]:
    """Return the lines of files, after a check that all can be opened. Raises CorpusError."""
    return [Lines(name, config.data.encoding) for name in names]


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


def check_enough(columns: Columns, names: Sequence[str], layout: Layout) -> None:
    """Raise CorpusError where nothing can be learned from examples."""
    kinds = {"classify": "class", "tag": "tag"}
    task, answers = layout.task, list(columns.target.numbers)
    if task in kinds and len(answers) == 1:
        how = "a file for each class, or lines text<TAB>class" if task == "classify" else "others"
        raise CorpusError(
            f"all examples of {quoted(names)} have the {kinds[task]} {shown(answers[0])}; "
            f"give {how}, so that there is something to tell apart."
        )
    if len(columns) < 2:
        how = "; in this format a blank line ends each sequence" if layout.format == "conll" else ""
        raise CorpusError(
            f"{quoted(names)} has only 1 example, and training needs at least 2; give more{how}."
        )


def notes_on_reading(columns: Columns, names: Sequence[str], layout: Layout) -> list[str]:
    """Return what the user should know of how files were read."""
    if layout.guessed and layout.format == "conll":
        return ["read as a token and its tag on each line; --format chooses another format."]
    labels = list(columns.source.numbers)
    if layout.task == "generate" and len(labels) == 1:
        examples, name = counted(len(columns), "example"), shown(labels[0])
        return [f"all {examples} of {quoted(names)} have the class {name}."]
    return []
