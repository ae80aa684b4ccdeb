"""Models whose weights are chosen, and their integer network beside the naive one."""

from __future__ import annotations

from typing import Any

import naive_parts
import numpy as np
from naive_network import NaiveNetwork

from charnn.arrays import Array
from charnn.compression import frequencies, integer_network
from charnn.compression.quantized import QuantizedModel
from charnn.config import ModelConfig
from charnn.config.compression import BITS
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_text("abcdefg")
LANES, STEPS = 2, 8
INPUTS = {"one-hot": {}, "embedded": {"embedding_size": 3}, "tied": {"embedding_size": 5}}


def model_of(
    noise: float,
    largest: dict[str, float] | None = None,
    first: dict[str, float] | None = None,
    **options: Any,
) -> LanguageModel:
    """Return a model with normal noise on its weights.

    `largest` scales some arrays to a largest weight, `first` sets the first weight of some. The
    hidden size is 5 where `options` do not say another.
    """
    config = ModelConfig(**{"hidden_size": 5, "num_layers": 1, "dropout": 0.0, **options})
    model = LanguageModel.initialized(config, len(VOCABULARY), 3, np.float64)
    flat = model.parameters.flat
    flat += np.random.default_rng(4).normal(0, noise, flat.size)
    for name, size in (largest or {}).items():
        model.parameters[name][...] *= size / np.abs(model.parameters[name]).max()
    for name, weight in (first or {}).items():
        model.parameters[name].flat[0] = weight
    return model


def quantized_of(
    noise: float = 0.3,
    largest: dict[str, float] | None = None,
    bits: int = BITS,
    inputs: str = "one-hot",
    **options: Any,
) -> QuantizedModel:
    """Return a quantised model of `model_of`, with its input by name."""
    tied = {"tie_weights": inputs == "tied"}
    model = model_of(noise, largest, **INPUTS[inputs], **tied, **options)
    return QuantizedModel.of(model, VOCABULARY, bits)


def symbols(steps: int = STEPS, lanes: int = LANES) -> Array:
    """Return some symbols (T, L)."""
    return np.random.default_rng(5).integers(0, len(VOCABULARY), (steps, lanes))


def differences(quantized: QuantizedModel) -> list[str]:
    """Return what differs, by step and lane, between the network and the naive one.

    The states of all layers, the logits and the frequencies are compared, as integers.
    """
    network = integer_network.IntegerNetwork(quantized)
    states = network.zero_states(LANES)
    naive = [NaiveNetwork(quantized) for _ in range(LANES)]
    found = []
    for t, ids in enumerate(symbols()):
        states = network.read(ids, states)
        logits = network.logits(states)
        f = frequencies.frequencies(logits)
        for lane, one in enumerate(naive):
            one.read(int(ids[lane]))
            expected = one.logits()
            compared = {
                "states": (
                    [[array[lane].tolist() for array in layer] for layer in states],
                    one.states,
                ),
                "logits": (logits[lane].tolist(), expected),
                "frequencies": (f[lane].tolist(), naive_parts.frequencies(expected)),
            }
            found += [
                f"{what} of step {t}, lane {lane}"
                for what, (is_, should) in compared.items()
                if is_ != should
            ]
    return found
