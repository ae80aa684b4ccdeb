"""What `charnn eval` finds out about a model, in a form that is easy to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Progress: TypeAlias = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Table:
    """A table to show; the columns named in `left` are aligned to the left."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    left: Sequence[str] = ()


@dataclass(frozen=True)
class Assessment:
    """A line for a person, the same and more for a program, tables, and what should be known."""

    summary: str
    content: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
