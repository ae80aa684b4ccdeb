"""The check of a whole model's gradients: that it looks at everything, and finds what is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from charnn.config import ModelConfig
from charnn.models import gradient_check, heads
from charnn.models.gradient_check import check_configuration, check_model, named_states
from charnn.models.language_model import LanguageModel
from charnn.nn.central_differences import TOLERANCE, Comparison
from charnn.text.batches import Batch

BATCH = Batch(np.array([[0, 3], [2, 2], [4, 1]]), np.array([[3, 2], [2, 4], [1, 1]]))


def model_of(dtype: str = "float64", vocab_size: int = 5, **options: object) -> LanguageModel:
    """Return a small random model."""
    config = ModelConfig(**{"hidden_size": 3, "dropout": 0.0} | options)
    return LanguageModel.initialized(config, vocab_size, 1, dtype)


def affine_with(wrong_backward):
    """Return the output layer with another gradient."""

    def affine(x, weights, buffers):
        W, b = weights["W_hy"], weights["b_y"]

        def backward(dy, gradients):
            dx, dW, db = wrong_backward(dy, x, W)
            gradients.add("W_hy", lambda out: np.copyto(out, dW))
            gradients.add("b_y", lambda out: np.copyto(out, db))
            return dx

        return x @ W + b, backward

    return affine


def wrong(comparisons: list[Comparison]) -> set[str]:
    """Return the names of the arrays whose gradients differ."""
    return {comparison.name for comparison in comparisons if not comparison.error <= TOLERANCE}


@pytest.mark.parametrize(("num_layers", "embedding_size", "dropout"), [(1, None, 0.0), (2, 2, 0.4)])
def test_a_right_model_passes(
    cell_options: dict[str, str], num_layers: int, embedding_size: int | None, dropout: float
) -> None:
    """Every array of every cell is checked in full size, and none is wrong."""
    model = model_of(
        **cell_options, num_layers=num_layers, embedding_size=embedding_size, dropout=dropout
    )
    comparisons = check_configuration(model, seq_length=3, seed=1)
    assert wrong(comparisons) == set()
    states = {
        f"layer{number}/{state}0": 2 * 3
        for number in range(1, num_layers + 1)
        for state in model.cell.states
    }
    sizes = {name: math.prod(shape) for name, shape in model.parameters.shapes.items()}
    assert {comparison.name: comparison.size for comparison in comparisons} == sizes | states


def test_the_model_is_left_alone() -> None:
    """Weights and states come back as they were, to the last bit."""
    model = model_of()
    states = [tuple(np.full((2, 3), 0.25) for _ in layer) for layer in model.zero_states(2)]
    weights = model.parameters.flat.copy()
    check_model(model, BATCH, states)
    assert np.array_equal(model.parameters.flat, weights)
    assert all((state == 0.25).all() for layer in states for state in layer)


def test_float32_is_checked_in_float64() -> None:
    """A trained model's weights are checked with all the digits that differences need."""
    model = model_of("float32")
    comparisons = check_model(model, BATCH, model.zero_states(2))
    assert wrong(comparisons) == set()
    assert model.parameters.flat.dtype == np.float32


def test_dropout_is_on() -> None:
    """With `random_seed` the loss that is checked is that of the dropped-out network."""
    model = model_of(dropout=0.5)
    states = model.zero_states(2)
    numeric = [
        check_model(model, BATCH, states, random_seed=seed)[0].numeric for seed in (None, 1, 2)
    ]
    assert len(set(numeric)) == 3


def test_without_dropout_the_seed_of_the_masks_does_not_matter() -> None:
    """A model without dropout is the same with any mask's seed."""
    model = model_of()
    states = model.zero_states(2)
    with_seed = check_model(model, BATCH, states, random_seed=5)
    assert with_seed == check_model(model, BATCH, states)


def test_directions() -> None:
    """Along random directions each array takes part as a whole."""
    model = model_of(hidden_size=24)
    comparisons = check_configuration(model, seq_length=4, seed=1, directional=True)
    assert wrong(comparisons) == set()
    assert all(comparison.where.startswith("direction ") for comparison in comparisons)


def test_seeds() -> None:
    """Symbols and states are drawn from the seed."""
    model = model_of()
    first, again, other = (check_configuration(model, 3, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("directional", [False, True])
@pytest.mark.parametrize(
    ("function", "fault", "named"),
    [
        (
            "affine",
            affine_with(lambda d, x, W: (d @ W.T, 1.001 * (x.T @ d), d.sum(axis=0))),
            {"W_hy"},
        ),
        ("affine", affine_with(lambda d, x, W: (d @ W.T, x.T @ d, -d.sum(axis=0))), {"b_y"}),
        (
            "affine",
            affine_with(lambda d, x, W: (0 * (d @ W.T), x.T @ d, d.sum(axis=0))),
            {"layer1/W_xh", "layer1/W_hh", "layer1/b_h", "layer1/h0", "layer1/c0"},
        ),
    ],
    ids=["W_hy", "b_y", "everything below"],
)
def test_a_wrong_model_is_caught(
    function: str, fault, named: set[str], directional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the output layer's gradient shows in exactly the arrays that it concerns."""
    monkeypatch.setattr(heads, function, fault)
    assert wrong(check_configuration(model_of(), 3, 1, directional)) == named


def test_an_initial_state_that_is_not_carried_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient of the initial states that is lost shows in them alone."""
    loss = LanguageModel.loss

    def forgetful(self, *arguments, **options):
        value, final, backward = loss(self, *arguments, **options)

        def without_states(gradients):
            return [tuple(0 * d for d in layer) for layer in backward(gradients)]

        return value, final, without_states

    monkeypatch.setattr(LanguageModel, "loss", forgetful)
    model = model_of(num_layers=2)
    names = {f"layer{n}/{state}0" for n in (1, 2) for state in ("h", "c")}
    assert wrong(check_configuration(model, 3, 1)) == names


def test_gradients_that_are_not_numbers_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN never passes for a small error."""
    monkeypatch.setattr(
        heads,
        "affine",
        affine_with(lambda d, x, W: (d @ W.T, x.T @ d, d.sum(axis=0) * np.nan)),
    )
    assert wrong(check_configuration(model_of(), 3, 1)) == {"b_y"}


def test_named_states() -> None:
    """States are named by layer and letter, from the input on."""
    model = model_of(num_layers=2)
    states = model.zero_states(2)
    names = named_states(model, states)
    assert list(names) == ["layer1/h0", "layer1/c0", "layer2/h0", "layer2/c0"]
    assert names["layer2/c0"] is states[1][1]
    assert gradient_check.named_states(model_of(cell="gru"), [(1,)]) == {"layer1/h0": 1}
