"""The tasks, and the options of those that learn from files of examples."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from charnn.errors import ConfigError
from charnn.options import Section, option, shown

LM = ("lm",)
RECORDS = ("classify", "tag", "transduce", "generate")  # tasks whose examples are lines of a file
WHOLE = ("classify", "tag", "transduce")  # tasks that see a whole sequence before they answer
TASKS = (*LM, *RECORDS)
FED_BACK = ("lm", "transduce", "generate")  # tasks that read their own output


def in_words(tasks: Collection[str] | None) -> str:
    """Return tasks as a sentence names them: `the tasks classify, tag and transduce`."""
    *others, last = tasks or TASKS
    return f"the tasks {', '.join(others)} and {last}" if others else f"the task {last}"


@dataclass(frozen=True)
class TaskConfig(Section):
    """What is learned."""

    task: str = option(
        "lm",
        "lm: the next character of a text; classify: a class for each line; tag: a tag for each "
        "character; transduce: one sequence into another; generate: lines of a given class.",
        choices=TASKS,
    )


@dataclass(frozen=True)
class RecordsConfig(Section):
    """How files of examples are read, for all tasks but the language model's."""

    format: str = option(
        "auto",
        "tsv: columns; fasttext: __label__x before the text; classes: a file for each class; "
        "conll: a symbol and its tag on each line, a blank line after each sequence.",
        choices=("auto", "tsv", "fasttext", "classes", "conll"),
        tasks=RECORDS,
    )
    source_col: int = option(
        1, "Column of the source (tsv, conll).", minimum=1, maximum=1_000, tasks=RECORDS
    )
    target_col: int = option(
        2, "Column of the target (tsv, conll).", minimum=1, maximum=1_000, tasks=RECORDS
    )
    features_col: int | None = option(
        None,
        "Column of the features that are read with the source (tsv; none: no features).",
        minimum=1,
        maximum=1_000,
        tasks=("transduce",),
    )
    source_sep: str | None = option(
        None, "What separates the source's symbols (none: each character is one).", tasks=RECORDS
    )
    target_sep: str | None = option(
        None,
        "What separates the target's symbols (none: each character is one).",
        tasks=("tag", "transduce", "generate"),
    )
    features_sep: str = option(";", "What separates the features.", tasks=("transduce",))
    val: str | None = option(
        None,
        "File of the validation part (none: a random --val-fraction of the examples).",
        tasks=RECORDS,
    )
    test: str | None = option(
        None,
        "File of the test part (none: a random --test-fraction of the examples).",
        tasks=RECORDS,
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        columns = {
            "source_col": self.source_col,
            "target_col": self.target_col,
            "features_col": self.features_col,
        }
        for name, column in columns.items():
            for other, taken in columns.items():
                if column is not None and name < other and column == taken:
                    raise ConfigError(
                        f"{name} and {other} are both {column}; give each a column of its own."
                    )
        for name in ("source_sep", "target_sep", "features_sep"):
            if getattr(self, name) in ("", "\t", "\n"):
                raise ConfigError(
                    f"{name} is {shown(getattr(self, name))}; give a text that is not empty, a tab "
                    "or a line feed."
                )
