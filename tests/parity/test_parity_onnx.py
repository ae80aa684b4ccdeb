"""ONNX files in onnxruntime against NumPy: windows, streaming, what a file holds, what is refused.

All dimensions differ, and all parameters are random, biases and peepholes too.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import Config
from charnn.errors import InputError
from charnn.formats import onnx_cells, onnx_nodes
from charnn.formats.onnx_graph import write_onnx
from charnn.generation.sampling import draw
from charnn.models import correspondence
from charnn.models.language_model import LanguageModel
from charnn.models.stepper import Stepper
from charnn.text.symbols import PairVocabulary, Symbols
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint, CorpusRecord, empty_parameters
from charnn.training.progress import Progress

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.parity

T, B, V, H, D = 7, 3, 11, 10, 5
WINDOWS = 200
TOLERANCE = 1e-4
PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
LETTERS = Vocabulary("\nabcdefghij")
SYMBOLS = Symbols(("a", "b"))

SIZES = pytest.mark.parametrize("layers", [1, 2, 3])
EMBEDDINGS = pytest.mark.parametrize("embedding", [None, D], ids=["one-hot", "embedding"])


def random_checkpoint(vocabulary: Any = LETTERS, **options: Any) -> Checkpoint:
    """Return a checkpoint of a small model, all of whose parameters are random."""
    config = Config.from_values({"hidden_size": H, **options})
    parameters = empty_parameters(config, vocabulary)
    random = np.random.default_rng(1)
    parameters.flat[:] = 0.3 * random.standard_normal(parameters.flat.shape)
    return Checkpoint(
        config, vocabulary, parameters, Progress(), CorpusRecord("play", [], "0" * 64, {})
    )


class Session:
    """An ONNX file in onnxruntime, with states that are carried."""

    def __init__(self, content: bytes) -> None:
        """Begin at zeros, for B texts."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(content, options)
        self.names = [each.name for each in self.session.get_inputs()]
        self.states = [np.zeros((1, B, H), np.float32) for _ in self.names[1:]]

    def run(self, ids: Array) -> Array:
        """Read a window (T, B); return the logits (T, B, V)."""
        values = dict(zip(self.names, [ids, *self.states], strict=True))
        logits, *self.states = self.session.run(None, values)
        return logits


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Checkpoint], bytes]:
    """Return what writes a checkpoint as ONNX and reads the file."""

    def write(checkpoint: Checkpoint) -> bytes:
        path = tmp_path / "model.onnx"
        write_onnx(checkpoint, path)
        return path.read_bytes()

    return write


def difference(model: LanguageModel, content: bytes, windows: int = WINDOWS) -> float:
    """Return the largest difference of logits and states over carried windows."""
    session, states, random = Session(content), model.zero_states(B), np.random.default_rng(2)
    largest = 0.0
    for _ in range(windows):
        ids = random.integers(0, model.vocab_size, (T, B))
        theirs = session.run(ids)
        ours, states, _ = model.logits(ids, states)
        flat = [state for layer in states for state in layer]
        assert theirs.dtype == np.float32
        assert np.abs(ours).max() > 0.1
        pairs = [(ours.reshape(theirs.shape), theirs)]
        pairs += [(own, state[0]) for own, state in zip(flat, session.states, strict=True)]
        largest = max(largest, *(float(np.abs(one - other).max()) for one, other in pairs))
    return largest


@SIZES
@EMBEDDINGS
def test_windows(
    cell_options: dict[str, str],
    layers: int,
    embedding: int | None,
    written: Callable[[Checkpoint], bytes],
) -> None:
    """Over 200 carried windows, the logits and states of each cell and form are charnn's."""
    checkpoint = random_checkpoint(
        **cell_options, num_layers=layers, embedding_size=embedding, dropout=0.5
    )
    assert difference(checkpoint.model, written(checkpoint)) <= TOLERANCE


def test_streaming(cell_options: dict[str, str], written: Callable[[Checkpoint], bytes]) -> None:
    """One symbol at a time gives the logits of a window, and those of charnn's stepper."""
    checkpoint = random_checkpoint(**cell_options, num_layers=2)
    content = written(checkpoint)
    window, stream, stepper = Session(content), Session(content), Stepper(checkpoint.model, B)
    ids = np.random.default_rng(3).integers(0, V, (4 * T, B))
    together = np.concatenate([window.run(part) for part in np.split(ids, 4)])
    for symbols, expected in zip(ids, together, strict=True):
        (logits,) = stream.run(symbols[None])
        assert np.abs(logits - expected).max() <= 1e-5
        assert np.abs(logits - stepper.step(symbols)).max() <= 1e-5


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru"])
def test_tied_weights_are_there_once(cell: str, written: Callable[[Checkpoint], bytes]) -> None:
    """A model whose output is its embedding has one array for both."""
    checkpoint = random_checkpoint(cell=cell, embedding_size=H, tie_weights=True)
    content = written(checkpoint)
    assert difference(checkpoint.model, content, windows=20) <= TOLERANCE
    arrays = [tuple(each.dims) for each in onnx.load_from_string(content).graph.initializer]
    assert arrays.count((V, H)) == 1
    assert (H, V) not in arrays


def test_averages_are_what_is_written(written: Callable[[Checkpoint], bytes]) -> None:
    """Where a run keeps averages of the weights, they are the model."""
    checkpoint = random_checkpoint()
    average = np.random.default_rng(4).standard_normal(checkpoint.parameters.flat.shape)
    averaged = replace(checkpoint, average=(0.3 * average).astype(np.float32))
    content = written(averaged)
    assert difference(averaged.model, content, windows=2) <= TOLERANCE
    assert difference(averaged.trained_model, content, windows=2) > 0.1


@pytest.mark.parametrize(
    "vocabulary",
    [LETTERS, Vocabulary('\t"abä\u3042\udc80\U0001f40c', unknown=True), Vocabulary.of_bytes()],
    ids=["characters", "unknown", "bytes"],
)
def test_a_file_holds_its_vocabulary(
    vocabulary: Vocabulary, written: Callable[[Checkpoint], bytes]
) -> None:
    """The vocabulary is in the file, whole and as a plain list by id, and so is what it is of."""
    checkpoint = random_checkpoint(vocabulary, cell="gru", hidden_size=H, num_layers=2)
    content = written(checkpoint)
    assert difference(checkpoint.model, content, windows=5) <= TOLERANCE
    facts = Session(content).session.get_modelmeta().custom_metadata_map
    assert Vocabulary.from_json(json.loads(facts["vocabulary"])) == vocabulary
    symbols = json.loads(facts["symbols"])
    assert len(symbols) == len(vocabulary) == int(facts["vocab_size"])
    assert "".join(symbols[: len(vocabulary.symbols)]) == vocabulary.symbols
    assert symbols[len(vocabulary.symbols) :] == [None] * vocabulary.unknown
    assert facts["unit"] == vocabulary.tokens
    assert [facts[name] for name in ("cell", "hidden_size", "num_layers", "embedding_size")] == [
        *("gru", str(H), "2", "none")
    ]


def test_inputs_and_outputs(written: Callable[[Checkpoint], bytes]) -> None:
    """They have the names and shapes of the documentation; T and B are free; the format is old."""
    content = written(random_checkpoint(num_layers=2))
    session = Session(content).session
    states = [f"layer{n}_{state}" for n in (1, 2) for state in "hc"]
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    outputs = {each.name: each.shape for each in session.get_outputs()}
    assert inputs == {
        "ids": ("tensor(int64)", ["T", "B"]),
        **{name: ("tensor(float)", [1, "B", H]) for name in states},
    }
    assert outputs == {
        "logits": ["T", "B", V],
        **{f"{name}_after": [1, "B", H] for name in states},
    }
    model = onnx.load_from_string(content)
    assert (model.ir_version, [each.version for each in model.opset_import]) == (8, [17])


def test_equal_checkpoints_give_equal_files(written: Callable[[Checkpoint], bytes]) -> None:
    """A file depends on nothing but the checkpoint."""
    assert written(random_checkpoint()) == written(random_checkpoint())


def turned_gates(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a fault: gates are in another program's order, or z has the wrong sign."""
    wrong = {
        "LSTM's gates": ("LSTM", {"gates": ("i", "f", "o", "g")}),
        "GRU's gates": ("GRU", {"gates": ("r", "z", "n")}),
        "z's sign": ("GRU", {"negated": ()}),
        "peepholes": ("LSTM", {"peephole_gates": ("i", "f", "o")}),
    }
    operator, change = wrong[name]

    def plant(patch: pytest.MonkeyPatch) -> None:
        conventions = correspondence.ONNX
        patch.setitem(conventions, operator, replace(conventions[operator], **change))

    return plant


def other_reset(content: bytes) -> bytes:
    """Reset before the product where it was after, or the other way round."""
    model = onnx.load_from_string(content)
    (attribute,) = (
        attribute
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.name == "linear_before_reset"
    )
    attribute.i = 1 - attribute.i
    return model.SerializeToString()


def halves_swapped(content: bytes) -> bytes:
    """Exchange the input's and the recurrent product's biases."""
    model = onnx.load_from_string(content)
    (bias,) = (each for each in model.graph.initializer if each.name == "layer1_B")
    array = onnx.numpy_helper.to_array(bias)
    bias.CopyFrom(onnx.numpy_helper.from_array(np.roll(array, array.size // 2), bias.name))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("fault", "cell", "form"),
    [
        ("LSTM's gates", "lstm", "before"),
        ("GRU's gates", "gru", "before"),
        ("z's sign", "gru", "after"),
        ("peepholes", "peephole-lstm", "before"),
        (other_reset, "gru", "before"),
        (other_reset, "gru", "after"),
        (halves_swapped, "gru", "after"),
    ],
)
def test_planted_faults_are_found(
    fault: str | Callable[[bytes], bytes],
    cell: str,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    written: Callable[[Checkpoint], bytes],
) -> None:
    """The comparison is not blind to what conversions get wrong (a test of the test)."""
    checkpoint = random_checkpoint(cell=cell, gru_reset=form)
    assert difference(checkpoint.model, written(checkpoint), windows=2) <= TOLERANCE
    if callable(fault):
        content = fault(written(checkpoint))
    else:
        turned_gates(fault)(monkeypatch)
        content = written(checkpoint)
    assert difference(checkpoint.model, content, windows=2) > 100 * TOLERANCE


def refusal(checkpoint: Checkpoint, path: Path) -> str:
    """Return the sentence with which a checkpoint is refused; nothing is written."""
    with pytest.raises(InputError) as caught:
        write_onnx(checkpoint, path)
    assert list(path.parent.iterdir()) == []
    message = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", message)
    return message


def test_what_is_no_plain_language_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tasks, attention, and a cell that nobody has drawn yet: one sentence each."""
    path = tmp_path / "model.onnx"
    pairs = PairVocabulary(SYMBOLS, SYMBOLS)
    for task in ("classify", "tag", "transduce", "generate"):
        assert f"the task {task} cannot" in refusal(random_checkpoint(pairs, task=task), path)
    attentive = random_checkpoint(attention="dot")
    assert "attention is dot" in refusal(attentive, path)
    monkeypatch.delitem(onnx_cells.STEPS, "mingru")
    assert "cell is mingru" in refusal(random_checkpoint(cell="mingru"), path)


def test_a_missing_library_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = refusal(random_checkpoint(), tmp_path / "model.onnx")
    assert 'pip install "charnn[onnx]"' in message


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The format ends at 2 GB, which is noticed before a file of that size is made."""
    checkpoint = random_checkpoint(hidden_size=100)
    size = checkpoint.parameters.flat.nbytes
    monkeypatch.setattr(onnx_nodes, "LARGEST_FILE", size)
    assert f"can have only {size:,}; export" in refusal(checkpoint, tmp_path / "model.onnx")


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that the checker refuses leaves the file that was there."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    monkeypatch.setitem(onnx_cells.OPERATORS, "lstm", "GRU")
    with pytest.raises((onnx.checker.ValidationError, onnx.shape_inference.InferenceError)):
        write_onnx(random_checkpoint(), path)
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"before"


def sampled(checkpoint: Checkpoint, length: int, temperature: float) -> str:
    """Return what the documentation's code must print, by charnn's own stepper."""
    vocabulary, random = checkpoint.vocabulary, np.random.default_rng(1)
    stepper, text = Stepper(checkpoint.model, 1), "\n"
    for _ in range(length):
        (logits,) = stepper.step(vocabulary.encode(text[-1]))
        known = logits[: len(vocabulary.symbols)].astype(np.float64)
        y = np.exp((known - known.max()) / temperature)
        (chosen,) = draw((y / y.sum())[None], random.random(1))
        text += vocabulary.decode([chosen])
    return text[1:]


@pytest.mark.parametrize("unknown", [False, True])
def test_the_documentation_samples(
    unknown: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The code of docs/formats.md prints the text that charnn's own model writes, in 15 lines."""
    section = PAGE.read_text(encoding="utf-8").split("\n## ONNX\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 15
    checkpoint = random_checkpoint(Vocabulary(LETTERS.symbols, unknown), num_layers=2)
    monkeypatch.chdir(tmp_path)
    write_onnx(checkpoint, Path("model.onnx"))
    exec(compile(code, str(PAGE), "exec"), {})  # noqa: S102
    text = capsys.readouterr().out
    assert text == sampled(checkpoint, 300, 0.7)
    assert set(text) == set(LETTERS.symbols)
