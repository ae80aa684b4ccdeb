"""What holds for all models of sequences: padding and the batch's other rows change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sequence_models import (
    adds_up,
    agrees,
    batch_of,
    examples_of,
    model_of,
    result,
    wrong_gradients,
)

BOTH: dict[str, Any] = {"bidirectional": True, "num_layers": 2, "embedding_size": 2}
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("classify", {}),
    ("classify", BOTH),
    ("tag", {}),
    ("tag", BOTH),
    ("generate", {}),
    ("generate", {"num_layers": 2, "embedding_size": 5, "tie_weights": True}),
    ("transduce", {}),
    ("transduce", {"attention": "dot", **BOTH}),
    ("transduce", {"attention": "general", **BOTH}),
    ("transduce", {"attention": "additive", **BOTH}),
]

models = pytest.mark.parametrize(
    ("task", "options"), MODELS, ids=[f"{task} {' '.join(options)}" for task, options in MODELS]
)


@models
def test_the_loss(task: str, options: dict[str, Any], cell_options: dict[str, str]) -> None:
    """The loss of a padded batch is the oracle's of its sequences, each by itself."""
    assert agrees(task, **options, **cell_options)


@models
def test_the_gradients(task: str, options: dict[str, Any]) -> None:
    """Every parameter's gradient is right along random directions, dropout on."""
    assert wrong_gradients(task, directional=True, **options) == set()


def test_the_gradients_with_every_cell(cell_options: dict[str, str]) -> None:
    """The states of any cell cross the bridge, and come back."""
    options = {"attention": "general", "bidirectional": True, **cell_options}
    assert wrong_gradients("transduce", directional=True, hidden_size=3, **options) == set()


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_garbage_in_the_padding_changes_no_bit(
    task: str, options: dict[str, Any], dtype: type
) -> None:
    """Whatever ids stand behind the ends, loss and gradient are the same to the last bit."""
    model = model_of(task, **options)
    model = model.with_parameters(model.parameters.astype(dtype))
    examples = examples_of(task)
    results = [
        result(model, batch_of(task, examples, more=(2, 3), garbage=seed)) for seed in (7, 8)
    ]
    (loss, gradient), (other_loss, other_gradient) = results
    assert loss == other_loss
    assert gradient.tobytes() == other_gradient.tobytes()


@models
def test_more_padding(task: str, options: dict[str, Any]) -> None:
    """Longer batches have the same loss and gradient."""
    model, examples = model_of(task, **options), examples_of(task)
    loss, gradient = result(model, batch_of(task, examples))
    for more in ((1, 4), (9, 2)):
        other_loss, other_gradient = result(model, batch_of(task, examples, more))
        assert other_loss == pytest.approx(loss, rel=0, abs=1e-12)
        np.testing.assert_allclose(other_gradient, gradient, rtol=0, atol=1e-12)


@models
def test_another_order(task: str, options: dict[str, Any]) -> None:
    """The order of a batch's rows is of no meaning."""
    model, examples = model_of(task, **options), examples_of(task)
    loss, gradient = result(model, batch_of(task, examples))
    other_loss, other_gradient = result(model, batch_of(task, examples[::-1]))
    assert other_loss == pytest.approx(loss, rel=0, abs=1e-12)
    np.testing.assert_allclose(other_gradient, gradient, rtol=0, atol=1e-12)


@models
def test_shares_add_up_to_the_whole(task: str, options: dict[str, Any]) -> None:
    """Rows that are computed apart have the whole's loss and gradient together."""
    assert adds_up(task, **options)


@models
def test_states_are_handed_through(task: str, options: dict[str, Any]) -> None:
    """No state is carried from batch to batch: what is passed in comes out."""
    model = model_of(task, **options)
    assert model.state_shapes(3) == {}
    _, states, backward = model.loss(batch_of(task, examples_of(task)), [])
    assert states == []
    assert backward(model.parameters.zeros_like()) == []
