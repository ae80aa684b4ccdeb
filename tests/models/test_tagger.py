"""The tagger: its parameters, every gradient, and what it predicts."""

from __future__ import annotations

import numpy as np
import pytest
from sequence_models import SIZES, H, batch_of, examples_of, model_of, wrong_gradients
from sequence_oracle import layers, output, vectors

from charnn.nn.buffers import Buffers

BOTH = {"bidirectional": True, "num_layers": 2}


def test_parameters() -> None:
    """The output reads the states of both directions, where there are two."""
    assert model_of("tag").parameters.shapes["W_hy"] == (H, SIZES.outputs)
    assert model_of("tag", **BOTH).parameters.shapes["W_hy"] == (2 * H, SIZES.outputs)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_gradient(bidirectional: bool) -> None:
    """Every coordinate of every parameter is right."""
    assert wrong_gradients("tag", hidden_size=3, bidirectional=bidirectional) == set()


@pytest.mark.parametrize("options", [{}, BOTH])
def test_log_probabilities(options: dict) -> None:
    """They are the oracle's for each sequence by itself, up to its end."""
    model, examples = model_of("tag", **options), examples_of("tag")
    batch = batch_of("tag", examples, more=(3, 0), garbage=9)
    found = model.log_probabilities(batch.inputs, batch.lengths, Buffers())
    for b, (source, _) in enumerate(examples):
        p = model.parameters
        h, _ = layers(model, vectors(source, p), p, model.config.bidirectional)
        for t, h_t in enumerate(h):
            z = output(p, h_t)
            expected = z - np.log(np.exp(z).sum())
            np.testing.assert_allclose(found[t, b], expected, rtol=0, atol=1e-12)


def test_one_direction_does_not_see_the_future() -> None:
    """A tag depends on the symbols after its own only where the network reads backwards, too."""
    source, lengths = np.array([[1], [2], [3], [4]]), np.array([4])
    changed = source.copy()
    changed[3] = 0
    for bidirectional, differs in ((False, False), (True, True)):
        model = model_of("tag", bidirectional=bidirectional)
        first, second = (
            model.log_probabilities(ids, lengths, Buffers())[:3].copy() for ids in (source, changed)
        )
        assert (first != second).any() == differs
