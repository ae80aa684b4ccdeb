"""Completion: the scripts that shells load, and what they are told."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from commands import run

from charnn.cli.main import COMMANDS
from charnn.registry import CELLS

START = "from charnn.cli.main import main; main()"


def completed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """Return what completes the last word of a command line, each with its kind."""
    monkeypatch.setenv("COMP_WORDS", " ".join(["charnn", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv("_CHARNN_COMPLETE", "bash_complete")
    return run().stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """The line that the README gives prints a script, and the shell can read it."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    monkeypatch.setenv("_CHARNN_COMPLETE", f"{shell}_source")
    script = subprocess.run([sys.executable, "-c", START], capture_output=True, check=False)
    assert b"_CHARNN_COMPLETE" in script.stdout
    read = subprocess.run([shell, "-n"], input=script.stdout, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, b"")


def test_commands_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands by their beginning, then the flags of the command."""
    found = completed(monkeypatch, "")
    assert found == [f"plain,{name}" for name in COMMANDS]
    assert completed(monkeypatch, "tr") == ["plain,train"]
    assert completed(monkeypatch, "train", "--hid") == ["plain,--hidden-size"]


def test_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values that an option chooses from, whatever stands before it."""
    cells = [f"plain,{name}" for name in CELLS]
    assert completed(monkeypatch, "train", "--hidden-size", "many", "--cell", "") == cells
    assert "plain,cosine" in completed(monkeypatch, "train", "--lr-schedule", "c")
    assert completed(monkeypatch, "train", "--steps", "1") == []  # there is nothing to choose


@pytest.mark.parametrize(
    "line",
    ["train sha", "sample ru", "eval runs/play sha", "vocab sha", "info ru", "train --config con"],
)
def test_files(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Names of files and folders are left to the shell."""
    words = line.split()
    assert completed(monkeypatch, *words) == [f"file,{words[-1]}"]
