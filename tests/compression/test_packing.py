"""A quantised model as bytes: back without a change, small, and careful with what it is given."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from small_models import VOCABULARIES, small_model

from charnn.compression import packing
from charnn.compression.dictionary import shrunk
from charnn.compression.packing import FREE, SUM, Histogram, pack, unpack
from charnn.compression.quantized import QuantizedArray, QuantizedModel
from charnn.compression.varints import first_varints, to_varints
from charnn.config import ModelConfig
from charnn.errors import CompressionError
from charnn.models.language_model import LanguageModel
from charnn.registry import CELLS


def entropy(values: Any) -> float:
    """Return the bytes that the histogram of values promises."""
    _, counts = np.unique(values, return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum() / 8)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", VOCABULARIES)
def test_a_model_comes_back(cell: str, kind: str) -> None:
    """Every array of every cell comes back, and so does the digest."""
    quantized = small_model(kind, cell=cell, hidden=5, bits=7)
    found = unpack(pack(quantized))
    assert found.digest() == quantized.digest()
    assert found.config == quantized.config
    assert found.vocabulary == quantized.vocabulary
    for name, array in quantized.arrays.items():
        assert found.arrays[name].values.dtype == np.int16
        assert found.arrays[name].exponents.dtype == np.int8
        np.testing.assert_array_equal(found.arrays[name].values, array.values)
        np.testing.assert_array_equal(found.arrays[name].exponents, array.exponents)


def test_layers_embeddings_and_tied_weights_come_back() -> None:
    """The shapes follow from the description alone."""
    vocabulary = VOCABULARIES["unknown"]
    config = ModelConfig(
        cell="lstm", hidden_size=6, num_layers=2, embedding_size=6, tie_weights=True
    )
    model = LanguageModel.initialized(config, len(vocabulary), 3)
    quantized = QuantizedModel.of(model, vocabulary, 12)
    assert unpack(pack(quantized)).digest() == quantized.digest()


def test_a_model_takes_about_its_entropy() -> None:
    """A larger model takes at most 1.5 % and 600 bytes more than its arrays' histograms promise."""
    quantized = small_model(cell="lstm", hidden=96)
    promised = sum(
        entropy(part)
        for array in quantized.arrays.values()
        for part in (array.values, array.exponents)
    )
    assert promised > 40_000
    assert len(pack(quantized)) < 1.015 * promised + 600


@pytest.mark.parametrize("count", [1, 40, FREE, FREE + 1])
@pytest.mark.parametrize("shape", ["zero", "two", "wide", "negative", "nearly zero"])
def test_any_integers_come_back(count: int, shape: str) -> None:
    """Arrays of all kinds, with and without a limit to the share of a symbol."""
    chance = np.random.default_rng(5)
    values = {
        "zero": np.zeros(count, int),
        "two": chance.integers(0, 2, count) * 300,
        "wide": chance.integers(-32_768, 32_768, count),
        "negative": chance.integers(-9, 0, count),
        "nearly zero": (chance.random(count) < 0.001).astype(int),
    }[shape]
    histogram = Histogram.of(values)
    assert int(histogram.counts.sum()) == SUM
    if count > FREE:
        assert histogram.counts.max() <= SUM * 3 // 4
    found, rest = Histogram.from_bytes(histogram.to_bytes() + b"rest", count > FREE)
    assert rest == b"rest"
    np.testing.assert_array_equal(found.counts, histogram.counts)
    code = packing.coded([values], [found])
    low = np.packbits(packing.bits_below(values, found.shift)).tobytes()
    high = packing.decoded(code, [count], [found])
    (back,) = packing.with_low_bits(high, low, [count], [found])
    np.testing.assert_array_equal(back, values)


def described(**changes: Any) -> bytes:
    """Return a packed model whose description has other values."""
    packed = pack(small_model())
    (size, _), rest = first_varints(packed, 2)
    content = small_model().description()
    content["model"] = content["model"] | changes.pop("model", {})
    text = json.dumps(content | changes).encode()
    small = shrunk(text)
    return to_varints(np.array([len(small), len(text)])) + small + rest[size:]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arithmetic": 2}, "arithmetic 2"),
        ({"bits": 99}, "no model"),
        ({"bits": True}, "no model"),
        ({"model": {"cell": "elman"}}, "no model"),
        ({"model": {"hidden_size": -3}}, "no model"),
        ({"model": {"attention": "dot"}}, "no model"),
        ({"model": None}, "no model"),
        ({"vocabulary": {}}, "no model"),
        ({"vocabulary": VOCABULARIES["bytes"].to_json()}, "damaged"),
        ({"model": {"hidden_size": 4}}, "damaged"),
        ({"model": {"hidden_size": 65_536, "num_layers": 64}}, "not in"),
    ],
)
def test_a_wrong_description_is_refused(changes: dict[str, Any], reason: str) -> None:
    """Whatever it says, there is one sentence, and no memory is reserved for it."""
    if changes.get("model", ()) is None:
        content = to_varints(np.array([len(shrunk(b"[]")), 2])) + shrunk(b"[]")
    else:
        content = described(**changes)
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match=reason):
            unpack(content)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_cut_of_a_packed_model_is_an_error() -> None:
    """A packed model knows its end."""
    packed = pack(small_model())
    for end in [*range(30), *range(30, len(packed), 17), len(packed) - 1]:
        with pytest.raises(CompressionError):
            unpack(packed[:end])
    with pytest.raises(CompressionError):
        unpack(packed + b"\0")


def test_values_of_too_many_bits_are_refused() -> None:
    """A matrix holds what its bits allow, and exponents what the network computes with."""
    quantized = small_model()
    for name, values, exponents in [("W_hy", 256, 0), ("W_hy", 0, 41), ("W_hy", 0, -15)]:
        array = quantized.arrays[name]
        wrong = QuantizedArray(array.values * 0 + values, array.exponents * 0 + exponents)
        model = QuantizedModel(
            quantized.config, quantized.vocabulary, 9, quantized.arrays | {name: wrong}
        )
        with pytest.raises(CompressionError, match="W_hy"):
            unpack(pack(model))
