"""A language model from PyTorch's state dictionary: arrays by name, made by somebody's program.

What must be known is found in this way, and what leaves a doubt is refused:

    the layers       by PyTorch's names: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ...,
                     after any prefix
    the cell         by the rows of weight_hh for each of H units: 1 RNN (of tanh), 3 GRU, 4 LSTM
    the embedding    a matrix (V, D), where D is the width of the first layer's input
    the output       a matrix (V, H), and its bias (V,), which may be missing

If one matrix can be both (D = H), the one that has a bias beside it is the output, or else its name
says what it is. Where both are equal, or only one is there, they are tied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import Config
from charnn.formats.errors import FormatError
from charnn.formats.foreign_vocabulary import Ordered
from charnn.formats.naming import EMBEDDING, LAYERS, OUTPUT, OUTPUT_BIAS

LAYER = re.compile(
    r"(?P<prefix>.*?)(?P<name>(?:weight|bias)_(?P<kind>ih|hh|hr)_l(?:0|[1-9]\d{0,3})(?:_reverse)?)",
    re.ASCII | re.DOTALL,
)
CELLS = {1: "rnn", 3: "gru", 4: "lstm"}  # by the number of blocks of H rows in weight_hh
INPUT_WORDS = ("emb", "encoder", "wte", "lookup")
OUTPUT_WORDS = ("decoder", "head", "fc", "out", "linear", "proj", "dense", "logit")
MOST_LAYERS = 64


@dataclass(frozen=True)
class Found:
    """What a state dictionary was found to be: its configuration, and its arrays by our names."""

    config: Config
    arrays: dict[str, Array]


def recognised(arrays: Arrays, symbols: Ordered) -> Found:
    """Return a model with the ids in charnn's order. Raises FormatError where there is a doubt."""
    layers, rest = divided(arrays)
    cell, sizes = cell_of(layers)
    V, width, hidden = len(symbols.vocabulary), sizes[0], sizes[1]
    named, tied = embedding_and_output(rest, V, width, hidden)
    one_hot = EMBEDDING not in named
    for name in (EMBEDDING, OUTPUT, OUTPUT_BIAS):
        if name in named:
            named[name] = named[name][symbols.order]
    if one_hot:
        first = f"{LAYERS}weight_ih_l0"
        layers[first] = layers[first][:, symbols.order]
    config = Config.from_values(
        {
            "cell": cell,
            "hidden_size": hidden,
            "num_layers": len([name for name in layers if "weight_hh" in name]),
            "embedding_size": None if one_hot else width,
            "tie_weights": tied,
            "gru_reset": "after" if cell == "gru" else "before",
            "dropout": 0.0,
            "tokens": symbols.vocabulary.tokens,
        }
    )
    return Found(config, layers | named)


def divided(arrays: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the layers' arrays by the names that charnn exports, and all others by their own."""
    layers: dict[str, Array] = {}
    rest: dict[str, Array] = {}
    prefixes = set()
    for name, array in arrays.items():
        match = LAYER.fullmatch(name)
        if match is None:
            rest[name] = array
            continue
        prefixes.add(match["prefix"])
        if name.endswith("_reverse"):
            raise FormatError(
                f"its array {name!r} reads backwards, and a bidirectional network sees the symbols "
                "that a language model predicts; give a model of one direction."
            )
        if match["kind"] == "hr":
            raise FormatError(
                f"its array {name!r} belongs to an LSTM with projections, which charnn does not "
                "have; give one without proj_size."
            )
        layers[f"{LAYERS}{match['name']}"] = array
    if not layers:
        raise FormatError(without_layers(arrays))
    if len(prefixes) > 1:
        names = " and ".join(repr(prefix) for prefix in sorted(prefixes)[:2])
        raise FormatError(
            f"it has several recurrent networks ({names}); give a file with one nn.RNN, nn.LSTM or "
            "nn.GRU, whose layers are numbered _l0, _l1, ..."
        )
    return layers, rest


def without_layers(arrays: Arrays) -> str:
    """Return why a file without PyTorch's names cannot be imported."""
    names = ", ".join(repr(name) for name in list(arrays)[:3]) or "none at all"
    return (
        f"its arrays ({names}) do not have PyTorch's names (weight_ih_l0, weight_hh_l0, ...), so "
        "the order of its gates cannot be known; give the state dictionary of nn.RNN, nn.LSTM or "
        "nn.GRU."
    )


def cell_of(layers: dict[str, Array]) -> tuple[str, tuple[int, int]]:
    """Return the cell's name, the width of the input and H; biases that are missing become 0.

    Raises FormatError where the layers do not fit together.
    """
    first = need(layers, "weight_hh_l0")
    hidden = first.shape[1] if first.ndim == 2 else 0
    blocks = first.shape[0] / hidden if hidden else 0
    if blocks not in CELLS:
        raise FormatError(
            f"its array weight_hh_l0 has the shape {first.shape}, which is none of (H, H), "
            "(3 H, H) and (4 H, H) as RNN, GRU and LSTM have it; give a file of one of these."
        )
    rows = first.shape[0]
    weights = need(layers, "weight_ih_l0")
    width = weights.shape[1] if weights.ndim == 2 else 0
    numbers = {int(name.rpartition("_l")[2]) for name in layers}
    if numbers != set(range(len(numbers))) or len(numbers) > MOST_LAYERS:
        raise FormatError(
            f"its layers have the numbers {', '.join(map(str, sorted(numbers)[:5]))}; they must be "
            f"numbered from 0 on, {MOST_LAYERS} at most."
        )
    for number in numbers:
        inputs = hidden if number else width
        expected: dict[str, Shape] = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden)}
        for kind in ("bias_ih", "bias_hh"):
            layers.setdefault(f"{LAYERS}{kind}_l{number}", np.zeros(rows, np.float32))
            expected[kind] = (rows,)
        for kind, shape in expected.items():
            found = need(layers, f"{kind}_l{number}").shape
            if found != shape or 0 in shape:
                raise FormatError(
                    f"its array {kind}_l{number} has the shape {found}, which does not fit "
                    f"weight_hh_l0 of the shape {first.shape}; use another copy."
                )
    return CELLS[int(blocks)], (width, hidden)


def need(layers: dict[str, Array], name: str) -> Array:
    """Return a layer's array. Raises FormatError where it is missing."""
    if f"{LAYERS}{name}" not in layers:
        raise FormatError(f"its array {name} is missing; use another copy.")
    return layers[f"{LAYERS}{name}"]


def embedding_and_output(
    rest: dict[str, Array], V: int, width: int, hidden: int
) -> tuple[dict[str, Array], bool]:
    """Return what is not of the layers by our names, and whether the weights are tied.

    Raises FormatError where an array cannot be placed.
    """
    matrices = {name: array for name, array in rest.items() if array.ndim == 2}
    biases = {name: array for name, array in rest.items() if array.ndim == 1}
    if len(rest) > len(matrices) + len(biases) or len(matrices) > 2 or len(biases) > 1:
        raise FormatError(too_many(rest))
    for name, array in rest.items():
        check_size(name, len(array), V)
    bias = next(iter(biases.values()), np.zeros(V, np.float32))
    embeddings = {name for name, array in matrices.items() if array.shape == (V, width)}
    outputs = {name for name, array in matrices.items() if array.shape == (V, hidden)}
    if embeddings | outputs != matrices.keys() or not outputs:
        raise FormatError(misfits(matrices, width, hidden))
    if len(matrices) == 1:
        (matrix,) = matrices.values()
        if width == hidden == V:
            raise FormatError(
                f"the one matrix beside its layers ({next(iter(matrices))!r}) may be an output on "
                "one-hot input, or tied to an embedding, as vocabulary, input and layer are "
                "equally wide; save embedding and output both."
            )
        if width == hidden:
            return {EMBEDDING: matrix, OUTPUT: matrix.copy(), OUTPUT_BIAS: bias}, True
        if width != V:
            raise FormatError(misfits(matrices, width, hidden))
        return {OUTPUT: matrix, OUTPUT_BIAS: bias}, False
    output = output_among(matrices, embeddings, outputs, biases)
    (embedding,) = matrices.keys() - {output}
    named = {EMBEDDING: matrices[embedding], OUTPUT: matrices[output], OUTPUT_BIAS: bias}
    return named, width == hidden and np.array_equal(named[EMBEDDING], named[OUTPUT])


def output_among(
    matrices: dict[str, Array], embeddings: set[str], outputs: set[str], biases: Iterable[str]
) -> str:
    """Return the name of the output's weights, of two matrices. Raises FormatError in doubt."""
    first, second = matrices
    if np.array_equal(matrices[first], matrices[second]):
        return first
    ways = [
        output
        for output, embedding in ((first, second), (second, first))
        if output in outputs and embedding in embeddings
    ]
    if len(ways) == 2:
        beside = [name for name in ways if name.removesuffix("weight") + "bias" in biases]
        ways = beside or [name for name in ways if sounds_like_output(name, matrices)]
    if len(ways) != 1:
        raise FormatError(
            f"either of its matrices {first!r} and {second!r} may be the embedding and the other "
            "the output; call them embedding.weight and decoder.weight."
        )
    return ways[0]


def sounds_like_output(name: str, matrices: Iterable[str]) -> bool:
    """Return whether names say which of two matrices is the output, and that it is this one."""

    def has(which: str, words: Iterable[str]) -> bool:
        return any(word in which.lower() for word in words)

    (other,) = set(matrices) - {name}
    says = has(name, OUTPUT_WORDS) and not has(name, INPUT_WORDS)
    return says and has(other, INPUT_WORDS) and not has(other, OUTPUT_WORDS)


def check_size(name: str, rows: int, V: int) -> None:
    """Raise FormatError where an array does not have a row for each symbol."""
    if rows != V:
        raise FormatError(
            f"its array {name!r} has {rows:,} rows, and the vocabulary has {V:,} symbols; give the "
            "vocabulary that the model was trained with."
        )


def too_many(rest: Arrays) -> str:
    """Return that there are arrays which charnn has no place for."""
    names = ", ".join(f"{name!r} {array.shape}" for name, array in list(rest.items())[:5])
    return (
        f"it has other arrays than recurrent layers, an embedding and an output with a bias "
        f"({names}), and what they do cannot be known; give a model without them."
    )


def misfits(matrices: Arrays, width: int, hidden: int) -> str:
    """Return that embedding and output are not found."""
    shapes: dict[str, Shape] = {name: array.shape for name, array in matrices.items()}
    found = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items()) or "none"
    return (
        f"its layers read {width:,} values and have {hidden:,} units, and the matrices beside them "
        f"({found}) are not an embedding and an output for them; use another copy."
    )
