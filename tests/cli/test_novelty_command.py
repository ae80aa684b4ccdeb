"""`charnn novelty`: what of a sample stands in the training text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import data, in_words, on_terminal, output, refusal, run, succeed
from conftest import VERSE, Trained

SHORT = ("--len", 300)
KNOWN = ("4", "8", "12", "16", "24", "32", "48")


def test_json(model: Path) -> None:
    """The figures of a drawn sample stand beside those of held-out text of equal length."""
    found = data("novelty", model, *SHORT)
    assert set(found) == {"run", "training_symbols", "held_out", "samples"}
    (sample,) = found["samples"]
    assert (sample["name"], sample["size"]) == ("temperature 1", 300)
    assert set(sample["known"]) >= set(KNOWN)
    text = sample["text"]
    train = VERSE[: found["training_symbols"]]
    for n, share in sample["known"].items():
        pieces = [text[at : at + int(n)] for at in range(300 - int(n) + 1)]
        assert share == pytest.approx(sum(piece in train for piece in pieces) / len(pieces))
    longest = sample["longest"]
    copy = text[longest["start"] : longest["start"] + longest["length"]]
    assert copy == sample["longest_text"]
    assert train[longest["place"] :].startswith(copy)
    assert train[: longest["place"]].count("\n") + 1 == longest["line"]
    assert found["held_out"]["size"] == min(300, len(VERSE) - found["training_symbols"])


def test_equal_seeds_give_equal_figures(model: Path) -> None:
    """The seed is 1 unless another one is given."""
    assert data("novelty", model, *SHORT) == data("novelty", model, *SHORT, "--seed", 1)
    assert data("novelty", model, *SHORT) != data("novelty", model, *SHORT, "--seed", 2)


def test_several_temperatures(model: Path) -> None:
    """There is a row and a verdict for each temperature, and one row for held-out text."""
    shown = output("novelty", model, *SHORT, "--temperature", "0.5, 0.8,1.2")
    for name in ("temperature 0.5", "temperature 0.8", "temperature 1.2"):
        assert len(re.findall(f"^{name}", shown, re.MULTILINE)) == 2
    assert len(re.findall("^held-out text", shown, re.MULTILINE)) == 1
    found = data("novelty", model, *SHORT, "--temperature", "0.5, 0.8,1.2")
    texts = {each["name"]: each["text"] for each in found["samples"]}
    assert len(set(texts.values())) == 3
    drawn = output("sample", model, "--len", 300, "--temperature", 0.8, "--seed", 1)
    assert texts["temperature 0.8"] == drawn


def test_a_piece_of_the_training_text(model: Path) -> None:
    """A sample that is part of the training text is called that, and all of it is marked."""
    Path("piece.txt").write_text(VERSE[500:700], encoding="utf-8")
    shown = output("novelty", model, "--sample", "piece.txt", "--show", 200)
    assert "All of it stands in the training text, in one run of 200 symbols." in in_words(shown)
    assert "first at 500 of the training text (line" in in_words(shown)
    marks = [line for line in shown.splitlines() if line and set(line) <= {"~", " "}]
    assert sum(line.count("~") for line in marks) == 200


def test_from_standard_input(model: Path) -> None:
    """- is standard input."""
    found = data("novelty", model, "--sample", "-", stdin=VERSE[100:200])
    assert found["samples"][0]["longest"]["length"] == 100


def test_terminal(model: Path) -> None:
    """At 80 columns no line is longer; copied runs are underlined, also without colours."""
    Path("piece.txt").write_text("zz " + VERSE[500:600] + " zz", encoding="utf-8")
    arguments = ("novelty", model, "--sample", "piece.txt", "--quiet")
    shown = on_terminal(*arguments, columns=80)
    assert "\x1b[4m" in shown
    plain = on_terminal(*arguments, columns=80, NO_COLOR="1")
    assert "~~~~" in plain
    for text in (shown, plain):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        assert max(map(len, lines)) <= 80


def test_svg(model: Path) -> None:
    """--svg draws the sample."""
    succeed("novelty", model, *SHORT, "--svg", "copied.svg")
    root = ET.parse("copied.svg").getroot()  # noqa: S314
    assert root.tag.endswith("svg")
    assert "Copied runs" in "".join(root.itertext())
    message = refusal("novelty", model, "--svg", "no-folder/copied.svg")
    assert "no-folder" in message


def test_the_training_text_has_moved(trained: Trained, copied: Path) -> None:
    """The missing file is named; --train FILE gives it, and its parts are those of the training."""
    moved = Path("elsewhere.txt")
    before = data("novelty", copied, *SHORT)
    away = trained.corpus.with_suffix(".away")
    trained.corpus.rename(away)
    try:
        message = refusal("novelty", copied, *SHORT)
        assert f"'{trained.corpus}' is not there" in message
        assert "--train FILE" in message
        moved.write_text(VERSE, encoding="utf-8")
        assert data("novelty", copied, *SHORT, "--train", moved) == before
    finally:
        away.rename(trained.corpus)


def test_another_training_text(model: Path) -> None:
    """All of another text counts as training text, which is said; --held-out FILE stands beside."""
    Path("other.txt").write_text(VERSE * 2, encoding="utf-8")
    Path("new.txt").write_text("the bells go out, and a tide stays", encoding="utf-8")
    result = run("novelty", model, *SHORT, "--train", "other.txt", "--json")
    assert "'other.txt' is another text than the one that the model was trained on" in result.stderr
    assert "there is no held-out text" in result.stderr
    found = json.loads(result.stdout)
    assert found["held_out"] is None
    assert found["training_symbols"] == 2 * len(VERSE)
    assert "Without held-out text" in found["samples"][0]["verdict"]
    both = ("--train", "other.txt", "--held-out", "new.txt")
    result = run("novelty", model, *SHORT, *both, "--json")
    assert json.loads(result.stdout)["held_out"]["size"] == 34
    assert "the held-out text has 34 symbols, fewer than the sample" in result.stderr


def test_a_changed_training_text(verse: Path) -> None:
    """Where the training text has changed since, this is said."""
    tiny = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)
    succeed("train", verse, *tiny, "--out", "run", "--quiet")
    verse.write_text(VERSE + "the end", encoding="utf-8")
    result = run("novelty", "run", *SHORT)
    assert "is not what it was when the model was trained on it" in result.stderr


def test_trained_on_standard_input(verse: Path) -> None:
    """A model that was trained on standard input needs --train FILE."""
    tiny = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)
    succeed("train", "-", *tiny, "--out", "run", "--quiet", stdin=VERSE)
    assert "trained on standard input; give its text with --train FILE" in refusal("novelty", "run")
    assert data("novelty", "run", *SHORT, "--train", verse)["held_out"]["size"] > 0


def test_short_and_strange_samples(model: Path) -> None:
    """A sample shorter than n has no share; what is unknown to the model is never a copy."""
    Path("short.txt").write_text(VERSE[100:108], encoding="utf-8")
    found = data("novelty", model, "--sample", "short.txt")["samples"][0]
    assert found["known"]["12"] is None
    assert found["known"]["8"] == 1
    Path("strange.txt").write_text("bells Ω bells ring", encoding="utf-8")
    result = run("novelty", model, "--sample", "strange.txt", "--json")
    assert "unknown to the model, 1 in all" in result.stderr
    found = json.loads(result.stdout)["samples"][0]
    assert found["longest_text"] in VERSE
    assert found["longest"]["start"] >= 7
    assert found["text"] == "bells \ufffd bells ring"


def test_a_long_sample(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long sample the beginning is examined, which is said."""
    monkeypatch.setattr("charnn.cli.novelty.LARGEST_SAMPLE", 1_000)
    Path("long.txt").write_text("the tide goes out " * 100, encoding="utf-8")
    result = run("novelty", model, "--sample", "long.txt", "--json")
    assert "its first 1,000 symbols are examined" in result.stderr
    assert json.loads(result.stdout)["samples"][0]["size"] == 1_000


@pytest.mark.parametrize("temperature", ["", ",", "warm", "-1", "1,,x"])
def test_bad_temperatures(temperature: str, model: Path) -> None:
    """Temperatures that are none are refused."""
    assert "temperature" in refusal("novelty", model, "--temperature", temperature)


def test_bad_input(model: Path) -> None:
    """Files that are not there, and samples in which there is nothing, are refused."""
    assert "'none.txt'" in refusal("novelty", model, "--sample", "none.txt")
    assert "'none.txt'" in refusal("novelty", model, "--train", "none.txt")
    Path("empty.txt").write_text("", encoding="utf-8")
    assert "'empty.txt'" in refusal("novelty", model, "--sample", "empty.txt")
    assert "run is 0" in refusal("novelty", model, "--run", 0)


def test_bytes(verse: Path) -> None:
    """A model of bytes has its samples measured in bytes."""
    tiny = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)
    succeed("train", verse, "--tokens", "bytes", *tiny, "--out", "run", "--quiet")
    Path("wide.txt").write_text("é" + VERSE[:50], encoding="utf-8")
    found = data("novelty", "run", "--sample", "wide.txt")["samples"][0]
    assert (found["size"], found["longest"]["length"]) == (52, 50)


def test_other_tasks_are_refused() -> None:
    """A model of another task is not for this command."""
    Path("rows.tsv").write_text("ab\tx\nba\ty\n" * 20, encoding="utf-8")
    tiny = ("--hidden-size", 4, "--steps", 2, "--batch-size", 2)
    succeed("train", "rows.tsv", "--task", "classify", *tiny, "--out", "run", "--quiet")
    message = refusal("novelty", "run")
    assert "`charnn novelty`, which is for language models; use `charnn predict" in message


def test_quiet(model: Path) -> None:
    """--quiet leaves out the notes."""
    Path("strange.txt").write_text("the tide Ω the tide", encoding="utf-8")
    assert run("novelty", model, "--sample", "strange.txt", "--quiet").stderr == ""
    assert [path.name for path in Path().iterdir()] == ["strange.txt"]
