"""What is exported comes back bit for bit, and is what PyTorch's layout says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from exported_models import D, H, V, assert_same, checkpoint_of, logits_of
from safetensors import safe_open

import charnn
from charnn.formats.incoming import import_model
from charnn.formats.naming import naming, obstacle
from charnn.formats.outgoing import export_model
from charnn.formats.safetensors_file import content_of
from charnn.models.model import Sizes
from charnn.registry import CELLS
from charnn.tasks.registry import TASKS
from charnn.text.vocabulary import Vocabulary
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import (
    Checkpoint,
    CorpusRecord,
    empty_parameters,
    save_checkpoint,
)
from charnn.training.progress import Progress

TASK_OPTIONS: list[dict[str, Any]] = [
    {"task": "classify"},
    {"task": "classify", "bidirectional": False, "embedding_size": None},
    {"task": "tag", "num_layers": 2},
    {"task": "tag", "cell": "gru", "gru_reset": "after"},
    {"task": "generate", "cell": "rnn"},
    {"task": "generate", "embedding_size": H, "tie_weights": True},
    {"task": "transduce"},
    {"task": "transduce", "cell": "mingru", "attention": None},
    {"task": "lm", "attention": "dot"},
    {"task": "lm", "embedding_size": H, "tie_weights": True},
]


def round_trip(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """Export a model, import it, write that as a checkpoint, and read it."""
    export_model(checkpoint, path)
    back = import_model(path)
    save_checkpoint(path.parent / "back.npz", back)
    return load_checkpoint(path.parent / "back.npz")


@pytest.mark.parametrize("embedding", [None, D])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_cell(
    cell_options: dict[str, str], layers: int, embedding: int | None, tmp_path: Path
) -> None:
    """All cells and forms, one layer and two, one-hot input and an embedding."""
    ours = checkpoint_of(num_layers=layers, embedding_size=embedding, **cell_options)
    assert_same(ours, round_trip(ours, tmp_path / "model.safetensors"))


@pytest.mark.parametrize("options", TASK_OPTIONS, ids=str)
def test_every_task(options: dict[str, Any], tmp_path: Path) -> None:
    """Classifier, tagger, labelled model, transducer, attention, tied weights; in a folder."""
    ours = checkpoint_of(**options)
    back = round_trip(ours, tmp_path / "folder")
    assert_same(ours, back)
    assert back.task.name == options["task"]


def test_the_average_is_what_is_exported(tmp_path: Path) -> None:
    """Where a run keeps a moving average, that is the model."""
    ours = checkpoint_of()
    average = np.random.default_rng(3).standard_normal(ours.parameters.flat.size)
    ours = Checkpoint(
        ours.config,
        ours.vocabulary,
        ours.parameters,
        ours.progress,
        ours.corpus,
        average=average.astype(np.float32),
    )
    export_model(ours, tmp_path / "m.safetensors")
    back = import_model(tmp_path / "m.safetensors")
    assert back.parameters.flat.tobytes() == average.astype(np.float32).tobytes()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("embedding", [None, D, H])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_arrays_compute_what_the_model_computes(
    cell: str, embedding: int | None, layers: int, tmp_path: Path
) -> None:
    """PyTorch's equations on the arrays of the file give the model's logits."""
    options: dict[str, Any] = {"num_layers": layers, "embedding_size": embedding}
    options |= {"gru_reset": "after"} if cell == "gru" else {}
    ours = checkpoint_of(cell=cell, **options, tie_weights=embedding == H)
    assert export_model(ours, tmp_path / "m.safetensors") == []
    state = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    ids = [3, 0, 6, 6, 1, 4]
    logits, _, _ = ours.model.logits(np.array(ids)[:, None], ours.model.zero_states(1))
    assert np.abs(logits - logits_of(cell, state, ids)).max() < 1e-5
    assert all(array.flags.c_contiguous for array in state.values())


def test_names_and_shapes(tmp_path: Path) -> None:
    """They are those of a module with `embedding`, `rnn` and `decoder`."""
    ours = checkpoint_of("tag", num_layers=2, embedding_size=D)
    export_model(ours, tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", "np") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    expected: dict[str, tuple[int, ...]] = {"embedding.weight": (5, D)}
    for layer, inputs in ((0, D), (1, 2 * H)):
        for end in ("", "_reverse"):
            expected |= {
                f"rnn.weight_ih_l{layer}{end}": (4 * H, inputs),
                f"rnn.weight_hh_l{layer}{end}": (4 * H, H),
                f"rnn.bias_ih_l{layer}{end}": (4 * H,),
                f"rnn.bias_hh_l{layer}{end}": (4 * H,),
            }
    assert shapes == expected | {"decoder.weight": (3, 2 * H), "decoder.bias": (3,)}
    assert metadata["format"] == "pt"
    assert metadata["layout"] == "pytorch"
    assert metadata["charnn"] == charnn.__version__
    assert json.loads(metadata["vocabulary"]) == ours.vocabulary.to_json()


@pytest.mark.parametrize(
    "vocabulary",
    [Vocabulary.of_bytes(), Vocabulary("ab\ud800\U0001f600", unknown=True), Vocabulary("`")],
    ids=["bytes", "unknown", "one"],
)
def test_odd_vocabularies(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """Bytes, an unknown symbol, what is no proper character, and a single symbol."""
    config = checkpoint_of(tokens=vocabulary.tokens).config
    parameters = empty_parameters(config, vocabulary)
    parameters.flat[:] = np.arange(parameters.flat.size)
    record = CorpusRecord("`\n---\n<b>\udc80", [], "f" * 64, {"train": 9})
    ours = Checkpoint(config, vocabulary, parameters, Progress(), record)
    export_model(ours, tmp_path / "model")
    back = import_model(tmp_path / "model")
    assert back.vocabulary == vocabulary
    assert back.corpus == record
    assert back.parameters.flat.tobytes() == parameters.flat.tobytes()
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "- data: `??---?<b>?` (train 9)" in card.splitlines()


def test_tied_weights_stand_twice(tmp_path: Path) -> None:
    """PyTorch's output has a copy of the embedding: of its first rows where it has more."""
    export_model(
        checkpoint_of("generate", embedding_size=H, tie_weights=True), tmp_path / "m.safetensors"
    )
    state = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    assert state["embedding.weight"].shape == (3 + 1 + 5, H)
    assert np.array_equal(state["decoder.weight"], state["embedding.weight"][:4])


def test_equal_models_make_equal_files(tmp_path: Path) -> None:
    """The library's own order of metadata is random; what charnn writes is not."""
    contents = set()
    for number in range(4):
        export_model(checkpoint_of(), tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1


def test_arrays_of_any_strides() -> None:
    """Transposed, reversed and strided views are written as they read."""
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {"t": plain.T, "r": plain[::-1], "s": plain[:, ::2], "d": plain.astype(float)}
    found = safetensors.numpy.load(content_of(arrays, {}))
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_files_are_named_without_their_folders(tmp_path: Path) -> None:
    """A file that is handed on says nothing of its author's folders."""
    ours = checkpoint_of(vocab="C:\\Users\\me\\v.json")
    export_model(ours, tmp_path / "folder")
    content = b"".join(path.read_bytes() for path in (tmp_path / "folder").iterdir())
    assert b"secret" not in content
    assert b"Users" not in content
    assert import_model(tmp_path / "folder").config.data.vocab == "v.json"


def test_provenance_says_where_it_comes_from(tmp_path: Path) -> None:
    """The file's name and its layout stand beside what wrote the checkpoint."""
    ours = checkpoint_of()
    export_model(ours, tmp_path / "m.safetensors")
    provenance = import_model(tmp_path / "m.safetensors").provenance
    added = {"imported from": "m.safetensors (layout pytorch)"}
    assert provenance == ours.provenance | added


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": "gru"}, "--gru-reset after"),
        ({"cell": "mingru"}, "(minGRU)"),
        ({"cell": "peephole-lstm"}, "(LSTM with peepholes)"),
        ({"attention": "dot"}, "attention"),
        ({"task": "transduce"}, "encoder"),
    ],
    ids=str,
)
def test_why_a_layout_is_charnns_own(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    """One sentence gives the reason, and the arrays have the names of the checkpoint."""
    ours = checkpoint_of(**options)
    (note,) = export_model(ours, tmp_path / "m.safetensors")
    assert words in note
    assert note.endswith(".")
    state = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    assert state.keys() == ours.parameters.keys()
    back = import_model(tmp_path / "m.safetensors")
    assert back.provenance["imported from"] == "m.safetensors (layout charnn)"


def test_only_what_pytorch_has_is_laid_out_for_it() -> None:
    """The layout exists for the three cells, and there is a reason for every other."""
    for name in CELLS:
        for task, kind in TASKS.items():
            config = checkpoint_of(task, cell=name).config.model
            layout = naming(kind.model, config, Sizes(4, 3))
            own = name in ("rnn", "lstm") and task != "transduce"
            assert (layout is not None) == own
            if layout is None:
                assert obstacle(kind.model, config, CELLS[name]())


def test_from_python(tmp_path: Path) -> None:
    """`charnn.export` and `charnn.import_model` are the commands."""
    ours = checkpoint_of()
    assert charnn.export(ours, tmp_path / "m.safetensors") == []
    back = charnn.import_model(tmp_path / "m.safetensors")
    options = {"length": 30, "seed": 4}
    assert charnn.sample(back, **options) == charnn.sample(ours, **options)
    assert len(back.vocabulary) == V
