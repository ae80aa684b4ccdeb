"""The transducer: its parameters, every gradient, and its steps one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sequence_models import SIZES, H, batch_of, examples_of, model_of, wrong_gradients

from charnn.models.decoder_stepper import DecoderStepper
from charnn.models.delimiters import delimited
from charnn.models.transducer import within
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import group
from charnn.registry import ATTENTIONS

BOTH = {"bidirectional": True, "num_layers": 2}
SCORES = [None, *ATTENTIONS]


def test_parameters() -> None:
    """A bridge for each state of each layer of the decoder, from both directions' states."""
    model = model_of("transduce", cell="lstm", attention="additive", **BOTH)
    shapes = model.parameters.shapes
    bridges = {name for name in shapes if name.startswith("bridge/") and name.endswith("W_s")}
    assert bridges == {f"bridge/layer{n}/{state}/W_s" for n in (1, 2) for state in "hc"}
    assert {shapes[name] for name in bridges} == {(2 * H, H)}
    assert shapes["attention/W_k"] == (2 * H, H)
    assert shapes["attention/W_c"] == (3 * H, H)
    assert shapes["encoder/layer1/W_xh"] == (4, SIZES.inputs, H)
    assert shapes["decoder/layer1/W_xh"] == (4, SIZES.outputs + 1, H)
    assert shapes["decoder/W_hy"] == (H, SIZES.outputs + 1)


def test_without_attention() -> None:
    """There is nothing of it."""
    assert not any("attention" in name for name in model_of("transduce").parameters)


@pytest.mark.parametrize("attention", SCORES)
def test_every_gradient(attention: str | None) -> None:
    """Every coordinate of every parameter is right."""
    options = {"attention": attention, "bidirectional": attention == "dot", "cell": "rnn"}
    assert wrong_gradients("transduce", hidden_size=3, **options) == set()


@pytest.mark.parametrize("attention", SCORES)
def test_step_by_step(attention: str | None) -> None:
    """A decoder that goes step by step has the logits and the attention of the whole target."""
    model, examples = model_of("transduce", attention=attention, **BOTH), examples_of("transduce")
    batch = batch_of("transduce", examples, more=(2, 0), garbage=4)
    inputs, _ = delimited(batch.targets, batch.target_lengths, model.delimiter)
    keys, first, _ = model.encode(batch.inputs, batch.lengths, Buffers())
    allowed = within(len(batch.inputs), batch.lengths)
    out, alpha, _ = model.decode(inputs, keys, allowed, first, Buffers())
    weights = group(model.parameters, "decoder")
    logits, _ = model.network.head.logits(weights, out, Buffers())
    stepper = DecoderStepper(model.network, model.parameters, keys, allowed, first)
    for t, expected in enumerate(logits.reshape(*inputs.shape, -1)):
        found, weights_of_step = stepper.step(inputs[t])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        if alpha is not None:
            np.testing.assert_allclose(weights_of_step, alpha[:, t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("attention", list(ATTENTIONS))
def test_the_attention(attention: str) -> None:
    """The weights are positive within a source, exactly 0 behind its end, and sum to 1."""
    model, examples = model_of("transduce", attention=attention), examples_of("transduce")
    batch = batch_of("transduce", examples, more=(2, 0), garbage=4)
    keys, first, _ = model.encode(batch.inputs, batch.lengths, Buffers())
    allowed = within(len(batch.inputs), batch.lengths)
    _, alpha, _ = model.decode(batch.targets, keys, allowed, first, Buffers())
    np.testing.assert_allclose(alpha.sum(axis=2), 1, rtol=0, atol=1e-12)
    assert (np.moveaxis(alpha, 1, 2)[~allowed] == 0).all()
    assert (np.moveaxis(alpha, 1, 2)[allowed] > 0).all()
