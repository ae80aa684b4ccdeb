"""Sequences of different lengths side by side: padding changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from stacks import H, V, random_stack, random_states

from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.parameters import Gradients
from charnn.text.batches import Batch

T = 4
LENGTHS = np.array([4, 1, 3, 0])
B = len(LENGTHS)


def random_ids(seed: int = 2) -> np.ndarray:
    """Return ids (T, B)."""
    return np.random.default_rng(seed).integers(0, V, (T, B))


def inside() -> np.ndarray:
    """Return which places are before their sequence's end, (T, B)."""
    return np.arange(T)[:, None] < LENGTHS


def flat(states: LayerStates) -> list[np.ndarray]:
    """Return the states of all layers as one list."""
    return [state for layer in states for state in layer]


def test_a_padded_sequence_is_the_sequence_alone(cell_options: dict[str, str]) -> None:
    """Outputs, final states and gradients are the sums of those of each sequence by itself."""
    stack, parameters = random_stack(cell_options)
    ids, states, d_final = random_ids(), random_states(stack, B, 3), random_states(stack, B, 4)
    dh = np.random.default_rng(5).standard_normal((T, B, H)) * inside()[..., None]
    together, apart = parameters.zeros_like(), parameters.zeros_like()
    h, final, backward = stack.run(parameters, ids, states, lengths=LENGTHS)
    h = h.copy()
    d_initial = backward(dh, Gradients(together), d_final)
    for b, length in enumerate(LENGTHS):
        own = [tuple(state[b : b + 1] for state in layer) for layer in states]
        d_own = [tuple(d[b : b + 1] for d in layer) for layer in d_final]
        if length == 0:
            for state, before in zip(flat(final), flat(own), strict=True):
                assert np.array_equal(state[b : b + 1], before)
            for d, d_before in zip(flat(d_initial), flat(d_own), strict=True):
                assert np.array_equal(d[b : b + 1], d_before)
            continue
        h_own, final_own, backward_own = stack.run(parameters, ids[:length, b : b + 1], own)
        np.testing.assert_allclose(h[:length, b : b + 1], h_own, rtol=0, atol=1e-12)
        for state, expected in zip(flat(final), flat(final_own), strict=True):
            np.testing.assert_allclose(state[b : b + 1], expected, rtol=0, atol=1e-12)
        d_initial_own = backward_own(dh[:length, b : b + 1], Gradients(apart), d_own)
        for d, expected in zip(flat(d_initial), flat(d_initial_own), strict=True):
            np.testing.assert_allclose(d[b : b + 1], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(together.flat, apart.flat, rtol=0, atol=1e-12)


def test_gradients_with_lengths(cell_options: dict[str, str]) -> None:
    """Every gradient, of h before the ends and of the states at the ends."""
    stack, parameters = random_stack(cell_options, embedding_size=3)
    ids, states, d_final = random_ids(), random_states(stack, B, 3), random_states(stack, B, 4)
    dh = np.random.default_rng(5).standard_normal((T, B, H)) * inside()[..., None]

    def value() -> float:
        h, final, _ = stack.run(parameters, ids, states, lengths=LENGTHS)
        pairs = zip(flat(final), flat(d_final), strict=True)
        return float((h * dh).sum() + sum((state * d).sum() for state, d in pairs))

    gradients = parameters.zeros_like()
    _, _, backward = stack.run(parameters, ids, states, lengths=LENGTHS)
    d_initial = backward(dh, Gradients(gradients), d_final)
    names = list(stack.state_shapes(B))
    comparisons = check_gradients(
        value,
        {**parameters, **dict(zip(names, flat(states), strict=True))},
        {**gradients, **dict(zip(names, flat(d_initial), strict=True))},
    )
    assert {c.name for c in comparisons if not c.error < TOLERANCE} == set()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_garbage_in_the_padding_changes_no_bit(cell_options: dict[str, str], dtype: type) -> None:
    """Loss, gradients and final states are the same whatever symbols stand behind the ends."""
    model = LanguageModel.initialized(
        ModelConfig(**cell_options, hidden_size=H, num_layers=2, dropout=0.0), V, 1, dtype
    )
    results = []
    for seed in (7, 8):
        inputs = np.where(inside(), random_ids(), random_ids(seed))
        targets = np.where(inside(), random_ids(6), random_ids(seed + 2))
        gradients = model.parameters.zeros_like()
        loss, final, backward = model.loss(Batch(inputs, targets, LENGTHS), model.zero_states(B))
        d_states = backward(gradients)
        results.append([np.array(loss), gradients.flat, *flat(final), *flat(d_states)])
    assert all(map(np.array_equal, *results))


def test_the_loss_is_the_mean_up_to_the_ends() -> None:
    """Padding has no loss, and does not count; a weight behind an end counts nothing, too."""
    model = LanguageModel.initialized(ModelConfig(cell="gru", hidden_size=H), V, 1, np.float64)
    inputs, targets, states = random_ids(), random_ids(6), model.zero_states(B)
    logits, _, _ = model.logits(inputs, states)
    p = np.exp(logits) / np.exp(logits).sum(axis=1)[:, None]
    losses = -np.log(p[np.arange(T * B), targets.ravel()]).reshape(T, B)
    loss, _, _ = model.loss(Batch(inputs, targets, LENGTHS), states)
    assert loss == pytest.approx(losses[inside()].mean(), rel=1e-12)
    doubled = Batch(inputs, targets, LENGTHS, weights=np.full((T, B), 2.0))
    assert model.loss(doubled, states)[0] == pytest.approx(loss, rel=1e-12)


def test_without_lengths_every_target_counts() -> None:
    """A batch that is not padded has no weights to multiply by."""
    ids = random_ids()
    assert Batch(ids, ids).target_weights is None
