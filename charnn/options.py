"""What an option is: a dataclass field that carries its type, default, bounds and help text.

The command line's flags, the keys of a YAML file, the environment variables, the validation and the
reference of the commands are all derived from these fields.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
import types
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from charnn.errors import ConfigError

Value: TypeAlias = str | int | float | bool | None

LANGUAGE_MODEL = "lm"  # the task whose defaults may follow from a text
LONGEST_SHOWN = 100  # characters of a value in a message
DECLARED: dict[type[Section], Mapping[str, Option]] = {}  # the sections read so far
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def option(
    default: Value,
    help: str,  # noqa: A002
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Collection[str] | None = None,
    flag: str | None = None,
    formerly: str | None = None,
    tasks: Collection[str] | None = None,
    because: str | None = None,
    by_task: Mapping[str, Value] | None = None,
    by_text: bool = False,
) -> Any:
    """Declare an option with inclusive (minimum, maximum) or exclusive (above, below) bounds.

    `formerly` is an earlier name of the option, which is still accepted. `tasks` names the tasks
    that the option is for, where it is not for all; `because` says why the others refuse it;
    `by_task` are the defaults of tasks that differ from `default`. With `by_text` a language model
    that is trained has another one, which follows from its cell, its text and the run's length.
    """
    metadata = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "below": below,
        "choices": choices,
        "flag": flag,
        "formerly": formerly,
        "tasks": tasks,
        "because": because,
        "by_task": by_task or {},
        "by_text": by_text,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Option:
    """One declared option. If it is `optional`, `none` is one of its values."""

    name: str
    type: type
    optional: bool
    default: Value
    help: str
    minimum: float | None
    maximum: float | None
    above: float | None
    below: float | None
    choices: Collection[str] | None
    flag: str | None
    formerly: str | None
    tasks: Collection[str] | None
    because: str | None
    by_task: Mapping[str, Value]
    by_text: bool

    def serves(self, task: str) -> bool:
        """Return whether the option is one of a task's."""
        return self.tasks is None or task in self.tasks

    def follows(self, task: str) -> bool:
        """Return whether a run of a task chooses a default of its own: see `option`."""
        return self.by_text and task == LANGUAGE_MODEL

    def default_for(self, task: str) -> Value:
        """Return the option's default for a task."""
        return self.by_task.get(task, self.default)

    def parse(self, value: object) -> Value:
        """Convert `value` to this option's type and check it. Raises ConfigError.

        Text is accepted for every type because flags are strings and YAML 1.1 reads `2e-3` as one.
        """
        if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
            if self.optional:
                return None
            if value is None or self.type is not str:
                raise ConfigError(f"{self.name} cannot be none; {self.expected()}.")
        parsed = self._convert(value)
        if self.choices is not None and str(parsed) not in self.choices:
            guess = suggestion(str(parsed), self.choices)
            raise ConfigError(f"{self.name} is {shown(parsed)}; {self.expected()}.{guess}")
        if isinstance(parsed, (int, float)) and not self._within_bounds(parsed):
            raise ConfigError(f"{self.name} is {shown(parsed)}; {self.expected()}.")
        return parsed

    def expected(self) -> str:
        """Return what the option accepts, in words: `give a whole number of at least 1`."""
        or_none = ", or none" if self.optional else ""
        if self.choices is not None:
            return "choose " + ", ".join(self.choices) + or_none
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        bounds = [
            f"{words} {limit:g}"
            for words, limit in (
                ("of at least", self.minimum),
                ("above", self.above),
                ("of at most", self.maximum),
                ("below", self.below),
            )
            if limit is not None
        ]
        return " ".join(["give", names[self.type], " and ".join(bounds)]).rstrip() + or_none

    def _convert(self, value: object) -> Value:
        try:
            if self.type is bool:
                return value if isinstance(value, bool) else WORDS[str(value).strip().lower()]
            if self.type is str:
                if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                    return str(value)
            elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return whole(value) if self.type is int else finite(value)
        except (ValueError, KeyError, OverflowError):
            pass
        raise ConfigError(f"{self.name} is {shown(value)}; {self.expected()}.")

    def _within_bounds(self, value: float) -> bool:
        return not (
            (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )


def whole(value: str | float) -> int:
    """Read a whole number, also written as `2e3` or `10_000`. Raises ValueError, OverflowError.

    Numbers too large for a float are refused because they could not be calculated with or printed.
    """
    try:
        number = int(value) if isinstance(value, (str, int)) else whole(str(value))
    except ValueError:
        near = finite(value)
        if near != int(near):
            raise
        number = int(near)
    finite(number)
    return number


def finite(value: str | float) -> float:
    """Read a finite number. Raises ValueError, OverflowError."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def shown(value: object) -> str:
    """Return a value as an error message shows it: on one line, and shortened if it is long."""
    brief = reprlib.Repr()
    brief.maxlevel = 3
    brief.maxlong = brief.maxstring = brief.maxother = LONGEST_SHOWN
    try:
        return brief.repr(value)
    except ValueError:
        return "a number with too many digits"


def worded(value: Value) -> str:
    """Return an option's value as it is written: `none`, `true`, in quotes if it is no word."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    is_word = not isinstance(value, str) or re.fullmatch(r"[\w./-]+", value)
    return str(value) if is_word else repr(value)


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the closest of `words`, or an empty string."""
    close = get_close_matches(word, list(words), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def options_of(section: type[Section]) -> Mapping[str, Option]:
    """Return the options of a section by name, in the order of their declaration."""
    if section not in DECLARED:
        DECLARED[section] = MappingProxyType(declared_in(section))
    return DECLARED[section]


def declared_in(section: type[Section]) -> dict[str, Option]:
    """Read the options of a section from its fields, which takes about a millisecond."""
    hints = get_type_hints(section)
    found = {}
    for entry in dataclasses.fields(section):
        kinds = [hints[entry.name]]
        if get_origin(kinds[0]) is types.UnionType:
            kinds = list(get_args(kinds[0]))
        (kind,) = [kind for kind in kinds if kind is not types.NoneType]
        optional = types.NoneType in kinds
        default: Any = entry.default
        found[entry.name] = Option(entry.name, kind, optional, default, **entry.metadata)
    return found


@dataclass(frozen=True)
class Section:
    """A group of options. Its constructor raises ConfigError for values that are not valid."""

    def __post_init__(self) -> None:
        """Convert and check every value."""
        for name, declared in options_of(type(self)).items():
            object.__setattr__(self, name, declared.parse(getattr(self, name)))
