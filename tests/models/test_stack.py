"""Stacks and heads: the gradients of final states, and losses as weighted sums."""

from __future__ import annotations

import numpy as np
import pytest
from stacks import H, V, random_stack, random_states

from charnn.config import ModelConfig
from charnn.models.heads import EveryStep
from charnn.models.language_model import LanguageModel
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.parameters import SYMBOLS, Axis, Gradients, Parameters
from charnn.text.batches import Batch

T, B = 3, 2
IDS = np.array([[0, 1], [3, 3], [2, 0]])


def test_gradients_enter_at_every_output_and_every_final_state(
    cell_options: dict[str, str],
) -> None:
    """`d_final` of each layer is a gradient like that of h, in every weight and initial state."""
    stack, parameters = random_stack(cell_options)
    dh = np.random.default_rng(2).standard_normal((T, B, H))
    states, d_final = random_states(stack, B, 3), random_states(stack, B, 4)

    def value() -> float:
        h, final, _ = stack.run(parameters, IDS, states)
        total = (h * dh).sum()
        for layer, d_layer in zip(final, d_final, strict=True):
            total += sum((state * d).sum() for state, d in zip(layer, d_layer, strict=True))
        return float(total)

    gradients = parameters.zeros_like()
    _, _, backward = stack.run(parameters, IDS, states)
    d_initial = backward(dh, Gradients(gradients), d_final)
    names = list(stack.state_shapes(B))
    flat = [[state for layer in each for state in layer] for each in (states, d_initial)]
    comparisons = check_gradients(
        value,
        {**parameters, **dict(zip(names, flat[0], strict=True))},
        {**gradients, **dict(zip(names, flat[1], strict=True))},
    )
    assert {c.name for c in comparisons if not c.error < TOLERANCE} == set()


def test_no_gradient_of_final_states_is_one_of_zeros(cell_options: dict[str, str]) -> None:
    """None stands for zeros."""
    stack, parameters = random_stack(cell_options)
    states, dh = stack.zero_states(B, "d"), np.ones((T, B, H))
    results = []
    for d_final in (None, stack.zero_states(B, "d")):
        gradients = parameters.zeros_like()
        stack.run(parameters, IDS, states)[2](dh, Gradients(gradients), d_final)
        results.append(gradients.flat)
    assert np.array_equal(*results)


def test_two_stacks_side_by_side_do_not_disturb_each_other() -> None:
    """Two stacks in scopes of the same buffers give the gradients that each gives alone."""
    stack, parameters = random_stack({"cell": "lstm"})
    states, dh = stack.zero_states(B, "d"), np.random.default_rng(3).standard_normal((T, B, H))
    buffers = Buffers()
    alone, together = [], []
    for ids in (IDS, IDS[::-1]):
        gradients = parameters.zeros_like()
        stack.run(parameters, ids, states)[2](dh, Gradients(gradients), None)
        alone.append(gradients.flat)
    runs = [
        stack.run(parameters, ids, states, buffers=buffers.child(name))
        for name, ids in (("one", IDS), ("other", IDS[::-1]))
    ]
    for _, _, backward in runs:
        gradients = parameters.zeros_like()
        backward(dh, Gradients(gradients), None)
        together.append(gradients.flat)
    assert all(map(np.array_equal, alone, together))


def test_two_heads_do_not_overwrite_each_others_logits() -> None:
    """Heads with scopes of their own can stand on the same states."""
    h, buffers = np.random.default_rng(4).standard_normal((T, B, H)), Buffers()
    head = EveryStep(H, Axis(SYMBOLS, V))
    weights = [
        Parameters.started(head.parameters(), np.random.default_rng(seed), np.float64)
        for seed in (1, 2)
    ]
    first, _ = head.logits(weights[0], h, buffers.child("first"))
    before = first.copy()
    second, _ = head.logits(weights[1], h, buffers.child("second"))
    assert np.array_equal(first, before)
    assert not np.array_equal(first, second)


class TestWeights:
    """A batch's weights decide what each target counts."""

    BATCH = Batch(IDS, IDS[::-1])
    COUNTS = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]])

    @pytest.fixture
    def model(self) -> LanguageModel:
        """Return a small model."""
        config = ModelConfig(cell="gru", hidden_size=H, dropout=0.0)
        return LanguageModel.initialized(config, V, 1, np.float64)

    def test_the_loss_is_a_weighted_mean(self, model: LanguageModel) -> None:
        """A target of weight 2 counts twice, one of weight 0 not at all."""
        states = model.zero_states(B)
        batch = Batch(self.BATCH.inputs, self.BATCH.targets, weights=self.COUNTS)
        loss, _, _ = model.loss(batch, states)
        logits, _, _ = model.logits(batch.inputs, states)
        p = np.exp(logits) / np.exp(logits).sum(axis=1)[:, None]
        losses = -np.log(p[np.arange(T * B), batch.targets.ravel()])
        assert loss == pytest.approx((losses * self.COUNTS.ravel()).sum() / 7, rel=1e-12)

    def test_gradients_are_of_the_weighted_mean(self, model: LanguageModel) -> None:
        """Every gradient is that of the weighted loss."""
        batch = Batch(self.BATCH.inputs, self.BATCH.targets, weights=self.COUNTS)
        states, gradients = model.zero_states(B), model.parameters.zeros_like()
        model.loss(batch, states)[2](gradients)
        comparisons = check_gradients(
            lambda: model.loss(batch, states)[0], model.parameters, gradients
        )
        assert {c.name for c in comparisons if not c.error < TOLERANCE} == set()

    def test_weights_of_one_change_nothing(self, model: LanguageModel) -> None:
        """Without weights every target counts 1."""
        ones = Batch(self.BATCH.inputs, self.BATCH.targets, weights=np.ones((T, B)))
        states = model.zero_states(B)
        assert model.loss(ones, states)[0] == model.loss(self.BATCH, states)[0]

    def test_shares_add_up_to_the_whole(self, model: LanguageModel) -> None:
        """Parts of a batch, divided by the whole's weight, have its loss and gradient together."""
        states = model.zero_states(B)
        whole, parts = model.parameters.zeros_like(), model.parameters.zeros_like()
        batch = Batch(self.BATCH.inputs, self.BATCH.targets, weights=self.COUNTS)
        loss, _, backward = model.loss(batch, states)
        backward(whole)
        total = 0.0
        for column in (slice(0, 1), slice(1, 2)):
            part = Batch(
                batch.inputs[:, column], batch.targets[:, column], weights=self.COUNTS[:, column]
            )
            own = [tuple(state[column] for state in layer) for layer in states]
            share, _, backward = model.loss(part, own, weight=7.0)
            backward(parts)
            total += share
        assert total == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(parts.flat, whole.flat, rtol=0, atol=1e-15)
