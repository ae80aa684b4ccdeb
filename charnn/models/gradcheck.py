"""Every gradient of a language model against central differences."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel, LayerStates, layer_name
from charnn.nn.gradcheck import Comparison, check_gradients


def check_language_model(
    model: LanguageModel,
    inputs: Array,
    targets: Array,
    states: LayerStates,
    *,
    dropout_seed: int | None = None,
    directions: np.random.Generator | None = None,
) -> list[Comparison]:
    """Compare the gradients of all parameters and initial states, computed in float64.

    `inputs` and `targets` are (T, B). With `dropout_seed` dropout is on, with the same masks in
    every evaluation. Every coordinate is checked, or with `directions` a few random directions of
    each array, which is enough for large models.
    """
    model = LanguageModel(model.config, model.vocab_size, model.parameters.astype(np.float64))
    states = [tuple(state.astype(np.float64) for state in layer) for layer in states]

    def random() -> np.random.Generator | None:
        return None if dropout_seed is None else np.random.default_rng(dropout_seed)

    def loss() -> float:
        return model.loss(inputs, targets, states, random=random())[0]

    _, _, backward = model.loss(inputs, targets, states, random=random())
    gradients = model.parameters.zeros_like()
    d_states = backward(gradients)
    return check_gradients(loss, model.parameters, gradients, directions) + check_gradients(
        loss, named_states(model, states), named_states(model, d_states), directions
    )


def named_states(model: LanguageModel, states: LayerStates) -> dict[str, Array]:
    """Return states by name: `layer1/h0`, ..."""
    return {
        f"{layer_name(number)}/{name}0": state
        for number, layer in enumerate(states, 1)
        for name, state in zip(model.cell.states, layer, strict=True)
    }


def check_configuration(
    model: LanguageModel, seq_length: int, seed: int, directional: bool = False
) -> list[Comparison]:
    """Check a model on random symbols and random initial states, with dropout if it has any."""
    random = np.random.default_rng(seed)
    batch_size = 2
    ids = random.integers(0, model.vocab_size, (seq_length + 1, batch_size))
    states = [
        tuple(random.normal(0, 0.5, state.shape) for state in layer)
        for layer in model.zero_states(batch_size)
    ]
    return check_language_model(
        model,
        ids[:-1],
        ids[1:],
        states,
        dropout_seed=seed if model.config.dropout else None,
        directions=random if directional else None,
    )
