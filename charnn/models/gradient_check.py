"""Every gradient of a model against central differences."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model
from charnn.models.stack import LayerStates
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import Comparison, check_gradients
from charnn.text.batches import Batch


def check_model(
    model: Model,
    batch: Batch,
    states: LayerStates,
    *,
    random_seed: int | None = None,
    smoothing: float = 0.0,
    directions: np.random.Generator | None = None,
) -> list[Comparison]:
    """Compare the gradients of all parameters and initial states, computed in float64.

    With `random_seed` dropout and whatever else a model draws in training is on, with the same
    draws in every evaluation. Every coordinate is checked, or with `directions` a few random
    directions of each array, which is enough for large models.
    """
    model = model.with_parameters(model.parameters.astype(np.float64))
    states = [tuple(state.astype(np.float64) for state in layer) for layer in states]

    def random() -> np.random.Generator | None:
        return None if random_seed is None else np.random.default_rng(random_seed)

    _, _, backward = model.loss(batch, states, random=random(), smoothing=smoothing)
    gradients = model.parameters.zeros_like()
    d_states = backward(gradients)
    buffers = Buffers()  # the numbers are the same with new memory each time, but come later

    def loss() -> float:
        return model.loss(batch, states, random=random(), smoothing=smoothing, buffers=buffers)[0]

    return check_gradients(loss, model.parameters, gradients, directions) + check_gradients(
        loss, named_states(model, states), named_states(model, d_states), directions
    )


def named_states(model: Model, states: LayerStates) -> dict[str, Array]:
    """Return states by name: `layer1/h0`, ..."""
    flat = (state for layer in states for state in layer)
    return {f"{name}0": state for name, state in zip(model.state_shapes(1), flat, strict=True)}


def check_configuration(
    model: LanguageModel, seq_length: int, seed: int, directional: bool = False
) -> list[Comparison]:
    """Check a model on random symbols and initial states, with whatever it drops in training."""
    random = np.random.default_rng(seed)
    batch_size = 2
    ids = random.integers(0, model.vocab_size, (seq_length + 1, batch_size))
    states = [
        tuple(random.normal(0, 0.5, state.shape) for state in layer)
        for layer in model.zero_states(batch_size)
    ]
    return check_model(
        model,
        Batch(ids[:-1], ids[1:]),
        states,
        random_seed=seed,
        directions=random if directional else None,
    )
