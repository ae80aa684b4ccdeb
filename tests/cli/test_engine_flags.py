"""The flags of the engine, where PyTorch is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import output, refusal
from task_runs import run_of, write


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make PyTorch impossible to import."""
    monkeypatch.setitem(sys.modules, "torch", None)


def commands_of(model: Path) -> list[tuple[object, ...]]:
    """Return a command of each kind that computes with a trained model."""
    return [
        ("sample", model, "--len", 9, "--seed", 1),
        ("eval", run_of("classify"), write("classify", 5)),
        ("predict", run_of("tag"), write("tag", 5)),
    ]


def test_one_sentence_names_the_extra(model: Path) -> None:
    """Whatever asks for PyTorch: the engine, a device, or a precision."""
    for command in commands_of(model):
        for flags in (("--engine", "torch"), ("--device", "cuda"), ("--precision", "fp16")):
            assert 'pip install "charnn[torch]"' in refusal(*command, *flags)


def test_numpy_needs_nothing_else(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the default without a GPU, and can be asked for, also by the environment."""
    for command in commands_of(model):
        expected = output(*command)
        assert output(*command, "--engine", "shards") == expected
        with monkeypatch.context() as patch:
            patch.setenv("CHARNN_ENGINE", "torch")
            assert "charnn[torch]" in refusal(*command)
            assert output(*command, "--engine", "auto") == expected


def test_flags_that_do_not_fit_together(model: Path) -> None:
    """NumPy has no device, and only a GPU has other precisions."""
    for command in commands_of(model):
        assert "leave device out" in refusal(*command, "--engine", "shards", "--device", "cpu")
        said = refusal(*command, "--device", "cpu", "--precision", "tf32")
        assert "needs a CUDA GPU" in said
