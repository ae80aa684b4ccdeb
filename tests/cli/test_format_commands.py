"""`charnn export` and `charnn import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
from commands import arrays, data, output, refusal, succeed

from charnn.training.archive import load_checkpoint


def test_there_and_back(trained: Any) -> None:
    """The imported checkpoint is sampled, scored and shown, with the same weights."""
    assert "m.safetensors: " in succeed("export", trained.folder, "-o", "m.safetensors").stderr
    said = succeed("import", "m.safetensors", "-o", "m.npz").stderr
    assert said.startswith("m.npz: language modelling, LSTM, ")
    assert "next: charnn sample m.npz" in said
    assert arrays(Path("m.npz")) == arrays(trained.folder / "best.npz")
    options = ("--len", 40, "--seed", 3)
    assert output("sample", "m.npz", *options) == output("sample", trained.folder, *options)
    assert data("eval", "m.npz", trained.corpus) == data("eval", trained.folder, trained.corpus)
    assert "imported from m.safetensors (layout pytorch)" in output("info", "m.npz")


def test_training_goes_on(trained: Any, verse: Path) -> None:
    """`--init-from` takes an imported model, and one from elsewhere."""
    succeed("export", trained.folder, "-o", "model")
    succeed("import", "model", "-o", "m.npz")
    options = ("--init-from", "m.npz", "--steps", 2, "--quiet")
    succeed("train", verse, *options, "--out", "again")
    state = safetensors.numpy.load_file("model/model.safetensors")
    safetensors.numpy.save_file(state, "theirs.safetensors")
    symbols = load_checkpoint(Path("m.npz")).vocabulary.symbols
    Path("v.json").write_text(json.dumps(list(symbols)), encoding="utf-8")
    succeed("import", "theirs.safetensors", "--vocab", "v.json", "-o", "theirs.npz")
    assert arrays(Path("theirs.npz")) == arrays(Path("m.npz"))
    page = output("info", "theirs.npz")
    assert "trained on  a text that is not known" in page
    assert "resumable   no" in page
    options = ("--init-from", "theirs.npz", "--steps", 2, "--quiet")
    succeed("train", verse, *options, "--out", "theirs")


def test_a_vocabulary_of_charnn(trained: Any) -> None:
    """What `charnn vocab --out` writes of the same text fits."""
    succeed("export", trained.folder, "-o", "m.safetensors")
    state = safetensors.numpy.load_file("m.safetensors")
    safetensors.numpy.save_file(state, "theirs.safetensors")
    succeed("vocab", trained.corpus, "--out", "v.json")
    succeed("import", "theirs.safetensors", "--vocab", "v.json", "-o", "m.npz", "--quiet")
    assert arrays(Path("m.npz")) == arrays(trained.folder / "best.npz")


def test_as_json_and_quietly(trained: Any) -> None:
    """--json has the files and the notes; --quiet says nothing."""
    found = data("export", trained.folder, "-o", "model")
    assert sorted(found["files"]) == [
        str(Path("model", name)) for name in ("README.md", "config.json", "model.safetensors")
    ]
    assert found["notes"] == []
    assert data("import", "model", "-o", "m.npz")["cell"] == "LSTM"
    assert output("export", trained.folder, "-o", "model", "--force", "-q") == ""
    assert output("import", "model", "-o", "m.npz", "--force", "-q") == ""


def test_a_note_on_the_layout(verse: Path) -> None:
    """A GRU that resets before the product keeps charnn's layout, and the command says why."""
    succeed("train", verse, "--cell", "gru", "--steps", 1, "--quiet", "--out", "run")
    said = succeed("export", "run", "-o", "m.safetensors").stderr
    (note,) = [line for line in said.splitlines() if line.startswith("note: ")]
    assert "resets after the recurrent product" in note
    assert "--gru-reset after" in note
    succeed("import", "m.safetensors", "-o", "m.npz")
    assert arrays(Path("m.npz")) == arrays(Path("run/best.npz"))


def test_a_page(trained: Any, verse: Path) -> None:
    """A page is one file, smaller with int8; a model of another task is refused in a sentence."""
    (size,) = data("export", trained.folder, "-o", "m.html")["files"].values()
    small = data("export", trained.folder, "-o", "m.html", "--weights", "int8", "--force")["files"]
    assert 20_000 < small["m.html"] < size
    assert Path("m.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    Path("names.tsv").write_text("anna\tx\nbert\ty\n" * 4, encoding="utf-8")
    options = ("--task", "classify", "--hidden-size", 4, "--steps", 1, "--quiet")
    succeed("train", "names.tsv", *options, "--out", "run")
    assert "only language models (the task lm) can" in refusal("export", "run", "-o", "c.html")
    assert not Path("c.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "RUN", "-o", "m.pt"), "there are .safetensors, .onnx, .html, and a folder"),
        (("export", "RUN", "-o", "there.html"), "replace it with --force"),
        (("export", "RUN", "-o", "no/m.html"), "does not exist"),
        (("export", "RUN", "-o", "m.html", "--weights", "int4"), "one of float16, int8"),
        (("export", "RUN", "-o", "m.onnx", "--weights", "int8"), "leave --weights out"),
        (("export", "RUN", "-o", "m", "--weights", "float16"), "only a page (.html)"),
        (("export", "RUN", "-o", "RUN"), "holds files of something else"),
        (("export", "RUN", "-o", "there.safetensors"), "replace it with --force"),
        (("export", "RUN", "-o", "no/m.safetensors"), "does not exist"),
        (("export", "none.npz", "-o", "m.safetensors"), "checkpoint 'none.npz' does not exist"),
        (("export", "RUN"), "Missing option '--out'"),
        (("import", "RUN", "-o", "m.npz"), "it is a run folder"),
        (("import", "none.safetensors", "-o", "m.npz"), "does not exist"),
        (("import", "there.safetensors", "-o", "m.npz"), "not a safetensors file"),
        (("import", "there.safetensors", "-o", "m.safetensors"), "choose one ending with .npz"),
        (("import", "there.safetensors", "-o", "there.npz"), "replace it with --force"),
        (("import", "there.safetensors", "-o", "folder.npz"), "is a folder"),
        (("import", "there.onnx", "-o", "m.npz"), "an ONNX file is for running a model only"),
        (("import", "good.safetensors", "-o", "no/m.npz"), "folder 'no' does not exist"),
        (("import", "good.safetensors", "-o", f"{'m' * 300}.npz"), "name too long"),
        (("import", f"{'m' * 300}.safetensors", "-o", "m.npz"), "name too long"),
        (("export", "RUN", "-o", f"{'m' * 300}.safetensors"), "name too long"),
        (("export", "RUN", "-o", "m" * 300), "name too long"),
        (("import", "good.safetensors", "--vocab", "w.json", "-o", "m.npz"), "file 'w.json'"),
        (("import", "good.safetensors", "--vocab", "v.json", "-o", "m.npz"), "leave --vocab out"),
    ],
)
def test_refusals(arguments: tuple[str, ...], words: str, trained: Any) -> None:
    """One sentence, exit code 2, and nothing written."""
    for name in ("there.safetensors", "there.npz", "there.onnx", "there.html"):
        Path(name).write_bytes(b"something else")
    Path("v.json").write_text('["a", "b"]', encoding="utf-8")
    Path("folder.npz").mkdir()
    succeed("export", trained.folder, "-o", "good.safetensors")
    named = [str(trained.folder) if word == "RUN" else word for word in arguments]
    assert words in refusal(*named)
