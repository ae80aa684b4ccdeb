"""`charnn bench --compress`: every figure is of a file that was read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import charnn
from charnn.bench import compressors
from charnn.cli.main import charnn as commands
from charnn.training.checkpoint import save_checkpoint

TEXT = "the tide goes out and the lamp stays lit; all night a bell rings.\n" * 30


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a text and a model, and without programs, which are slow to start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        compressors, "PROGRAMS", (("none -9", ("charnn-no-such-program",), (), ()),)
    )
    Path("tide.txt").write_text(TEXT, encoding="utf-8")
    run = charnn.train(charnn.corpus(TEXT), hidden_size=6, batch_size=2, steps=2, shards=1)
    list(run)
    save_checkpoint(Path("model.npz"), run.checkpoint)


def bench(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(commands, ["bench", *arguments])


def test_a_row_for_each_compressor() -> None:
    """The smallest first, and charnn twice, with its model counted and not."""
    found = json.loads(bench("--compress", "tide.txt", "--model", "model.npz", "--json").stdout)
    rows = {row["name"]: row for row in found["rows"]}
    sizes = [row["bytes"] for row in found["rows"]]
    assert sizes == sorted(sizes)
    assert (found["bytes"], found["characters"]) == (len(TEXT), len(TEXT))
    assert rows.keys() == {
        *("charnn, model not counted", "charnn, model counted"),
        *("gzip -9", "bzip2 -9", "xz -9e"),
    }
    assert found["missing"] == ["none -9"]
    apart, inside = rows["charnn, model not counted"], rows["charnn, model counted"]
    assert inside["bytes"] - apart["bytes"] == found["model_bytes"]
    for row in found["rows"]:
        assert row["bits_per_char"] == pytest.approx(8 * row["bytes"] / len(TEXT))
        assert min(row["seconds"], row["seconds_back"]) > 0


def test_words() -> None:
    """What is missing is named, and the model's size told."""
    result = bench("--compress", "tide.txt", "--model", "model.npz")
    assert result.exit_code == 0
    assert "Not installed here: none -9." in result.stdout
    assert "The model takes " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--compress", "tide.txt"], "give both: --compress TEXT --model RUN"),
        (["--model", "model.npz"], "give both: --compress TEXT --model RUN"),
        (["--compress", "tide.txt", "--model", "model.npz", "--quick"], "--quick is not for"),
        (["--compress", "tide.txt", "--model", "model.npz", "--engine"], "--engine is not for"),
        (["--compress", "none.txt", "--model", "model.npz"], "'none.txt' cannot be read"),
        (["--compress", "empty.txt", "--model", "model.npz"], "'empty.txt' is empty"),
        (["--compress", "tide.txt", "--model", "tide.txt"], "checkpoint 'tide.txt' is damaged"),
    ],
)
def test_refusals(arguments: list[str], sentence: str) -> None:
    """One sentence, exit code 2."""
    Path("empty.txt").touch()
    result = bench(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
