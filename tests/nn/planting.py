"""A copy of a module with one place changed, for tests that must catch the mistake."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


def planted(
    name: str, right: str, wrong: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Return a copy of the module `name` where `wrong` stands in place of `right`."""
    source = inspect.getsource(import_module(name))
    assert source.count(right) == 1, f"{name} has changed; plant this fault anew"
    file = folder / "planted.py"
    file.write_text(source.replace(right, wrong), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "planted", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
