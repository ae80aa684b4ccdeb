"""The integer network equals the naive one, symbol by symbol."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from integer_models import INPUTS, VOCABULARY, differences, model_of, quantized_of, symbols
from naive_network import NaiveNetwork
from naive_parts import TooLargeError

from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.product import Product
from charnn.compression.quantized import QuantizedArray, QuantizedModel, is_vector
from charnn.errors import CompressionError, ConfigError


def products_of(network: IntegerNetwork) -> list[Product]:
    """Return all products of a network."""
    inputs = [layer._input for layer in network._layers if layer._input]
    return [*inputs, *(p for layer in network._layers for p in layer._products), network._output]


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_naive(cell_options: dict[str, str], inputs: str, layers: int) -> None:
    """Of every cell, form, input and number of layers; with small and large weights."""
    for bits, noise in ((8, 0.3), (9, 4.0), (10, 0.05), (12, 1.0)):
        quantized = quantized_of(noise, bits=bits, inputs=inputs, num_layers=layers, **cell_options)
        assert differences(quantized) == []


@pytest.mark.parametrize("gain", [30.0, 3000.0])
def test_saturated(cell_options: dict[str, str], gain: float) -> None:
    """Where the tables end, and states are as large as they can be."""
    names = ("W_xh", "W_hh", "b_h", "b", "b_hn", "p_i", "p_f", "p_o", "gain_x", "gain_h", "gain_c")
    parameters = model_of(0.3, **cell_options).parameters
    largest = {
        f"layer1/{name}": min(gain, 100) if cell_options["cell"].startswith("layer") else gain
        for name in names
        if f"layer1/{name}" in parameters
    }
    assert differences(quantized_of(0.3, largest, **cell_options)) == []


def test_a_cell_state_grows_to_its_bound() -> None:
    """Open gates add up to what no gate of 1 could stop, and all remains exact."""
    quantized = quantized_of(0.0, {"layer1/b_h": 40.0}, cell="lstm", forget_bias=40.0)
    values = quantized.arrays["layer1/b_h"].values
    values[...] = np.abs(values).max()
    network = IntegerNetwork(quantized)
    states = network.zero_states(1)
    for _ in range(300):
        states = network.read(np.zeros(1, int), states)
    c = states[0][1]
    assert 250 * 2**15 < c.max() < 2**30
    assert (network.read(np.zeros(1, int), [(states[0][0], c * 0 + 2.0**30)])[0][1] <= 2**30).all()


@pytest.mark.parametrize(("layers", "scale"), [(1, 40.0), (2, 40.0), (3, 8.0)])
def test_double_precision(layers: int, scale: float) -> None:
    """States without a bound and large weights need products of 53 bits; the same integers."""
    quantized = quantized_of(scale, cell="mingru", num_layers=layers, bits=8)
    assert products_of(IntegerNetwork(quantized))[-1].dtype is np.float64
    assert differences(quantized) == []


def test_states_too_large() -> None:
    """States without a bound that could become too large to be exact are an error."""
    with pytest.raises(CompressionError, match="added up exactly"):
        IntegerNetwork(quantized_of(40.0, cell="mingru", num_layers=3, bits=8))


def test_mixed_precision() -> None:
    """A layer with products of both kinds, below and above one with float32 alone."""
    largest = {"layer2/W_hh": 900.0, "layer1/W_xh": 5.0, "layer3/W_xh": 700.0}
    for options in ({"cell": "gru"}, {"cell": "lstm"}):
        quantized = quantized_of(0.3, largest, num_layers=3, **options)
        kinds = {product.dtype for product in products_of(IntegerNetwork(quantized))}
        assert kinds == {np.float32, np.float64}
        assert differences(quantized) == []


def test_places_of_products() -> None:
    """What is multiplied keeps as many places as fit, from 15 to 7; the naive network agrees."""
    seen = set()
    for hidden_size in (1, 3, 7, 23, 150):
        for bits in range(6, 13):
            quantized = quantized_of(0.3, bits=bits, cell="rnn", hidden_size=hidden_size)
            network, naive = IntegerNetwork(quantized), NaiveNetwork(quantized)
            (product,), (expected,) = network._layers[0]._products, naive.layers[0].products
            assert (product.kept, product.largest) == (expected.kept, expected.largest)
            seen.add((product.kept, np.dtype(product.dtype).name))
    assert seen >= {(kept, "float32") for kept in range(7, 16)}


@pytest.mark.parametrize("bits", [8, 12])
def test_largest_weights(bits: int) -> None:
    """The largest weight that can be quantised is exact in a layer; a larger one is refused."""
    most = 2.0 ** (bits + 12) * (2 - 2.0**-10)
    quantized = quantized_of(0.3, {"layer1/W_hh": most}, bits=bits, cell="rnn")
    assert quantized.arrays["layer1/W_hh"].exponents.min() == -14
    assert differences(quantized) == []
    with pytest.raises(CompressionError, match="too large to be computed exactly"):
        quantized_of(0.3, {"layer1/W_hh": 2 * most}, bits=bits, cell="rnn")


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "mingru", "num_layers": 3, "largest": {"layer1/W_xh": 1e6, "layer2/W_xh": 1e6}},
        {"cell": "layernorm-lstm", "largest": {"layer1/W_hh": 1e4}},
        {"cell": "layernorm-rnn", "largest": {"layer1/W_xh": 1e4}},
    ],
)
def test_too_large_weights(options: dict[str, object]) -> None:
    """Weights whose sums could be inexact are refused, by the naive network, too."""
    quantized = quantized_of(**options)  # type: ignore[arg-type]
    with pytest.raises(CompressionError, match="the model's weights are too large"):
        IntegerNetwork(quantized)
    with pytest.raises(TooLargeError):
        NaiveNetwork(quantized)


def test_attention_is_refused() -> None:
    """There is no integer form of it."""
    with pytest.raises(ConfigError, match="attention"):
        quantized_of(cell="lstm", attention="dot")


@pytest.mark.parametrize("bits", [6, 9, 12])
def test_quantised_weights(bits: int) -> None:
    """A weight is the nearest multiple of a power of two that its column can use, no coarser."""
    model = model_of(0.3, cell="gru", gru_reset="after", embedding_size=3, num_layers=2)
    quantized = QuantizedModel.of(model, VOCABULARY, bits)
    for name, array in quantized.arrays.items():
        weights = model.parameters[name]
        by_row = np.concatenate(list(np.atleast_3d(weights.T).T), axis=1)  # gates side by side
        by_row = by_row.reshape(1, -1) if is_vector(name) else by_row
        limit = 2 ** ((16 if is_vector(name) else bits) - 1)
        for j, e in enumerate(array.exponents.tolist()):
            for weight, value in zip(
                by_row[:, j].tolist(), array.values[:, j].tolist(), strict=True
            ):
                assert abs(Fraction(weight) * 2**e - value) <= Fraction(1, 2) or (
                    abs(value) == limit - 1 and abs(Fraction(weight) * 2**e) < limit
                )
        columns = np.abs(array.values.astype(int)).max(axis=0)
        together = is_vector(name) or name == "E"
        assert (columns.max() if together else columns.min()) >= limit // 2
        assert columns.max() < limit


def test_lanes_do_not_meet(cell_options: dict[str, str]) -> None:
    """A lane's numbers are the same alone, beside others, and in batches cut in any way."""
    network = IntegerNetwork(quantized_of(hidden_size=23, num_layers=2, **cell_options))
    ids = symbols(6, 7)

    def run(lanes: slice) -> list[list[list[float]]]:
        states = network.zero_states(len(ids[0, lanes]))
        logits = []
        for row in ids:
            states = network.read(row[lanes], states)
            logits.append(network.logits(states).tolist())
        return logits

    together = run(slice(None))
    for cut in (1, 2, 3):
        parts = [run(slice(k, k + cut)) for k in range(0, 7, cut)]
        assert [[lane for part in parts for lane in part[t]] for t in range(6)] == together


def test_digest_tells_arrays_apart() -> None:
    """One changed integer, exponent or symbol is another model."""
    first = quantized_of(cell="lstm")
    assert first.digest() == quantized_of(cell="lstm").digest()
    others = []
    for name, array in first.arrays.items():
        for part in ("values", "exponents"):
            changed = {"values": array.values.copy(), "exponents": array.exponents.copy()}
            changed[part].flat[-1] += 1
            arrays = {**first.arrays, name: QuantizedArray(**changed)}
            others.append(QuantizedModel(first.config, VOCABULARY, first.bits, arrays).digest())
    others.append(quantized_of(cell="lstm", bits=first.bits + 1).digest())
    assert len({first.digest(), *others}) == len(others) + 1
