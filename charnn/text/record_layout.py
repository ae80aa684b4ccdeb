"""How lines of examples are cut: the format, the columns and what separates symbols."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.options import shown
from charnn.text.record_lines import Lines
from charnn.text.symbols import PairVocabulary, split

LABEL = "__label__"
LOOKED_AT = 1_000  # lines that `auto` decides by
FORMATS_OF = {
    "classify": ("tsv", "fasttext", "classes"),
    "generate": ("tsv", "fasttext", "classes"),
    "tag": ("tsv", "conll"),
    "transduce": ("tsv",),
}


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
    guessed: bool = False  # whether `auto` chose the format

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
