"""`charnn context`: how much of the past a model uses, and what its states hold of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import data, output, refusal, succeed
from task_runs import run_of

import charnn
from charnn.analysis.context import context_use
from charnn.analysis.probes import probes_of
from charnn.models.language_model import LanguageModel

FEW = ("--positions", 6, "--length", 12, "--lags", 3)


def test_json(model: Path, verse: Path) -> None:
    """The figures are those of the analysis: trained, and the seed's untrained weights."""
    found = data("context", model, verse, *FEW, "--seed", 3)
    assert set(found) == {
        *("checkpoint", "cell", "unit", "symbols", "seq_length", "context", "trained", "untrained"),
    }
    saved = charnn.load(model)
    ids = saved.vocabulary.encode(verse.read_text())
    assert (found["symbols"], found["seq_length"]) == (len(ids), 16)
    context = context_use(saved.model, ids, 12, 6, 3)
    assert found["context"]["loss"] == pytest.approx(context.loss)
    assert found["context"]["places"] == 6
    fresh = LanguageModel.initialized(
        saved.config.model, len(saved.vocabulary), saved.config.training.seed
    )
    for name, network in (("trained", saved.model), ("untrained", fresh)):
        expected = probes_of(network, ids, 3, 1, 3)
        for state, probes in zip(found[name]["states"], expected.states, strict=True):
            bits = [probe["bits"] for probe in state["probes"]]
            assert bits == pytest.approx([probe.bits for probe in probes.probes])
            assert all(0 <= p["bits"] <= p["entropy"] for p in state["probes"])


def test_shown(model: Path, verse: Path) -> None:
    """Tables, a plot and sentences in 80 columns."""
    shown = output("context", model, verse, *FEW)
    for words in ("excess", "saved by 2k", "H(x)", "untrained c", "h by h, o by c", "scored on"):
        assert words in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80
    quiet = output("context", model, verse, *FEW, "--quiet")
    assert "H(x)" in quiet
    assert "scored on" not in quiet


def test_pictures(model: Path, verse: Path) -> None:
    """The loss and the probes, each in a file."""
    pictures = ("--svg", "loss.svg", "--svg-probes", "probes.svg")
    output("context", model, verse, *FEW, *pictures, "--json")
    for name, words in (("loss.svg", "characters read"), ("probes.svg", "all there is")):
        text = Path(name).read_text(encoding="utf-8")
        assert text.startswith("<svg")
        assert words in text


def test_short_texts(model: Path) -> None:
    """What can be shown is shown; what cannot is said."""
    Path("short.txt").write_text("the tide goes out and a lamp", encoding="utf-8")
    result = succeed("context", model, "short.txt", "--svg-probes", "probes.svg")
    assert "excess" in result.stdout
    assert "H(x)" not in result.stdout
    assert "probes need 64" in result.stderr
    assert "enough to read 12" in result.stderr
    assert "'probes.svg' is not written" in result.stderr
    assert not Path("probes.svg").exists()
    Path("small.txt").write_text("the tide goes out and " * 4, encoding="utf-8")
    result = succeed("context", model, "small.txt", *FEW[:4])
    assert "enough to probe 5 lags" in result.stderr
    assert "H(x)" in result.stdout
    Path("none.txt").write_text("the", encoding="utf-8")
    assert "8 are needed" in refusal("context", model, "none.txt")


def test_unknown_characters(model: Path, verse: Path) -> None:
    """They are left out, and that is said."""
    Path("odd.txt").write_text(verse.read_text(encoding="utf-8") + "\u20ac", encoding="utf-8")
    assert "'\u20ac' 1x" in succeed("context", model, "odd.txt", *FEW).stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--layer", 2), "layer is 2, but the model has 1"),
        (("--layer", 0), "layer is 0"),
        (("--svg", "no/folder.svg"), "no such folder"),
        (("--length", 0), "length is 0"),
    ],
    ids=str,
)
def test_refused(options: tuple[object, ...], words: str, model: Path, verse: Path) -> None:
    """In one sentence, before anything is computed."""
    assert words in refusal("context", model, verse, *options)


def test_other_tasks_are_refused(verse: Path) -> None:
    """With the command that is for them."""
    sentence = refusal("context", run_of("classify"), verse)
    assert "which is for language models; use `charnn predict RUN" in sentence
