"""Formats of files of examples: how lines become texts and what they are labelled with.

    tsv       text<TAB>target, in columns that options choose; features may have a third column
    fasttext  __label__x text
    classes   a file for each class, named after it; each line is a text
    conll     a token and its tag on a line; a blank line ends a sequence

Blank lines are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from charnn.errors import CorpusError
from charnn.options import shown
from charnn.text.record_layout import LABEL, Layout
from charnn.text.record_lines import Lines, filled
from charnn.text.symbols import split

LONGEST = 100_000  # symbols of a sequence; its states take gigabytes from there on


class Example(NamedTuple):
    """A text's symbols and features, and the symbols of what it is labelled with."""

    text: Sequence[str]
    features: Sequence[str]
    target: Sequence[str]


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
        lines.count_columns(len(columns))
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
        if layout.guessed and ("\t" in line or line.startswith(LABEL)):
            has, other = ("a tab", "tsv") if "\t" in line else (LABEL, "fasttext")
            raise lines.error(
                f"{shown(line)} has {has}, but the first line of all had none, so that each line "
                "was taken for a text of the class that its file is named after; give --format "
                f"{other}, or --format classes."
            )
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
        lines.count_columns(len(columns))
        if not columns[source] or not columns[target]:
            raise lines.error(f"{shown(line)} has an empty token or tag; give both.")
        if len(tokens) == LONGEST:
            raise lines.error(
                f"a sequence of more than {LONGEST:,} tokens ends nowhere before this line; end "
                "each with a blank line."
            )
        check_known(lines, [columns[target]], layout)
        tokens.append(columns[source])
        tags.append(columns[target])
    if tokens:
        yield Example(tokens, [], tags)


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
    if len(text) > LONGEST:
        raise lines.error(
            f"{shown(line)} has {len(text):,} symbols, and at most {LONGEST:,} are read as one "
            "sequence; divide it, or leave out the line."
        )
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
                f"{shown(''.join(text))} has {counted(len(text), 'symbol')}, but "
                f"{shown(''.join(target))} has {counted(len(target), 'tag')}; give a tag for each "
                "symbol (--source-sep and --target-sep say what separates them; --format conll "
                "reads a token a line)."
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
            if layout.format == "classes":
                raise lines.error(
                    f"the file's name gives its lines the class {shown(symbol)}, which is not one "
                    f"of training's ({some(sorted(layout.known))}); name it after one of them, or "
                    "write lines text<TAB>class."
                )
            raise lines.error(
                f"the {kind} {shown(symbol)} is not one of training's "
                f"({some(sorted(layout.known))}); correct it, or train with examples of it."
            )


def counted(number: int, what: str) -> str:
    """Return a number of things: `1 tag`, `2 tags`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names, separated by commas."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
