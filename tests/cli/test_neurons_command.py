"""`charnn neurons`: what single units do."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import data, on_terminal, output, refusal, succeed
from task_runs import run_of

import charnn
from charnn.analysis.features import Alphabet
from charnn.analysis.neurons import neurons
from charnn.analysis.stretches import stretches_of
from charnn.analysis.unit_portrait import portrait


def test_json(model: Path, verse: Path) -> None:
    """The figures are those of the analysis."""
    found = data("neurons", model, verse, "--top", 3, "--seed", 2)
    saved = charnn.load(model)
    ids = saved.vocabulary.encode(verse.read_text())
    stretches = stretches_of(len(ids), 100_000, 1_024, 2)
    expected = neurons(saved.model, ids, Alphabet(saved.vocabulary), stretches, 3)
    assert found["trained"]["symbols"] == expected.symbols
    assert found["trained"]["absent"] == expected.absent
    for name, followers in expected.followers.items():
        units = [(each["layer"], each["unit"]) for each in found["trained"]["followers"][name]]
        assert units == [(each.layer, each.unit) for each in followers]
        r = [each["r"] for each in found["trained"]["followers"][name]]
        assert r == pytest.approx([each.r for each in followers])
    gates = [(each["gate"], each["above"]) for each in found["trained"]["saturation"]]
    assert gates == [(each.gate, pytest.approx(each.above)) for each in expected.saturation]
    untrained = found["untrained"]["saturation"]
    assert [each["gate"] for each in untrained] == ["i", "f", "o", "|h|"]


def test_shown(model: Path, verse: Path) -> None:
    """Tables and sentences in 80 columns."""
    shown = output("neurons", model, verse)
    for words in ("gates and states", "place in the line", "start AUC", "one half of the text"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "one half of the text" not in output("neurons", model, verse, "--quiet")


def test_a_unit(model: Path, verse: Path) -> None:
    """Its values, its features, what drives it, and the text with marks below."""
    found = data("neurons", model, verse, "--unit", "1:5", "--len", 90)
    saved = charnn.load(model)
    ids = saved.vocabulary.encode(verse.read_text())
    stretches = stretches_of(len(ids), 100_000, 1_024, 1)
    expected = portrait(saved.model, ids, Alphabet(saved.vocabulary), stretches, (1, 5, "c"), 90)
    assert found["state"] == "c"
    assert found["beginning"] == pytest.approx(expected.beginning)
    assert "".join(found["text"]) == verse.read_text()[:90]
    assert found["drives"][0]["symbol"] == saved.vocabulary.name(expected.drives[0].symbol)
    shown = output("neurons", model, verse, "--unit", "1:5", "--len", 90, "--state", "h")
    assert shown.startswith("unit 1:5, h, on ")
    assert max(map(len, shown.splitlines()[2:])) <= 80
    for words in ("far above", "what it follows", "drive it most", verse.read_text()[:20]):
        assert words in shown
    marks = "".join(line for line in shown.splitlines() if line and set(line) <= set("=-+# "))
    assert "#" in marks or "=" in marks


def test_colours(model: Path, verse: Path) -> None:
    """On a terminal there are colours instead of marks."""
    shown = on_terminal("neurons", model, verse.resolve(), "--unit", "1:5", "--len", 60)
    assert "\x1b[" in shown
    assert "below each line" not in shown


def test_pictures(model: Path, verse: Path) -> None:
    """The figures as bars, or the text coloured by a unit."""
    output("neurons", model, verse, "--svg", "all.svg", "--json")
    output("neurons", model, verse, "--unit", "1:16", "--svg", "unit.svg", "--json")
    for name, words in (("all.svg", "What units follow"), ("unit.svg", "Unit 1:16, c")):
        text = Path(name).read_text(encoding="utf-8")
        assert text.startswith("<svg")
        assert words in text


def test_long_texts_are_sampled(model: Path, verse: Path) -> None:
    """And that is said, as are unknown characters."""
    Path("long.txt").write_text(verse.read_text(encoding="utf-8") * 3 + "\u20ac", encoding="utf-8")
    result = succeed("neurons", model, "long.txt", "--symbols", 3_000)
    assert "at random are looked at" in result.stderr
    assert "'\u20ac' 1x" in result.stderr
    assert succeed("neurons", model, verse).stderr == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--unit", "2:1"), "the model has 1 layer of 16 units"),
        (("--unit", "1:17"), "the model has 1 layer of 16 units"),
        (("--unit", "37"), "give a layer and a unit of it"),
        (("--unit", "1:0"), "give a layer and a unit of it"),
        (("--unit", "1:2", "--state", "z"), "the LSTM has h and c"),
        (("--unit", "1:2", "--top", 3), "--top is not for --unit"),
        (("--len", 5), "--len is only for --unit"),
        (("--svg", "no/folder.svg"), "no such folder"),
    ],
    ids=str,
)
def test_refused(options: tuple[object, ...], words: str, model: Path, verse: Path) -> None:
    """In one sentence."""
    assert words in refusal("neurons", model, verse, *options)


def test_short_texts_and_other_tasks_are_refused(model: Path, verse: Path) -> None:
    """What halves need is said, and which command is for other models."""
    Path("short.txt").write_text("the tide", encoding="utf-8")
    assert "8 symbols that the model knows, and 64" in refusal("neurons", model, "short.txt")
    assert "which is for language models" in refusal("neurons", run_of("classify"), verse)
