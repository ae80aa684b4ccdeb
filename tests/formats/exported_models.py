"""Small models of every kind, filled at random, as checkpoints to export."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from charnn.config import Config
from charnn.text.symbols import PairVocabulary, Symbols
from charnn.text.vocabulary import Vocabulary
from charnn.training.checkpoint import Checkpoint, CorpusRecord, empty_parameters
from charnn.training.progress import Progress

H, D, V = 5, 3, 7  # units, width of the embedding, symbols: all different
SYMBOLS = "\n abdef"
PAIRS = PairVocabulary(Symbols(("`", "a", "b", "d"), True), Symbols(("X", "YY", "Z")))


def checkpoint_of(task: str = "lm", seed: int = 1, **options: Any) -> Checkpoint:
    """Return a checkpoint with random weights, some of them -0, of a run that never was."""
    config = Config.from_values({"task": task, "hidden_size": H, "cell": "lstm"} | options)
    vocabulary: Any = PAIRS if task != "lm" else Vocabulary(SYMBOLS)
    parameters = empty_parameters(config, vocabulary)
    random = np.random.default_rng(seed)
    parameters.flat[:] = random.standard_normal(parameters.flat.size)
    parameters.flat[::11] = -0.0
    parameters.flat[5::17] = 0.0
    progress = Progress(update=40, best_loss=2.5, best_update=30, history=[(40, 2.6, 2.5)])
    record = CorpusRecord("tide", ["/home/me/secret/tide.txt"], "f" * 64, {"train": 90, "val": 10})
    return Checkpoint(config, vocabulary, parameters, progress, record)


def assert_same(ours: Checkpoint, back: Checkpoint) -> None:
    """Compare a checkpoint with what came back, bit for bit; files lose their folders only."""
    assert back.parameters.shapes == ours.parameters.shapes
    assert back.parameters.flat.dtype == np.float32
    assert back.parameters.flat.tobytes() == ours.model.parameters.flat.tobytes()
    assert back.config == ours.config
    assert back.vocabulary == ours.vocabulary
    assert json.dumps(asdict(back.progress)) == json.dumps(asdict(ours.progress))
    assert back.corpus == CorpusRecord("tide", ["tide.txt"], "f" * 64, {"train": 90, "val": 10})
    assert not back.resumable


def raw_file(arrays: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """Return a safetensors file put together by hand: values as (type, shape, bytes)."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, (kind, shape, content) in arrays.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensors_of(arrays: dict[str, Any], kind: str = "F32") -> dict[str, Any]:
    """Return arrays as `raw_file` takes them."""
    dtype = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8"}.get(kind)
    found = {}
    for name, array in arrays.items():
        if kind == "BF16":
            content = (np.asarray(array, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
        else:
            content = np.asarray(array, dtype).tobytes()
        found[name] = (kind, np.shape(array), content)
    return found


def state_dict(
    cell: str = "lstm", layers: int = 1, embedding: int | None = D, seed: int = 2
) -> dict[str, Any]:
    """Return what PyTorch would hold of a language model: random float32 arrays by name."""
    random = np.random.default_rng(seed)
    rows = {"rnn": 1, "gru": 3, "lstm": 4}[cell] * H
    shapes: dict[str, tuple[int, ...]] = {}
    if embedding is not None:
        shapes["embedding.weight"] = (V, embedding)
    width = V if embedding is None else embedding
    for layer in range(layers):
        shapes[f"rnn.weight_ih_l{layer}"] = (rows, H if layer else width)
        shapes[f"rnn.weight_hh_l{layer}"] = (rows, H)
        shapes[f"rnn.bias_ih_l{layer}"] = shapes[f"rnn.bias_hh_l{layer}"] = (rows,)
    shapes |= {"decoder.weight": (V, H), "decoder.bias": (V,)}
    return {
        name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }


def write_state(path: Path, arrays: dict[str, Any], kind: str = "F32") -> Path:
    """Write arrays as another program's file, and return its path."""
    path.write_bytes(raw_file(tensors_of(arrays, kind), {"format": "pt"}))
    return path


def logits_of(cell: str, state: dict[str, Any], ids: list[int]) -> Any:
    """Compute a language model's logits (T, V) as PyTorch documents its layers, in float64."""
    state = {name: np.asarray(array, float) for name, array in state.items()}
    width = state["rnn.weight_ih_l0"].shape[1]
    table = state.get("embedding.weight", np.eye(width))
    layers = sum("weight_hh" in name for name in state)
    h, c = np.zeros((layers, H)), np.zeros((layers, H))
    found = []
    for symbol in ids:
        x = table[symbol]
        for layer in range(layers):
            end = f"_l{layer}"
            a = state[f"rnn.weight_ih{end}"] @ x + state[f"rnn.bias_ih{end}"]
            u = state[f"rnn.weight_hh{end}"] @ h[layer] + state[f"rnn.bias_hh{end}"]
            if cell == "rnn":
                h[layer] = np.tanh(a + u)
            elif cell == "gru":
                r, z = (sigmoid(a[k * H : (k + 1) * H] + u[k * H : (k + 1) * H]) for k in (0, 1))
                n = np.tanh(a[2 * H :] + r * u[2 * H :])
                h[layer] = (1 - z) * n + z * h[layer]
            else:
                i, f, g, o = ((a + u)[k * H : (k + 1) * H] for k in range(4))
                c[layer] = sigmoid(f) * c[layer] + sigmoid(i) * np.tanh(g)
                h[layer] = sigmoid(o) * np.tanh(c[layer])
            x = h[layer]
        found.append(state["decoder.weight"] @ x + state["decoder.bias"])
    return np.array(found)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))
