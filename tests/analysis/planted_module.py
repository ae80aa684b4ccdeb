"""A copy of a module with one place changed, for tests that must catch the mistake."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest


def planted(
    module: ModuleType, fault: tuple[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Return a copy of a module where the second text of a fault stands in place of the first."""
    right, wrong = fault
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"{module.__name__} has changed; plant this fault anew"
    file = folder / "planted.py"
    file.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", file)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "planted", copy)  # dataclasses look their module up
    spec.loader.exec_module(copy)
    return copy
