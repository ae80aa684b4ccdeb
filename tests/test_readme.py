"""The README is true: its commands run, its example runs, its reference is the code's."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from charnn.cli.main import charnn
from charnn.cli.reference import inserted
from charnn.config import Config, read_yaml

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def blocks(language: str) -> list[str]:
    """Return the README's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[list[str]]:
    """Return the charnn commands of a block, split as a shell does."""
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [line[1:] for line in lines if line[:1] == ["charnn"]]


def test_reference_is_generated():
    """`make readme` would change nothing: every flag, its help and default are as in the code."""
    assert inserted(README) == README


def test_quick_start_runs(tmp_path, monkeypatch):
    """The commands of the quick start work one after the other, in a folder with data/."""
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARNN_HIDDEN_SIZE", "32")  # for the sake of speed alone
    (quick_start,) = [block for block in blocks("sh") if "runs/play" in block]
    found = commands(quick_start)
    assert len(found) == 6
    for arguments in found:
        result = CliRunner().invoke(charnn, arguments)
        assert result.exit_code == 0, (arguments, result.output)


def test_python_example_runs(monkeypatch, capsys):
    """The example of the API runs as it stands and prints what it says."""
    monkeypatch.chdir(ROOT)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("completed")
    assert printed[-1] == "True"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configurations_are_small_differences_with_reasons(path):
    """Each file of configs/ is valid, differs from the defaults in all it says, and says why."""
    values = read_yaml(path)
    defaults = Config().values()
    assert values
    assert all(value != defaults[name] for name, value in values.items())
    Config.from_values(values)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum("#" in line for line in lines) >= 3


def test_every_file_of_data_has_its_origin():
    """data/README.md names each text."""
    origins = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in (ROOT / "data").glob("*.txt")]
    assert names
    assert all(f"`{name}`" in origins for name in names)


def test_the_play_is_written_text():
    """60 KB at least, speakers in capitals, and no line of a speech stands twice."""
    text = (ROOT / "data" / "the-tide-clock.txt").read_text(encoding="utf-8")
    assert len(text.encode()) >= 60_000
    assert len(set(re.findall(r"^([A-Z][A-Z ]+):$", text, re.MULTILINE))) >= 10
    long_lines = [line for line in text.splitlines() if len(line) > 25]
    assert len(long_lines) == len(set(long_lines))
