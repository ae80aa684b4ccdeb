"""The experiment of the textbooks: how gradients vanish in untrained networks, cell against cell.

T = 50 steps, H = 64 units, one layer, random symbols, zero states before the first; the loss is at
the last step. The recurrent weights start orthogonal, so that W alone neither grows nor shrinks
anything, or Gaussian with the variance 1 / H, so that their spectral radius is near 1 and their
largest singular value near 2. Everything else starts as `charnn train` has it.

    0.9^100, 1.1^100    what a hundred steps make of a factor near 1
    sigma(1) = 0.73     what a forget gate keeps whose bias is 1: half is gone after ln 2 / -ln 0.73
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from charnn.analysis.gradient_flow import GradientFlow, Places, gradient_flow
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel

STEPS, UNITS, SYMBOLS, SEQUENCES = 50, 64, 32, 200


@dataclass(frozen=True)
class Arithmetic:
    """What a factor near 1 comes to, and how long a gate at its start keeps something."""

    shrinking: float = 0.9**100
    growing: float = 1.1**100
    gate: float = 1 / (1 + math.exp(-1))
    half_life: float = math.log(2) / math.log(1 + math.exp(-1))


def untrained_network(cell: str, start: str, seed: int) -> LanguageModel:
    """Return a network of the experiment whose recurrent weights start orthogonal or gaussian."""
    config = ModelConfig(cell=cell, hidden_size=UNITS, num_layers=1, dropout=0.0)
    model = LanguageModel.initialized(config, SYMBOLS, seed, np.float64)
    if start == "gaussian":
        for name, array in model.parameters.items():
            if name.endswith("/W_hh"):
                random = np.random.default_rng((seed, 1))
                array[...] = random.standard_normal(array.shape) / math.sqrt(UNITS)
    return model


def vanishing(cell: str, start: str = "orthogonal", seed: int = 1) -> GradientFlow:
    """Return the gradient flow of an untrained network over the experiment's 50 steps."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, SYMBOLS, SEQUENCES * (STEPS + 1))
    places = Places(STEPS - 1, 0, np.arange(SEQUENCES) * (STEPS + 1))
    return gradient_flow(untrained_network(cell, start, seed), ids, places)
