"""A model whose states hold exactly the last K symbols, and the alphabet of the small models."""

from __future__ import annotations

import numpy as np

from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

LETTERS = Vocabulary.from_text("\n Aab")


def delay_line(V: int, K: int, gain: float = 2.0) -> LanguageModel:
    """Return an RNN of V K units: the first V are the symbol, and W_hh shifts by V."""
    model = LanguageModel.initialized(ModelConfig(cell="rnn", hidden_size=V * K), V, 1, "float64")
    random = np.random.default_rng(5)
    for name, array in model.parameters.items():
        array[...] = 0
        if name.endswith("W_xh"):
            array.reshape(V, V * K)[:, :V] = gain * np.eye(V)
        elif name.endswith("W_hh"):
            array.reshape(V * K, V * K)[:-V, V:] = gain * np.eye(V * (K - 1))
        elif name == "W_hy":
            array[...] = random.standard_normal(array.shape)
    return model
