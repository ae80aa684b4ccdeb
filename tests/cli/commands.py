"""How the tests in this folder call the command line, and what they look at afterwards."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from charnn.cli.main import charnn

TINY = (
    *("--hidden-size", 16, "--batch-size", 4, "--seq-length", 16),
    *("--steps", 60, "--eval-every", 20),
)  # options of a model that is trained at once


def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a command; what it should have explained, but did not, is raised."""
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(charnn, words, input=stdin, prog_name="charnn")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    result.exception = result.exc_info = None  # they hold on to what the command had open
    if stdin is not None:
        forget_copies()
    assert "Traceback" not in result.stderr
    return result


def forget_copies() -> None:
    """Let go of the copies of standard input that a refused command leaves to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def succeed(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a command that ends with exit code 0."""
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result


def output(*arguments: object, stdin: str | bytes | None = None) -> str:
    """Run a command that succeeds and has nothing to say; return its standard output."""
    result = succeed(*arguments, stdin=stdin)
    assert result.stderr == ""
    return result.stdout_bytes.decode()


def data(*arguments: object, stdin: str | bytes | None = None) -> Any:
    """Run a command with --json and return what its one line of output holds."""
    (content,) = lines_of(output(*arguments, "--json", stdin=stdin))
    return content


def events(*arguments: object, stdin: str | bytes | None = None) -> list[dict[str, Any]]:
    """Run `charnn train --json` and return its events."""
    return lines_of(output("train", *arguments, "--json", stdin=stdin))


def lines_of(text: str) -> list[Any]:
    """Return what JSON lines hold; only a line feed ends one, not U+2028."""
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def refusal(*arguments: object, stdin: str | bytes | None = None) -> str:
    """Run a command that refuses in one sentence, exit code 2, and writes nothing; return that."""
    before = snapshot(Path())
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 2, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert re.fullmatch(r"Error: [^\n]+\n", result.stderr), result.stderr
    assert snapshot(Path()) == before
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def on_terminal(*arguments: object, columns: int = 100, **environment: str) -> str:
    """Run a command that succeeds on a pseudo-terminal; return everything that it showed."""
    parent, child = os.openpty()
    size = {"COLUMNS": str(columns), "LINES": "40"}
    with subprocess.Popen(
        [sys.executable, "-m", "charnn", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm", **size, **environment},
    ) as process:
        os.close(child)
        shown = b""
        while block := read_terminal(parent):
            shown += block
        os.close(parent)
        assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def read_terminal(terminal: int) -> bytes:
    """Return what a pseudo-terminal has to show; nothing at the end, where Linux reports EIO."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file's content and every folder's name below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def arrays(checkpoint: Path, prefix: str = "parameters/") -> dict[str, bytes]:
    """Return the bytes of a checkpoint's arrays whose names have a prefix."""
    with np.load(checkpoint, allow_pickle=False) as archive:
        return {name: archive[name].tobytes() for name in archive.files if name.startswith(prefix)}


def in_words(text: str) -> str:
    """Return a text with its line breaks and indentation folded into single spaces."""
    return " ".join(text.split())


def squeezed(text: str) -> str:
    """Return a text without white space, to compare help pages however they were wrapped."""
    return "".join(text.split())


def forget_options(patch: pytest.MonkeyPatch) -> None:
    """Take the options out of the environment; encoded texts stay in the tests' own cache."""
    for name in set(os.environ) - {"CHARNN_CACHE"}:
        if name.startswith("CHARNN_"):
            patch.delenv(name)
