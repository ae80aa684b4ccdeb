"""Formats of files of examples: how lines become texts and what they are labelled with.

    tsv       text<TAB>target, in columns that options choose; features may have a third column
    fasttext  __label__x text
    classes   a file for each class, named after it; each line is a text
    conll     a token and its tag on a line; a blank line ends a sequence

Blank lines are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from charnn.config import Config
from charnn.errors import ConfigError, CorpusError
from charnn.options import shown
from charnn.text.record_lines import Lines, filled
from charnn.text.symbols import PairVocabulary, split

LABEL = "__label__"
LOOKED_AT = 1_000  # lines that `auto` decides by


class Example(NamedTuple):
    """A text's symbols and features, and the symbols of what it is labelled with."""

    text: Sequence[str]
    features: Sequence[str]
    target: Sequence[str]


@dataclass(frozen=True)
class Layout:
    """How lines are cut into a text and its target.

    `known` are the labels or tags that a target may have; None stands for any.
    """

    task: str
    format: str
    source_col: int = 1
    target_col: int = 2
    features_col: int | None = None
    text_sep: str | None = None
    target_sep: str | None = None
    features_sep: str = ";"
    known: Collection[str] | None = None

    @classmethod
    def of(cls, config: Config) -> Layout:
        """Return the layout that a configuration asks for. Raises ConfigError."""
        records, task = config.records, config.task.task
        allowed = FORMATS_OF[task]
        if records.format not in ("auto", *allowed):
            raise ConfigError(
                f"format is {records.format}, but the task {task} reads {' or '.join(allowed)}; "
                "leave out --format."
            )
        if task == "generate" and records.source_sep is not None:
            raise ConfigError(
                f"source_sep is {shown(records.source_sep)}, but the task generate reads a class, "
                "which is one symbol; give --target-sep for the symbols of its texts."
            )
        return cls(
            task,
            records.format,
            records.source_col,
            records.target_col,
            records.features_col,
            records.target_sep if task == "generate" else records.source_sep,
            records.target_sep,
            records.features_sep,
        )

    @property
    def labelled(self) -> bool:
        """Whether a text has one label, a single symbol, as its target."""
        return self.task in ("classify", "generate")

    def found_in(self, files: Sequence[Lines], vocabulary: PairVocabulary | None = None) -> str:
        """Return the format that `auto` stands for, by the first file with text.

        classify, generate: fasttext where the first line begins with `__label__`; tsv where it has
        a tab; otherwise classes. transduce: tsv. tag: that of the vocabulary, where it tells; conll
        where the first line has no tab, or where blank lines stand between the lines and these are
        not texts with a tag for each of their symbols; otherwise tsv. Raises CorpusError.
        """
        beginnings = (list(islice(lines, LOOKED_AT)) for lines in files)
        lines = next((lines for lines in beginnings if any(map(str.strip, lines))), [])
        first = next(filter(str.strip, lines), "")
        if self.labelled:
            columns = "tsv" if "\t" in first else "classes"
            return "fasttext" if first.startswith(LABEL) else columns
        if self.task != "tag" or not first:
            return "tsv"
        if vocabulary is not None and self.text_sep is None:
            return "tsv" if vocabulary.source_sep is None else "conll"
        return "conll" if "\t" not in first or self._grouped(lines) else "tsv"

    def _grouped(self, lines: list[str]) -> bool:
        """Return whether blank lines separate groups of tokens with their tags."""
        filled = [bool(line.strip()) for line in lines]
        if all(filled[filled.index(True) : len(filled) - filled[::-1].index(True)]):
            return False
        last = max(self.source_col, self.target_col)
        rows = [line.split("\t") for line in lines if line.strip()]
        if any(len(row) < last for row in rows):
            return True
        texts = [len(self.text_of(row[self.source_col - 1])) for row in rows]
        tags = [len(self.tags_of(row[self.target_col - 1])) for row in rows]
        return texts != tags or set(texts) == {1}

    def text_of(self, column: str) -> Sequence[str]:
        """Return a text's symbols."""
        return split(column, self.text_sep)

    def tags_of(self, column: str) -> Sequence[str]:
        """Return the symbols of a target that has several."""
        return split(column, self.target_sep)


def examples_in(lines: Lines, layout: Layout) -> Iterator[Example]:
    """Yield the examples of a file. Raises CorpusError, which names file and line."""
    return PARSERS[layout.format](lines, layout)


def tsv(lines: Lines, layout: Layout) -> Iterator[Example]:
    """Yield an example for each line, from its columns."""
    source, target = layout.source_col - 1, layout.target_col - 1
    features = None if layout.features_col is None else layout.features_col - 1
    needed = max(source, target, features or 0)
    for line in filled(lines):
        columns = line.split("\t")
        if len(columns) <= needed:
            raise too_few(lines, columns, layout)
        text = checked_text(lines, layout.text_of(columns[source]), line)
        beside = [] if features is None else split(columns[features], layout.features_sep)
        if layout.labelled:
            found: Sequence[str] = [checked_label(lines, columns[target], layout)]
        else:
            found = checked_target(lines, layout.tags_of(columns[target]), text, layout)
        yield Example(text, beside, found)


def fasttext(lines: Lines, layout: Layout) -> Iterator[Example]:
    """Yield an example for each line, which begins with its label."""
    for line in filled(lines):
        if not line.startswith(LABEL):
            raise lines.error(
                f"{shown(line)} does not begin with {LABEL}; begin each line with its label, or "
                "choose another --format."
            )
        label, text = [*line.split(maxsplit=1), ""][:2]
        if text.startswith(LABEL):
            raise lines.error(
                f"{shown(line)} has several labels, and one is read; leave the others out."
            )
        symbols = checked_text(lines, layout.text_of(text), line)
        yield Example(symbols, [], [checked_label(lines, label.removeprefix(LABEL), layout)])


def classes(lines: Lines, layout: Layout) -> Iterator[Example]:
    """Yield an example for each line, labelled with the file's name."""
    label: list[str] = []
    for line in filled(lines):
        label = label or [checked_label(lines, lines.label, layout)]
        yield Example(checked_text(lines, layout.text_of(line), line), [], label)


def conll(lines: Lines, layout: Layout) -> Iterator[Example]:
    """Yield an example for each group of lines, which hold a token and its tag each."""
    source, target = layout.source_col - 1, layout.target_col - 1
    tokens: list[str] = []
    tags: list[str] = []
    for line in lines:
        if not line.strip():
            if tokens:
                yield Example(tokens, [], tags)
                tokens, tags = [], []
            continue
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) <= max(source, target):
            raise too_few(lines, columns, layout)
        if not columns[source] or not columns[target]:
            raise lines.error(f"{shown(line)} has an empty token or tag; give both.")
        check_known(lines, [columns[target]], layout)
        tokens.append(columns[source])
        tags.append(columns[target])
    if tokens:
        yield Example(tokens, [], tags)


FORMATS_OF = {
    "classify": ("tsv", "fasttext", "classes"),
    "generate": ("tsv", "fasttext", "classes"),
    "tag": ("tsv", "conll"),
    "transduce": ("tsv",),
}
PARSERS: dict[str, Callable[[Lines, Layout], Iterator[Example]]] = {
    "tsv": tsv,
    "fasttext": fasttext,
    "classes": classes,
    "conll": conll,
}


def too_few(lines: Lines, columns: Sequence[str], layout: Layout) -> CorpusError:
    """Return the error of a line without the columns that are needed."""
    wanted = {"source": layout.source_col, "target": layout.target_col}
    if layout.features_col is not None:
        wanted["features"] = layout.features_col
    role, number = max(wanted.items(), key=lambda item: item[1])
    has = "no tab" if len(columns) == 1 else f"{len(columns)} columns"
    verb = "are" if role == "features" else "is"
    flags = " ".join(f"--{name}-col" for name in wanted)
    return lines.error(
        f"{shown(chr(9).join(columns))} has {has}, but the {role} {verb} column {number}; separate "
        f"columns with tabs, or choose others ({flags})."
    )


def checked_text(lines: Lines, text: Sequence[str], line: str) -> Sequence[str]:
    """Return a text that is not empty. Raises CorpusError."""
    if not text:
        raise lines.error(f"{shown(line)} has an empty text; give one, or leave out the line.")
    return text


def checked_label(lines: Lines, label: str, layout: Layout) -> str:
    """Return a label, without spaces around it. Raises CorpusError."""
    label = label.strip()
    if not label:
        raise lines.error("the label is empty; give one, or leave out the line.")
    check_known(lines, [label], layout)
    return label


def checked_target(
    lines: Lines, target: Sequence[str], text: Sequence[str], layout: Layout
) -> Sequence[str]:
    """Return a target of several symbols that fits its text. Raises CorpusError."""
    if layout.task == "tag":
        if len(target) != len(text):
            raise lines.error(
                f"{shown(''.join(text))} has {len(text):,} symbols, but {shown(''.join(target))} "
                f"has {len(target):,} tags; give a tag for each symbol (--source-sep and "
                "--target-sep say what separates them; --format conll reads a token a line)."
            )
        check_known(lines, target, layout)
    if not target:
        raise lines.error(f"the target of {shown(''.join(text))} is empty; give one.")
    return target


def check_known(lines: Lines, target: Sequence[str], layout: Layout) -> None:
    """Raise CorpusError for a label or tag that training does not have."""
    if layout.known is None:
        return
    for symbol in target:
        if symbol not in layout.known:
            kind = "tag" if layout.task == "tag" else "class"
            raise lines.error(
                f"the {kind} {shown(symbol)} is not one of training's "
                f"({some(sorted(layout.known))}); correct it, or train with examples of it."
            )


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names, separated by commas."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
