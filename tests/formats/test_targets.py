"""Where an export goes: files and folders, what is replaced, and what never is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from exported_models import assert_same, checkpoint_of

from charnn.errors import InputError
from charnn.formats import hub_folder
from charnn.formats.errors import library
from charnn.formats.incoming import import_model
from charnn.formats.outgoing import export_model, kind_of
from charnn.training.checkpoint import Checkpoint

FILES = ["README.md", "config.json", "model.safetensors"]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(checkpoint: Checkpoint, name: Path | str, folder: Path, force: bool = False) -> str:
    """Return why something is not written; nothing changes."""
    before = contents(folder)
    with pytest.raises(InputError) as caught:
        export_model(checkpoint, name, force)
    assert contents(folder) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("m.safetensors", ".safetensors"),
        ("M.SafeTensors", ".safetensors"),
        ("a.b/m.onnx", ".onnx"),
        ("model", "folder"),
        ("model.v2/", "folder"),
        (".hidden", "folder"),
        (".", "folder"),
    ],
)
def test_the_name_decides(name: str, kind: str) -> None:
    """An ending says which file; no ending, or a slash, says a folder."""
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["m.pt", "m.htm", "m.npz", "m.bin", "m.h5", "m.v2"])
def test_other_endings(name: str, tmp_path: Path) -> None:
    """They are refused, and the sentence says which there are."""
    text = refused(checkpoint_of(), tmp_path / name, tmp_path)
    assert ".safetensors, .onnx, .html, and a folder" in text


def test_an_existing_file(tmp_path: Path) -> None:
    """It is replaced with `force` only."""
    path = tmp_path / "m.safetensors"
    export_model(checkpoint_of(seed=1), path)
    assert "replace it with --force" in refused(checkpoint_of(seed=2), path, tmp_path)
    export_model(checkpoint_of(seed=2), path, force=True)
    assert_same(checkpoint_of(seed=2), import_model(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_an_existing_folder(tmp_path: Path) -> None:
    """One of charnn's is replaced with `force`, an empty one at once."""
    path = tmp_path / "model"
    path.mkdir()
    export_model(checkpoint_of(seed=1), f"{path}/")
    assert sorted(entry.name for entry in path.iterdir()) == FILES
    assert "replace it with --force" in refused(checkpoint_of(seed=2), path, tmp_path)
    export_model(checkpoint_of(seed=2), path, force=True)
    assert_same(checkpoint_of(seed=2), import_model(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_something_else(force: bool, tmp_path: Path) -> None:
    """It is never replaced: neither with a foreign file, nor with a foreign README.md alone."""
    path = tmp_path / "model"
    export_model(checkpoint_of(), path)
    (path / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert "(thesis.tex)" in refused(checkpoint_of(), path, tmp_path, force)
    (path / "thesis.tex").unlink()
    (path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    assert "which charnn did not export" in refused(checkpoint_of(), path, tmp_path, force)
    other = tmp_path / "project"
    other.mkdir()
    (other / "README.md").write_text("my project", encoding="utf-8")
    assert "holds README.md" in refused(checkpoint_of(), other, tmp_path, force)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """It is not replaced, with `force` neither."""
    (tmp_path / "model").write_text("a file", encoding="utf-8")
    assert "is a file" in refused(checkpoint_of(), tmp_path / "model", tmp_path, force=True)


@pytest.mark.parametrize("name", ["no/such/m.safetensors", "no/such/folder"])
def test_a_folder_that_is_not_there(name: str, tmp_path: Path) -> None:
    """Its parent must exist."""
    assert "does not exist" in refused(checkpoint_of(), tmp_path / name, tmp_path)


def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the folder that was there, and nothing beside it."""
    path = tmp_path / "model"
    export_model(checkpoint_of(seed=1), path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub_folder, "write_text", full)
    text = refused(checkpoint_of(seed=2), path, tmp_path, force=True)
    assert "No space left on device" in text
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the last step fails, what was there before is there again."""
    path = tmp_path / "model"
    export_model(checkpoint_of(seed=1), path)
    rename, targets = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        targets.append(target)
        if targets.count(path) == 1 and target == path:
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert "Permission denied" in refused(checkpoint_of(seed=2), path, tmp_path, force=True)
    assert targets[-1] == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    """config.json says what the model is; the card begins with YAML and has the loss."""
    ours = checkpoint_of("classify")
    export_model(ours, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["library_name"] == "charnn"
    assert config["model_type"] == "charnn-classify"
    assert config["layout"] == "pytorch"
    assert config["config"]["hidden_size"] == 5
    assert config["vocabulary"] == ours.vocabulary.to_json()
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "charnn",
        "pipeline_tag": "text-classification",
        "tags": ["charnn", "character-level", "lstm"],
    }
    assert "validation loss: 2.5000 nats/example (3.6067 bits/example), at update 30" in text
    assert "charnn import model.safetensors -o model.npz" in text
    assert "torch.nn.LSTM(64, 5, 1, bidirectional=True)" in text


def test_a_card_without_pytorch(tmp_path: Path) -> None:
    """Where PyTorch has no layer, the card shows no code for it."""
    export_model(checkpoint_of("transduce"), tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "PyTorch has no layer that computes this model" in card
    assert "import torch" not in card


def test_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names the extra, and nothing is written."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    text = refused(checkpoint_of(), tmp_path / "m.safetensors", tmp_path)
    assert 'pip install "charnn[safetensors]"' in text
    refused(checkpoint_of(), tmp_path / "folder", tmp_path)
    (tmp_path / "x.safetensors").touch()
    with pytest.raises(InputError, match=r"charnn\[safetensors\]"):
        import_model(tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "x.pt").touch()
    with pytest.raises(InputError, match=r"charnn\[torch\]"):
        import_model(tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"charnn\[torch\]"):
        library("torch", "torch", "PyTorch")
