"""`charnn eval --dynamic`: the loss of a model that goes on learning, beside the static one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import data, refusal, run, succeed
from task_runs import run_of, write
from trained import Trained

import charnn

RATES = ("--dynamic-rate", 0.003, "--dynamic-segment", 10)


def test_json(model: Path, verse: Path) -> None:
    """What there is without --dynamic stays as it is; the dynamic figures stand beside it."""
    found = data("eval", model, verse, "--dynamic", *RATES)
    dynamic = found.pop("dynamic")
    assert found == data("eval", model, verse)
    text = verse.read_text(encoding="utf-8")
    score = charnn.evaluate_dynamically(
        charnn.load(model), text, dynamic_rate=0.003, dynamic_segment=10
    )
    assert score.predictions == len(text) - 1
    assert dynamic == {
        "nats_per_char": score.nats_per_symbol,
        "bits_per_char": score.bits_per_symbol,
        "perplexity": score.perplexity,
        "rate": 0.003,
        "decay": 0.003,
        "segment": 10,
        "statistics": "training text",
    }
    assert dynamic["nats_per_char"] < found["nats_per_char"] - 0.05


def test_shown(model: Path, verse: Path) -> None:
    """The static line comes first; a table has both figures, and how the dynamic one was made."""
    found = data("eval", model, verse, "--dynamic")
    shown = succeed("eval", model, verse, "--dynamic").stdout
    assert shown.startswith(succeed("eval", model, verse).stdout)
    for line, figures in (("static", found), ("dynamic", found["dynamic"])):
        (row,) = [each for each in shown.splitlines() if each.startswith(line)]
        assert row.split() == [
            line,
            f"{figures['nats_per_char']:.4f}",
            f"{figures['bits_per_char']:.4f}",
            f"{figures['perplexity']:.3f}",
        ]
    assert "rate 0.0007, decay 0.003, segments of 40 chars" in shown
    assert "gradient statistics of the training text" in shown


def test_the_defaults_help_a_new_text(model: Path) -> None:
    """A text unlike the training text is learned."""
    Path("new.txt").write_text("ring the bells, HARK! stays the lamp\n" * 60)
    found = data("eval", model, "new.txt", "--dynamic")
    assert found["dynamic"]["nats_per_char"] < 0.95 * found["nats_per_char"]


def test_rate_0(model: Path, verse: Path) -> None:
    """Without a step the dynamic loss is the static one, read from beginning to end."""
    found = data("eval", model, verse, "--streams", 1, "--dynamic", "--dynamic-rate", 0)
    assert found["dynamic"]["nats_per_char"] == pytest.approx(found["nats_per_char"], rel=1e-6)


def test_the_checkpoint_is_left_as_it_is(copied: Path, verse: Path) -> None:
    """No file of the run changes."""
    before = {file: file.read_bytes() for file in copied.iterdir()}
    succeed("eval", copied, verse, "--dynamic")
    assert {file: file.read_bytes() for file in copied.iterdir()} == before


def test_standard_input(model: Path, verse: Path) -> None:
    """`-` is read once and scored twice."""
    expected = data("eval", model, verse, "--dynamic")
    assert data("eval", model, "-", "--dynamic", stdin=verse.read_bytes()) == expected


def test_the_training_text_is_not_there(verse: Path) -> None:
    """Statistics are then those of the text, which a note says; --train names another."""
    verse.rename("moved.txt")
    tiny = ("--hidden-size", 8, "--steps", 4, "--batch-size", 2, "--seq-length", 16)
    succeed("train", "moved.txt", *tiny, "--out", "run", "--quiet")
    Path("moved.txt").rename(verse)
    result = run("eval", "run", verse, "--dynamic", "--json")
    assert "gradient statistics are gathered as the text is read" in result.stderr
    assert "'moved.txt' is not there; give its text with --train FILE" in result.stderr
    online = data("eval", "run", verse, "--dynamic", "--quiet")["dynamic"]
    assert online["statistics"] == "text read so far"
    given = data("eval", "run", verse, "--dynamic", "--train", verse)["dynamic"]
    assert given["statistics"] == "training text"
    assert given["nats_per_char"] != online["nats_per_char"]
    score = charnn.evaluate_dynamically(charnn.load("run"), verse.read_text(), train=[verse])
    assert score.nats_per_symbol == given["nats_per_char"]


def test_a_training_text_that_cannot_be_read(model: Path, verse: Path) -> None:
    """A file that is named is not replaced by anything else."""
    Path("empty.txt").touch()
    for name in ("nowhere.txt", "empty.txt"):
        assert f"'{name}'" in refusal("eval", model, verse, "--dynamic", "--train", name)


@pytest.mark.parametrize("text", ["", "t"])
def test_nothing_to_predict(text: str, model: Path) -> None:
    """A text with fewer than two characters is refused."""
    Path("short.txt").write_text(text)
    assert "'short.txt'" in refusal("eval", model, "short.txt", "--dynamic")
    with pytest.raises(charnn.CharnnError):
        charnn.evaluate_dynamically(charnn.load(model), text)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--dynamic", "--dynamic-rate", "-1"), "dynamic_rate is -1"),
        (("--dynamic", "--dynamic-rate", "1e39"), "the loss is no longer a number"),
        (("--dynamic", "--dynamic-decay", "1.5"), "dynamic_decay is 1.5"),
        (("--dynamic", "--dynamic-segment", "0"), "dynamic_segment is 0"),
        (("--dynamic-rate", "0.1"), "add --dynamic"),
        (("--train", "verse.txt"), "add --dynamic"),
        (("--dynamic", "--engine", "torch"), "leave out --engine torch"),
        (("--dynamic", "--device", "cpu"), "leave out --engine torch"),
    ],
)
def test_refusals(options: tuple[str, ...], reason: str, model: Path, verse: Path) -> None:
    """What cannot be done is refused in a sentence."""
    assert reason in refusal("eval", model, verse, *options)


def test_other_tasks() -> None:
    """Only language models read a text from beginning to end."""
    reason = refusal("eval", run_of("classify"), write("classify"), "--dynamic")
    assert "dynamic is an option for models of" in reason
    assert "this model's task is classify" in reason
    with pytest.raises(charnn.CharnnError, match="scored on files of examples"):
        charnn.evaluate_dynamically(charnn.load(run_of("classify")), "text")


def test_from_python(trained: Trained) -> None:
    """`charnn.evaluate_dynamically` takes the options of the command and changes no weight."""
    saved, text = charnn.load(trained.folder), trained.corpus.read_text(encoding="utf-8")
    before = saved.model.parameters.flat.copy()
    score = charnn.evaluate_dynamically(saved, text)
    assert np.array_equal(saved.model.parameters.flat, before)
    assert score.nats_per_symbol < charnn.evaluate(saved, text).nats_per_symbol
    with pytest.raises(charnn.CharnnError, match="dynamic_decay"):
        charnn.evaluate_dynamically(saved, text, dynamic_decay=-1)
