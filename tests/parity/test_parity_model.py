"""One window: the logits, states, loss and gradients of the same weights and data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_twin import (
    CELLS,
    B,
    D,
    T,
    Twin,
    detached,
    parts,
    random_model,
    random_states,
    random_text,
    stack_layers,
    to_torch,
    torch_windows,
)

from charnn.arrays import Array
from charnn.text.batches import Batch, Streams

pytestmark = pytest.mark.parity

LOGITS = {np.float32: 1e-5, np.float64: 1e-12}  # absolute
GRADIENTS = {np.float32: 1e-4, np.float64: 1e-9}  # relative to an array's largest

EMBEDDINGS = pytest.mark.parametrize("embedding", [None, D], ids=["one-hot", "embedding"])
LAYERS = pytest.mark.parametrize("layers", [1, 2])
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def relative_difference(ours: Array, theirs: Array) -> float:
    """Return the largest difference, relative to the largest magnitude; both must be non-zero."""
    assert ours.shape == theirs.shape
    assert np.abs(ours).max() > 0
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def first_window() -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """Return a random text's first window for charnn, and its inputs and targets for PyTorch."""
    ids = random_text(B * T + 1)
    batch = Streams(ids, B, T).batch(0)
    _, torch_inputs, torch_targets = next(torch_windows(ids))
    assert np.array_equal(batch.inputs, torch_inputs)
    assert np.array_equal(batch.targets, torch_targets)
    return batch, torch_inputs, torch_targets


@TYPES
@EMBEDDINGS
@LAYERS
@pytest.mark.parametrize("cell", CELLS)
def test_logits_and_states(cell: str, layers: int, embedding: int | None, dtype: type) -> None:
    """From any states, a window's logits and the states after it are PyTorch's."""
    model = random_model(cell, layers, dtype, embedding)
    states = random_states(model)
    batch, torch_inputs, _ = first_window()
    logits, final, _ = model.logits(batch.inputs, states)
    torch_logits, torch_final = Twin(model)(torch_inputs, to_torch(states))
    assert logits.dtype == dtype
    assert np.abs(logits - torch_logits.detach().numpy()).max() <= LOGITS[dtype]
    for ours, theirs in zip(stack_layers(final), parts(torch_final), strict=True):
        assert np.abs(ours - theirs.detach().numpy()).max() <= LOGITS[dtype]


@TYPES
@EMBEDDINGS
@LAYERS
@pytest.mark.parametrize("cell", CELLS)
def test_gradients(cell: str, layers: int, embedding: int | None, dtype: type) -> None:
    """The gradients of the loss by every weight and every initial state are PyTorch's."""
    model = random_model(cell, layers, dtype, embedding)
    states = random_states(model)
    batch, torch_inputs, torch_targets = first_window()
    gradients = model.parameters.zeros_like()
    loss, _, backward = model.loss(batch, states)
    d_states = backward(gradients)

    twin, state = Twin(model), to_torch(states)
    torch_logits, _ = twin(torch_inputs, state)
    torch_loss = functional.cross_entropy(torch_logits, torch_targets.reshape(-1))
    torch_loss.backward()

    assert abs(loss - torch_loss.item()) <= LOGITS[dtype]
    expected = twin.gradients()
    for name in gradients:
        assert relative_difference(gradients[name], expected[name]) <= GRADIENTS[dtype], name
    for ours, theirs in zip(stack_layers(d_states), parts(state), strict=True):
        assert relative_difference(ours, theirs.grad.numpy()) <= GRADIENTS[dtype]


@LAYERS
@pytest.mark.parametrize("cell", CELLS)
def test_carried_states(cell: str, layers: int) -> None:
    """Over ten windows with carried, detached states, logits and gradients remain PyTorch's."""
    windows = 10
    ids = random_text(B * T * windows + 1)
    model = random_model(cell, layers)
    states = model.zero_states(B)
    streams = Streams(ids, B, T)
    twin, state = Twin(model), None
    for number, (_, torch_inputs, torch_targets) in zip(
        range(windows), torch_windows(ids), strict=False
    ):
        batch = streams.batch(number)
        gradients = model.parameters.zeros_like()
        logits, _, _ = model.logits(batch.inputs, states)
        _, states, backward = model.loss(batch, states)
        backward(gradients)

        twin.zero_grad()
        torch_logits, state = twin(torch_inputs, None if state is None else detached(state))
        functional.cross_entropy(torch_logits, torch_targets.reshape(-1)).backward()

        assert np.abs(logits - torch_logits.detach().numpy()).max() <= LOGITS[np.float32]
        expected = twin.gradients()
        for name in gradients:
            assert relative_difference(gradients[name], expected[name]) <= GRADIENTS[np.float32]


def test_twin_has_the_same_parameters() -> None:
    """A twin holds exactly charnn's weights: none is left out, and what it has beyond is zero."""
    for cell in CELLS:
        model = random_model(cell, 2, embedding=D)
        twin = Twin(model)
        redundant = twin.redundant_biases()
        size = sum(parameter.numel() for parameter in twin.parameters())
        assert np.array_equal(twin.weights().flat, model.parameters.flat)
        assert size == model.parameters.flat.size + redundant.size
        assert not redundant.any()
