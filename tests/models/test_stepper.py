"""The stepper computes what the window does, one step at a time."""

from __future__ import annotations

import numpy as np
import pytest

from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.models.stepper import Stepper

V = 9


@pytest.mark.parametrize(("layers", "embedding", "batch"), [(1, None, 1), (2, 5, 1), (2, None, 3)])
def test_steps_equal_a_window(cell_options, layers, embedding, batch):
    """Reading symbol by symbol gives the logits of the whole window, for every cell."""
    config = ModelConfig(**cell_options, hidden_size=7, num_layers=layers, embedding_size=embedding)
    model = LanguageModel.initialized(config, V, 1, np.float64)
    ids = np.random.default_rng(2).integers(0, V, (6, batch))
    logits, states, _ = model.logits(ids, model.zero_states(batch))
    stepper = Stepper(model, batch)
    for t, symbols in enumerate(ids):
        np.testing.assert_allclose(
            stepper.step(symbols), logits.reshape(6, batch, V)[t], rtol=0, atol=1e-13
        )
    for ours, theirs in zip(stepper.states, states, strict=True):
        for state, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(state, expected, rtol=0, atol=1e-13)
