"""Formats against PyTorch itself: safetensors into its layers, its files in, hostile pickles."""

from __future__ import annotations

import collections
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import charnn
from charnn.config import Config
from charnn.errors import InputError
from charnn.formats.model_card import PIPELINES
from charnn.text.symbols import PairVocabulary, Symbols
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint, CorpusRecord, empty_parameters
from charnn.training.progress import Progress

pytestmark = pytest.mark.parity

H, D, V = 6, 4, 9  # units, width of the embedding, symbols: all different
SYMBOLS = "\n abdefgh"
PAIRS = PairVocabulary(Symbols(("a", "b", "c"), True), Symbols(("x", "y", "z")))
IDS = np.array([[3, 1], [0, 8], [7, 7], [7, 2], [2, 4]])
DOCS = Path(__file__).parents[2] / "docs" / "formats.md"
CLASSES = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def checkpoint_of(task: str = "lm", **options: Any) -> Checkpoint:
    """Return a checkpoint with random weights."""
    config = Config.from_values({"task": task, "hidden_size": H, "gru_reset": "after"} | options)
    vocabulary: Any = Vocabulary(SYMBOLS) if task == "lm" else PAIRS
    parameters = empty_parameters(config, vocabulary)
    random = np.random.default_rng(1)
    parameters.flat[:] = 0.5 * random.standard_normal(parameters.flat.size)
    record = CorpusRecord("tide", [], "f" * 64, {"train": 9})
    return Checkpoint(config, vocabulary, parameters, Progress(), record)


class Theirs(torch.nn.Module):
    """A language model as anybody writes it in PyTorch."""

    def __init__(self, cell: str, layers: int, embedding: int | None, **more: Any) -> None:
        super().__init__()
        self.embedding = None if embedding is None else torch.nn.Embedding(V, embedding)
        self.rnn = CLASSES[cell](embedding or V, H, layers, **more)
        self.decoder = torch.nn.Linear(H, V)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return logits: ids (T, B) -> (T, B, V)."""
        one_hot = torch.nn.functional.one_hot(ids, V).float()
        x = one_hot if self.embedding is None else self.embedding(ids)
        return self.decoder(self.rnn(x)[0])

    def numbers(self) -> Any:
        """Return the logits of the test's ids (T, B, V)."""
        with torch.no_grad():
            return self(torch.tensor(IDS)).numpy()


def our_logits(checkpoint: Checkpoint) -> Any:
    """Return charnn's logits of the test's ids (T, B, V)."""
    model = checkpoint.model
    return model.logits(IDS, model.zero_states(IDS.shape[1]))[0].reshape(*IDS.shape, V)


every_model = pytest.mark.parametrize(
    ("cell", "layers", "embedding"),
    [(cell, layers, width) for cell in CLASSES for layers in (1, 2) for width in (None, D, H)],
)


@every_model
def test_safetensors_into_torch(
    cell: str, layers: int, embedding: int | None, tmp_path: Path
) -> None:
    """The names are those of PyTorch's module, all of them, and the logits are equal."""
    ours = checkpoint_of(cell=cell, num_layers=layers, embedding_size=embedding)
    charnn.export(ours, tmp_path / "m.safetensors")
    theirs = Theirs(cell, layers, embedding)
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "m.safetensors"))
    assert np.abs(our_logits(ours) - theirs.numbers()).max() < 1e-6


def test_tied_weights_into_torch(tmp_path: Path) -> None:
    """The output has the embedding's weights."""
    ours = checkpoint_of(embedding_size=H, tie_weights=True)
    charnn.export(ours, tmp_path / "m.safetensors")
    theirs = Theirs("lstm", 1, H)
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "m.safetensors"))
    assert np.abs(our_logits(ours) - theirs.numbers()).max() < 1e-6


@every_model
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_torch_comes_in(
    ending: str, cell: str, layers: int, embedding: int | None, tmp_path: Path
) -> None:
    """A model that PyTorch started computes the same in charnn, both biases counted."""
    torch.manual_seed(1)
    theirs = Theirs(cell, layers, embedding)
    path = tmp_path / f"m.{ending}"
    if ending == "pt":
        torch.save(theirs.state_dict(), path)
    else:
        safetensors.torch.save_file(theirs.state_dict(), path)
    back = charnn.import_model(path, list(SYMBOLS))
    assert np.abs(our_logits(back) - theirs.numbers()).max() < 1e-6
    assert back.config.model.cell == cell


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_a_dictionary_that_holds_more(key: str, tmp_path: Path) -> None:
    """The state dictionary is found under the names that people use."""
    theirs = Theirs("gru", 1, D)
    torch.save({key: theirs.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "m.pt")
    back = charnn.import_model(tmp_path / "m.pt", list(SYMBOLS))
    assert np.abs(our_logits(back) - theirs.numbers()).max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_other_precisions(ending: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """They are read as PyTorch reads them."""
    theirs = Theirs("lstm", 1, D)
    state = {name: tensor.to(dtype) for name, tensor in theirs.state_dict().items()}
    path = tmp_path / f"m.{ending}"
    (torch.save if ending == "pt" else safetensors.torch.save_file)(state, path)
    back = charnn.import_model(path, list(SYMBOLS))
    theirs.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    assert np.abs(our_logits(back) - theirs.numbers()).max() < 1e-6


def test_old_and_shared_tensors(tmp_path: Path) -> None:
    """The format before 1.6, views of a larger tensor, and tied tensors are read alike."""
    theirs = Theirs("rnn", 2, H)
    theirs.decoder.weight = theirs.embedding.weight
    state = theirs.state_dict()
    large = torch.cat([state["rnn.weight_hh_l1"], torch.ones(3, H)])
    state["rnn.weight_hh_l1"] = large[:H]
    torch.save(state, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    back = charnn.import_model(tmp_path / "m.pt", list(SYMBOLS))
    assert back.config.model.tie_weights
    assert np.abs(our_logits(back) - theirs.numbers()).max() < 1e-6


class Evil:
    """What runs a command when it is unpickled, but for a loader that refuses."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Leave a trace."""
        return os.mkdir, ("pwned",)


def hostile_files(folder: Path) -> list[Path]:
    """Return files that would run code if they were loaded as pickles."""
    state = Theirs("lstm", 1, D).state_dict()
    contents = [Evil(), {"model": state, "args": Evil()}, state | {"decoder.bias": Evil()}]
    paths = []
    for number, content in enumerate(contents):
        for new in (True, False):
            paths.append(folder / f"{number}{new}.pt")
            torch.save(content, paths[-1], _use_new_zipfile_serialization=new)
    for protocol in (0, 2, 4):
        paths.append(folder / f"plain{protocol}.pt")
        paths[-1].write_bytes(pickle.dumps(Evil(), protocol))
    return paths


def test_hostile_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is refused in one sentence, and never runs."""
    monkeypatch.chdir(tmp_path)
    for path in hostile_files(tmp_path):
        with pytest.raises(InputError) as caught:
            charnn.import_model(path, list(SYMBOLS))
        assert "\n" not in str(caught.value)
        assert "which charnn never loads" in str(caught.value), (path, str(caught.value))
        assert not (tmp_path / "pwned").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    """`torch.save(model)` pickles its class, TorchScript is code; a sentence says what to save."""
    torch.save(torch.nn.LSTM(V, H), tmp_path / "module.pt")
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.script(torch.nn.Linear(V, H)).save(tmp_path / "script.pt")
    for name in ("module.pt", "script.pt"):
        with pytest.raises(InputError, match=r"torch.save\(model.state_dict\(\), 'model.pt'\)"):
            charnn.import_model(tmp_path / name, list(SYMBOLS))


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which a way around `weights_only` is known."""
    torch.save(Theirs("lstm", 1, D).state_dict(), tmp_path / "m.pt")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(InputError, match=r"torch>=2\.10"):
        charnn.import_model(tmp_path / "m.pt", list(SYMBOLS))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "no state dictionary"),
        ([torch.ones(3)], "no state dictionary"),
        (torch.ones(3), "no state dictionary"),
        ({"a": 3}, "entry 'a' is a int"),
        ({3: torch.ones(3)}, "entry 3 is a Tensor"),
        ({"a": torch.ones(3, dtype=torch.int64)}, "torch.int64"),
        ({"a": torch.ones(3, dtype=torch.complex64)}, "torch.complex64"),
        ({"a": torch.eye(3).to_sparse()}, "torch.sparse_coo"),
        ({"a": torch.ones(3, device="meta")}, "no plain tensor"),
        ({"a": torch.ones(1).expand(2**40)}, "larger than what the file holds"),
        ({"a": torch.ones(3)}, "the order of its gates cannot be known"),
        (collections.OrderedDict(), "no state dictionary"),
    ],
    ids=range(12),
)
def test_what_is_no_state_dictionary(content: Any, words: str, tmp_path: Path) -> None:
    """Other things that `weights_only` allows."""
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(InputError) as caught:
        charnn.import_model(tmp_path / "m.pt", list(SYMBOLS))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files(tmp_path: Path) -> None:
    """Cuts and flips end in a sentence, or, between the parts of the archive, change nothing."""
    path = tmp_path / "m.pt"
    torch.save(Theirs("lstm", 1, D).state_dict(), path)
    whole = path.read_bytes()
    model = charnn.import_model(path, list(SYMBOLS)).parameters.flat.tobytes()
    random = np.random.default_rng(1)
    for length in sorted({0, 1, 100, *random.integers(0, len(whole), 60).tolist()}):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            charnn.import_model(path, list(SYMBOLS))
    path.write_bytes(whole[:-38] + b"\1" + whole[-37:])  # as if it were one of several disks
    with pytest.raises(InputError, match="it is damaged"):
        charnn.import_model(path, list(SYMBOLS))
    refused = 0
    for place in random.integers(0, len(whole) * 8, 300).tolist():
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            back = charnn.import_model(path, list(SYMBOLS))
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert back.parameters.flat.tobytes() == model
    assert refused > 100


def test_an_archive_that_would_grow(tmp_path: Path) -> None:
    """Compressed content is never PyTorch's own."""
    with zipfile.ZipFile(tmp_path / "m.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(InputError, match="more than the file has"):
        charnn.import_model(tmp_path / "m.pt", list(SYMBOLS))


def run_code(code: str, folder: Path) -> dict[str, Any]:
    """Run code from a page in a folder; return its names."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(code, "page", "exec"), names)  # noqa: S102
    finally:
        os.chdir(before)
    return names


def test_the_ten_lines_of_the_page(tmp_path: Path) -> None:
    """docs/formats.md loads a file into PyTorch in ten lines, and they compute the same."""
    text = DOCS.read_text(encoding="utf-8")
    (code,) = [
        block
        for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if "torch.nn.LSTM" in block
    ]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    for layers in (1, 2):
        ours = checkpoint_of(num_layers=layers)
        charnn.export(ours, tmp_path / "model.safetensors", force=True)
        names = run_code(code, tmp_path)
        ids = names["x"].argmax(-1).numpy()[:, None]
        logits, _, _ = ours.model.logits(ids, ours.model.zero_states(1))
        assert np.abs(names["logits"].detach().numpy() - logits).max() < 1e-6


@pytest.mark.parametrize("embedding", [None, D])
@pytest.mark.parametrize("task", set(PIPELINES) - {"transduce"})
def test_the_code_of_a_card(task: str, embedding: int | None, tmp_path: Path) -> None:
    """The code of a model card runs, and computes what charnn computes."""
    ours = checkpoint_of(task, num_layers=2, embedding_size=embedding)
    charnn.export(ours, tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names = run_code(code, tmp_path / "model")
    ids, model = names["ids"].numpy(), ours.model
    if task == "generate":
        labels = np.full_like(ids, model.delimiter + 1)
        ids = np.stack([ids, labels], axis=-1)
    zeros = model.stack.zero_states(1, np.float32)
    h, _, _ = model.stack.run(model.parameters, ids, zeros)
    expected = h.reshape(len(ids), -1)
    if task == "classify":
        expected = np.concatenate([h[-1, :, :H], h[0, :, H:]], -1)
    expected = expected @ model.parameters["W_hy"] + model.parameters["b_y"]
    found = names["logits"].detach().numpy()
    assert np.abs(found.reshape(expected.shape) - expected).max() < 1e-6
