"""`charnn gradflow`: how far gradients reach back in a model, and in untrained networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import data, output, refusal, run, squeezed, succeed
from task_runs import run_of

import charnn
from charnn.analysis.gradient_flow import gradient_flow, places_in
from charnn.models.language_model import LanguageModel

FEW = ("--positions", 4, "--lags", 12)


def test_json(model: Path, verse: Path) -> None:
    """The figures are those of the analysis: trained, and the seed's untrained weights."""
    found = data("gradflow", model, verse, *FEW, "--seed", 3)
    assert set(found) == {
        *("checkpoint", "symbols", "seq_length", "trained", "untrained", "clipping"),
    }
    saved = charnn.load(model)
    ids = saved.vocabulary.encode(verse.read_text())
    assert (found["symbols"], found["seq_length"]) == (len(ids), 16)
    places = places_in(len(ids), 12, 4, 3)
    fresh = LanguageModel.initialized(
        saved.config.model, len(saved.vocabulary), saved.config.training.seed
    )
    for name, network in (("trained", saved.model), ("untrained", fresh)):
        expected = gradient_flow(network, ids, places, 16).layers[0]
        (layer,) = found[name]["layers"]
        assert [state["state"] for state in layer["states"]] == ["h", "c"]
        for state, flow in zip(layer["states"], expected.states, strict=True):
            assert state["median"] == pytest.approx(flow.median)
            assert state["decay"]["factor"] == pytest.approx(flow.decay.factor)
            assert len(state["low"]) == len(state["high"]) == 13
        assert layer["keeps"] == "f"
        assert len(layer["spectra"]) == 4
    untrained = found["untrained"]["layers"][0]["spectra"]
    assert untrained[0]["radius"] == pytest.approx(1, abs=1e-4)
    assert found["clipping"]["counted"] == 60


def test_shown(model: Path, verse: Path) -> None:
    """Tables, a plot and sentences, in 80 columns."""
    found = data("gradflow", model, verse, "--lags", 40)
    shown = output("gradflow", model, verse, "--lags", 40)
    decay = found["trained"]["layers"][0]["states"][1]["decay"]
    assert f"{decay['factor']:.4f}" in shown
    assert "at lags from 16" in shown
    assert "factor of prod f" in shown
    assert "By c, a loss's gradient" in shown
    assert "60 updates were clipped to the norm 1" in shown
    assert "log10 of the norm" in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80
    quiet = output("gradflow", model, verse, "--lags", 40, "--quiet")
    assert "log10" not in quiet
    assert "By c" not in quiet
    assert f"{decay['factor']:.4f}" in quiet


def test_the_same_seed_the_same_places(model: Path, verse: Path) -> None:
    """Without a seed it is 1."""
    first = data("gradflow", model, verse, *FEW)
    assert first == data("gradflow", model, verse, *FEW, "--seed", 1)
    assert first["trained"] != data("gradflow", model, verse, *FEW, "--seed", 2)["trained"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (("--cell", "rnn", "--num-layers", 2), 4),
        (("--cell", "gru", "--gru-reset", "after", "--embedding-size", 6), 3),
        (("--cell", "mingru", "--num-layers", 3), 6),
        (("--cell", "layernorm-rnn"), 2),
        (("--cell", "lstm", "--attention", "dot", "--attention-span", 4), 5),
    ],
    ids=str,
)
def test_every_structure(options: tuple[object, ...], lines: int, verse: Path) -> None:
    """Other cells, layers, forms, embeddings and attention, with a picture."""
    few = ("--hidden-size", 6, "--batch-size", 4, "--seq-length", 10, "--steps", 2)
    succeed("train", verse, *options, *few, "--out", "run")
    shown = succeed("gradflow", "run", verse, *FEW, "--svg", "flow.svg").stdout
    layers = options[options.index("--num-layers") + 1] if "--num-layers" in options else 1
    assert shown.count("gradient of the loss at T") == layers
    assert ("no weights multiply the state" in shown) == ("mingru" in options)
    assert ("The largest singular value of W_hh is" in shown) == (options[1] == "rnn")
    drawn = Path("flow.svg").read_text(encoding="utf-8")
    assert drawn.count("norm of the gradient from") == lines


def test_picture(model: Path, verse: Path) -> None:
    """Its lines: states, trained and untrained, the direct path, and where the windows end."""
    succeed("gradflow", model, verse, "--lags", 30, "--svg", "flow.svg")
    text = Path("flow.svg").read_text(encoding="utf-8")
    for name in ("trained, h", "trained, c", "untrained, h", "untrained, c", "windows end here"):
        assert name in text
    assert "trained, c by prod f alone" in text


def test_cells(work_folder: Path) -> None:
    """The experiment, with the textbooks' numbers."""
    shown = succeed("gradflow", "--cell", "rnn,lstm,gru", "--svg", "cells.svg").stdout
    for fact in ("2.66e-05", "13,781", "sigma(1) = 0.73", "half-life 2.2 steps", "50 steps"):
        assert fact in shown
    for cell in ("rnn", "lstm", "gru"):
        assert cell in Path("cells.svg").read_text(encoding="utf-8")
    found = data("gradflow", "--cell", "rnn,rnn", "--init", "gaussian")
    assert list(found["cells"]) == ["rnn"]
    assert found["cells"]["rnn"]["layers"][0]["spectra"][0]["largest_singular"] > 1.5
    assert found["arithmetic"]["growing"] == pytest.approx(1.1**100)
    assert np.isfinite(found["cells"]["rnn"]["layers"][0]["states"][0]["median"]).all()


def test_many_cells(work_folder: Path) -> None:
    """Their tables stand below each other, in 80 columns; every cell is there once."""
    shown = output("gradflow", "--cell", "rnn,lstm,gru,layernorm-lstm,mingru", "--quiet")
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("gradient of the loss at T by the state") == 3
    assert shown.count("layernorm-lstm c") == 1
    assert shown.count("mingru h") == 1


def test_notes(model: Path) -> None:
    """Unknown characters, a short text and a checkpoint without a record are said."""
    Path("short.txt").write_text("the tide goes out €€", encoding="utf-8")
    Path("alone").mkdir()
    Path("alone/best.npz").write_bytes((model / "best.npz").read_bytes())
    result = succeed("gradflow", "alone/best.npz", "short.txt")
    assert "2 characters are unknown to the model ('€' 2x); left out." in result.stderr
    assert "the text has 18 symbols, enough for 8 lags." in result.stderr
    assert "no metrics.jsonl beside the checkpoint" in result.stderr
    assert "clipped" not in result.stdout
    assert succeed("gradflow", "alone/best.npz", "short.txt", "--quiet").stderr == ""


def test_standard_input(model: Path, verse: Path) -> None:
    """- is standard input."""
    found = data("gradflow", model, "-", *FEW, stdin=verse.read_text())
    assert found["trained"] == data("gradflow", model, verse, *FEW)["trained"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "there is no model; give CKPT and TEXT, or --cell rnn,lstm,gru."),
        (("RUN",), "has no text to read; give CKPT and TEXT."),
        (("RUN", "TEXT", "--cell", "rnn"), "leave out --cell, or the checkpoint."),
        (("RUN", "TEXT", "--init", "gaussian"), "--init is for --cell; leave it out."),
        (("--cell", "rnn", "--lags", "9"), "--lags is for a checkpoint; leave it out."),
        (("--cell", "lsmt"), "Did you mean 'lstm'?"),
        (("--cell", ","), "cell is ','; choose among"),
        (("RUN", "TEXT", "--lags", "0"), "lags is 0"),
        (("RUN", "missing.txt"), "missing.txt"),
        (("missing", "TEXT"), "missing"),
        (("RUN", "TEXT", "--svg", "nowhere/flow.svg"), "there is no such folder"),
    ],
)
def test_refusals(words: tuple[str, ...], sentence: str, model: Path, verse: Path) -> None:
    """What does not fit together is refused in a sentence, before anything is computed."""
    names = {"RUN": model, "TEXT": verse}
    assert sentence in refusal("gradflow", *(names.get(word, word) for word in words))


def test_a_text_too_short(model: Path) -> None:
    """Three characters hold no gradient that travels."""
    Path("short.txt").write_text("the", encoding="utf-8")
    assert "4 are needed" in refusal("gradflow", model, "short.txt")


def test_other_tasks_are_refused(verse: Path) -> None:
    """A model of another task is told which command is for it."""
    sentence = refusal("gradflow", run_of("classify"), verse)
    assert "is not for `charnn gradflow`" in sentence
    assert "charnn predict" in sentence


def test_help() -> None:
    """The page explains the figures."""
    shown = squeezed(run("gradflow", "--help").stdout)
    assert squeezed("in an RNN, gradients by h must vanish if sigma < 1") in shown
