"""What the tests of stacks look at: small ones, filled at random."""

from __future__ import annotations

import numpy as np

from charnn.config import ModelConfig
from charnn.models.stack import LayerStates, Stack
from charnn.nn.parameters import Parameters

V, H = 5, 4


def random_stack(cell_options: dict[str, str], **options: object) -> tuple[Stack, Parameters]:
    """Return a stack of two layers and random weights in float64."""
    config = ModelConfig(**cell_options, hidden_size=H, num_layers=2, dropout=0.0, **options)
    stack, random = Stack(config, V), np.random.default_rng(1)
    parameters = Parameters.started(stack.parameters(), random, np.float64)
    parameters.flat[:] = 0.5 * random.standard_normal(parameters.flat.size)
    return stack, parameters


def random_states(stack: Stack, B: int, seed: int) -> LayerStates:
    """Return random states (B, H), or gradients of states."""
    random = np.random.default_rng(seed)
    zeros = stack.zero_states(B, "d")
    return [tuple(random.standard_normal((B, H)) for _ in layer) for layer in zeros]
