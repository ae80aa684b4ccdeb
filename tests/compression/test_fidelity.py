"""The integer network's logits are near those of the float model that it stands for.

Two bounds, in nats, of the mean difference: of the arithmetic alone, against a float model whose
weights are the quantised ones; and of the whole, against the model that was quantised. Where the
largest logit is above 4, they grow with it. A code grows by about half the square of a difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from integer_models import INPUTS, VOCABULARY, model_of, symbols

from charnn.arrays import Array
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.quantized import QuantizedModel
from charnn.models.language_model import LanguageModel
from charnn.nn.buffers import Buffers

STEPS, LANES, HIDDEN = 60, 5, 24
BOUNDS = {9: (0.0015, 0.02), 12: (0.003, 0.004)}  # by bits: the arithmetic alone, and the whole
NEARLY_CONSTANT = 8  # times as much: at first the cell state that is normalised hardly varies


def float_logits(model: LanguageModel) -> Array:
    """Return the model's logits (T, L, V) of some symbols."""
    ids = symbols(STEPS, LANES)
    logits, _, _ = model.logits(ids, model.zero_states(LANES), buffers=Buffers())
    return logits.reshape(STEPS, LANES, -1).copy()


def integer_logits(quantized: QuantizedModel) -> Array:
    """Return the integer network's, in nats."""
    network = IntegerNetwork(quantized)
    states = network.zero_states(LANES)
    logits = []
    for ids in symbols(STEPS, LANES):
        states = network.read(ids, states)
        logits.append(network.logits(states) / 2**14)
    return np.array(logits)


def with_quantized_weights(model: LanguageModel, quantized: QuantizedModel) -> LanguageModel:
    """Set a model's weights to the quantised ones."""
    for name, array in quantized.arrays.items():
        weights = model.parameters[name]
        values = np.ldexp(array.values.astype(float), -array.exponents.astype(int))
        if weights.ndim > 2:
            G, rows, H = weights.shape
            weights[...] = values.reshape(rows, G, H).swapaxes(0, 1)
        else:
            weights[...] = values.reshape(weights.shape)
    return model


def make(inputs: str, layers: int, options: dict[str, Any]) -> LanguageModel:
    """Return a model of realistic weights."""
    inputs_options = {**INPUTS[inputs], "tie_weights": inputs == "tied"}
    if inputs == "tied":
        inputs_options["embedding_size"] = HIDDEN
    return model_of(0.15, hidden_size=HIDDEN, num_layers=layers, **inputs_options, **options)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("layers", [1, 2])
def test_near(cell_options: dict[str, str], inputs: str, layers: int) -> None:
    """Each cell, with weights of 9 and of 12 bits."""
    model = make(inputs, layers, cell_options)
    expected = float_logits(model)
    for bits, (alone, whole) in BOUNDS.items():
        quantized = QuantizedModel.of(model, VOCABULARY, bits)
        found = integer_logits(quantized)
        twin = with_quantized_weights(make(inputs, layers, cell_options), quantized)
        tolerance = max(1.0, float(np.abs(found).max()) / 4)
        if cell_options["cell"] == "layernorm-lstm":
            tolerance *= NEARLY_CONSTANT
        assert np.abs(found - float_logits(twin)).mean() < alone * tolerance
        assert np.abs(found - expected).mean() < whole * tolerance


def test_arithmetic_alone_is_smaller() -> None:
    """A negative control: without the rounding of weights, less than half of the error is left."""
    model = make("one-hot", 2, {"cell": "lstm"})
    quantized = QuantizedModel.of(model, VOCABULARY, 8)
    found, expected = integer_logits(quantized), float_logits(model)
    twin = float_logits(with_quantized_weights(model, quantized))
    assert 2 * np.abs(found - twin).mean() < np.abs(found - expected).mean()
