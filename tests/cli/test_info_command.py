"""`charnn info`: what a checkpoint holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from commands import data, output, succeed
from reference import REFERENCES

import charnn

TINY = ("--steps", 2, "--batch-size", 2, "--seq-length", 8, "--quiet", "--out", "run")


def textbook(kind: tuple[str, str], V: int, H: int, layers: int, E: int | None) -> int:
    """Return the number of parameters by the textbook's formulas."""
    sizes = [E or V] + [H] * (layers - 1)
    return H * V + V + (V * E if E else 0) + sum(REFERENCES[kind].count(D, H) for D in sizes)


@pytest.mark.parametrize(("layers", "embedding"), [(1, None), (3, 3)])
def test_the_total(layers: int, embedding: int | None, kind: tuple[str, str], verse: Path) -> None:
    """The number of parameters is that of the formula and of the arrays in the file."""
    name, form = kind
    flags = ["--cell", name, "--num-layers", layers, "--hidden-size", 6]
    flags += ["--gru-reset", form] if form else []
    flags += ["--embedding-size", embedding] if embedding else []
    succeed("train", verse, *flags, *TINY)
    V = len(set(verse.read_text()))
    expected = textbook(kind, V, 6, layers, embedding)
    found = data("info", "run")
    assert found["parameter_count"] == expected
    assert sum(int(np.prod(shape)) for shape in found["parameters"].values()) == expected
    with np.load("run/best.npz") as archive:
        weights = [archive[key] for key in archive.files if key.startswith("parameters/")]
    assert sum(array.size for array in weights) == expected
    shown = output("info", "run")
    assert f"total {expected:,}, equal to the formula" in shown
    assert f" = {expected:,}\n" in shown


def test_the_formula_is_one(model: Path) -> None:
    """The printed formula, computed, gives the printed total."""
    (line,) = re.findall(r"^total .*$", output("info", model), re.MULTILINE)
    formula, total = re.search(r"formula (.+) = ([\d,]+)$", line).groups()
    saved = charnn.load(model)
    code = re.sub(r"(?<=[\dVH)]) (?=[VH(])", " * ", formula.replace("^", "**"))
    code = re.sub(r"(\d)\(", r"\1 * (", code)
    value = eval(code, {"H": 16, "V": len(saved.vocabulary)})  # noqa: S307
    assert value == int(total.replace(",", "")) == saved.parameters.flat.size


@pytest.mark.skipif(os.name == "nt", reason="no file can have such a name there")
def test_a_name_cannot_steer_the_terminal(verse: Path) -> None:
    """Control characters, here of a text's name, are written as escapes."""
    odd = verse.with_name("odd\x1b[31m\x07name.txt")
    verse.rename(odd)
    told = succeed("train", odd, *TINY[:-3], "--out", "run").stderr
    for text in (told, output("info", "run")):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert r"odd\x1b[31m\x07name" in text


def test_the_parameter_table(model: Path) -> None:
    """Every parameter is listed with its shape and count."""
    shown = output("info", model)
    V = len(charnn.load(model).vocabulary)
    for name, shape in {
        "layer1/W_xh": (4, V, 16),
        "layer1/W_hh": (4, 16, 16),
        "layer1/b_h": (4, 16),
        "W_hy": (16, V),
        "b_y": (V,),
    }.items():
        sizes = " x ".join(map(str, shape))
        assert re.search(rf"^{name} +{sizes} +{np.prod(shape):,} *$", shown, re.MULTILINE)


def test_json(model: Path) -> None:
    """--json has configuration, parameters, vocabulary, progress, corpus and provenance."""
    found, saved = data("info", model), charnn.load(model)
    assert found["config"] == saved.config.values()
    assert found["vocabulary"]["symbols"] == saved.vocabulary.symbols
    assert found["vocabulary_size"] == len(saved.vocabulary)
    assert found["progress"]["update"] == saved.progress.update
    assert [row[0] for row in found["progress"]["history"]] == [20, 40, 60]
    assert found["corpus"]["parts"] == saved.corpus.parts
    assert found["provenance"]["numpy"] == np.__version__
    assert found["provenance"]["charnn"] == charnn.__version__


def test_the_configuration(model: Path) -> None:
    """Every option of the task is listed with its value."""
    shown = output("info", model)
    for name, value in charnn.load(model).config.own_values().items():
        text = {"None": "none", "True": "true", "False": "false"}.get(str(value), value)
        assert re.search(rf"^{name} +{re.escape(str(text))} *$", shown, re.MULTILINE)


def test_the_vocabulary(model: Path) -> None:
    """All symbols are listed, spaces by name."""
    shown = output("info", model)
    size = len(charnn.load(model).vocabulary)
    line = shown.split(f"vocabulary: {size} characters\n")[1].splitlines()[0].split()
    assert len(line) == size
    assert {"space", "newline", "t", "["} <= set(line)


def test_the_history(model: Path) -> None:
    """Training and validation losses are drawn over the updates, highest on top."""
    shown = output("info", model)
    history = charnn.load(model).progress.history
    losses = [loss for _, *pair in history for loss in pair]
    assert "* validation" in shown
    lines = [line for line in shown.splitlines() if re.match(r"^ *[\d.]* \|", line)]
    assert lines[0].split()[0] == f"{max(losses):.3f}"
    assert lines[-1].split()[0] == f"{min(losses):.3f}"
    marks = "".join(line.partition("|")[2] for line in lines)
    assert marks.count("*") == 3
    assert marks.count(".") in {1, 2, 3}  # a validation loss may cover a training loss
    assert "nats/char" in shown
    assert re.search(r" 20 +60 updates", shown)


def test_a_history_without_validation(verse: Path) -> None:
    """Where there was no validation part, the legend does not promise one."""
    options = ("--hidden-size", 4, "--val-fraction", 0, "--eval-every", 1)
    succeed("train", verse, *options, *TINY)
    shown = output("info", "run/last.npz")
    assert "(. training)" in shown
    assert "*" not in shown.partition("history")[2]


def test_provenance(model: Path) -> None:
    """Where a model comes from is told: corpus, its split, updates, best loss, versions."""
    shown = output("info", model)
    saved = charnn.load(model)
    assert re.search(r"trained on +verse \(train [\d,]+, val [\d,]+, test 0\)", shown)
    assert saved.corpus.fingerprint in shown
    assert f"{saved.progress.best_loss:.4f} nats/char" in shown
    assert f"numpy {np.__version__}" in shown


def test_best_and_last(model: Path) -> None:
    """The best holds a model only; the last can be resumed."""
    assert re.search(r"resumable +no", output("info", model))
    assert re.search(r"resumable +no", output("info", model / "best.npz"))
    assert re.search(r"resumable +yes", output("info", model / "last.npz"))


def test_a_run_interrupted_early(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint without an evaluation has no best loss, and no curve, and is shown."""
    run = charnn.train(verse, hidden_size=4, batch_size=2, seq_length=8, out="run")
    for event in run:
        run.trainer.stop_requested = True
        assert event is not None
    shown = output("info", "run/last.npz")
    assert "history" not in shown
    assert re.search(r"^best +not evaluated yet", shown, re.MULTILINE)


def test_quiet(model: Path) -> None:
    """--quiet leaves out the configuration and the vocabulary."""
    quiet = output("info", model, "--quiet")
    assert "hidden_size" not in quiet
    assert "total" in quiet


class TestTasks:
    """What a model of sequences holds, on both sides."""

    @pytest.fixture
    def words(self) -> Path:
        """Return a file of pairs."""
        lines = [f"{word}\t{word[::-1]}" for word in ("ab", "ba", "aab", "c d", "cab", "bad")]
        Path("words.tsv").write_text("\n".join(lines * 4) + "\n", encoding="utf-8")
        return Path("words.tsv")

    @pytest.mark.parametrize(
        ("task", "flags"),
        [
            ("transduce", ("--bidirectional", "--num-layers", 2, "--embedding-size", 3)),
            ("transduce", ("--attention", "none", "--cell", "gru")),
            ("classify", ("--bidirectional", "--num-layers", 2)),
            ("tag", ("--select", "accuracy")),
            ("generate", ("--embedding-size", 6, "--tie-weights")),
        ],
    )
    def test_the_parts(self, task: str, flags: tuple, words: Path) -> None:
        """Each part's formula, computed with its letters, gives its count; all give the total."""
        train = ("train", words, "--task", task, *flags, "--hidden-size", 6, "--steps", 2)
        succeed(*train, "--eval-every", 1, "--quiet", "--out", "run")
        found = data("info", "run")
        for part in found["parts"]:
            sizes = dict(pair.split() for pair in part["sizes"].split(", "))
            code = re.sub(r"(?<=[\dA-Z)]) (?=[A-Z(])", " * ", part["formula"].replace("^", "**"))
            code = re.sub(r"(\d)\(", r"\1 * (", code)
            values = {letter: int(size) for letter, size in sizes.items()}
            assert eval(code, values) == part["count"]  # noqa: S307
        assert sum(part["count"] for part in found["parts"]) == found["parameter_count"]
        assert len({part["name"] for part in found["parts"]}) == len(found["parts"])
        shown = output("info", "run")
        assert f"total {found['parameter_count']:,}, equal to the sum" in shown
        assert ("accuracy by symbol" in shown) == ("accuracy" in flags)

    def test_the_symbols(self, words: Path) -> None:
        """The symbols of both sides are listed, and the options of other tasks are not."""
        train = ("train", words, "--task", "transduce", "--hidden-size", 4, "--steps", 2)
        succeed(*train, "--quiet", "--out", "run")
        shown = output("info", "run")
        assert "source: 6 symbols\n  space a b c d unknown\n" in shown
        assert "target: 6 symbols\n" in shown
        assert "seq_length" not in shown
        assert "nats/symbol" in shown
        found = data("info", "run")
        assert (found["task"], found["source_size"], found["target_size"]) == ("transduce", 6, 6)
