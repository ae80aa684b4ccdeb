"""The classifier: its parameters, every gradient, and what it predicts."""

from __future__ import annotations

import numpy as np
import pytest
from sequence_models import SIZES, H, batch_of, examples_of, model_of, wrong_gradients
from sequence_oracle import layers, output, vectors

from charnn.nn.buffers import Buffers

BOTH = {"bidirectional": True, "num_layers": 2}


def test_parameters() -> None:
    """The output reads h at the end, and with two directions also that at the beginning."""
    assert model_of("classify").parameters.shapes["W_hy"] == (H, SIZES.outputs)
    shapes = model_of("classify", **BOTH).parameters.shapes
    assert shapes["W_hy"] == (2 * H, SIZES.outputs)
    assert shapes["layer2_backward/W_xh"] == (3, 2 * H, H)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_gradient(bidirectional: bool) -> None:
    """Every coordinate of every parameter is right."""
    assert wrong_gradients("classify", hidden_size=3, bidirectional=bidirectional) == set()


@pytest.mark.parametrize("options", [{}, BOTH])
def test_log_probabilities(options: dict) -> None:
    """They are the oracle's for each sequence by itself, whatever stands behind its end."""
    model, examples = model_of("classify", **options), examples_of("classify")
    batch = batch_of("classify", examples, more=(3, 0), garbage=9)
    found = model.log_probabilities(batch.inputs, batch.lengths, Buffers())
    for row, (source, _) in zip(found, examples, strict=True):
        p = model.parameters
        _, finals = layers(model, vectors(source, p), p, model.config.bidirectional)
        z = output(p, finals[-1][0])
        np.testing.assert_allclose(row, z - np.log(np.exp(z).sum()), rtol=0, atol=1e-12)
