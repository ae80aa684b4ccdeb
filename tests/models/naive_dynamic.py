"""Dynamic evaluation by its equations, with gradients that are the oracle's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from reference import REFERENCES, language_model

from charnn.config import DynamicConfig, ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.nn.parameters import Parameters

V, H, T = 4, 3, 5
STEP = 1e-30  # of a complex derivative, which is exact to the last bits


def options(rate: float = 0.05, decay: float = 0.1, segment: int = T) -> DynamicConfig:
    """Return options with which tiny models learn and forget fast."""
    return DynamicConfig(True, rate, decay, segment)


def small(dtype: str = "float64", **config: Any) -> LanguageModel:
    """Return a random model, whose weights are large enough for its states to matter."""
    values = {"hidden_size": H, "dropout": 0.2} | config
    model = LanguageModel.initialized(ModelConfig(**values), V, 1, dtype)
    model.parameters.flat[:] += 0.3 * np.random.default_rng(2).standard_normal(model.size)
    return model


def text(N: int, seed: int = 1) -> np.ndarray:
    """Return N random ids."""
    return np.random.default_rng(seed).integers(0, V, N).astype(np.uint16)


class Naive:
    """A model by the oracle's equations: losses of segments, and gradients one by one."""

    def __init__(self, model: LanguageModel, kind: tuple[str, str]) -> None:
        self.step, self.model, self.ids = REFERENCES[kind].step, model, np.array([])
        self.states = model.zero_states(1)

    def loss(self, p: np.ndarray, segment: np.ndarray) -> tuple[Any, Any]:
        """Return the mean loss of a segment (T + 1,) at p (P,), and the states after it."""
        named = Parameters(self.model.parameters.shapes, flat=p)
        losses, after = language_model(
            self.step, named, segment[:-1, None], segment[1:, None], self.states
        )
        return losses.mean(), after

    def gradient(self, p: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """Return the derivative of a segment's mean loss by each of p (P,)."""
        found = np.zeros(len(p))
        for k in range(len(p)):
            moved = p.astype(complex)
            moved[k] += 1j * STEP
            found[k] = self.loss(moved, segment)[0].imag / STEP
        return found

    def read(self, ids: np.ndarray, rates: DynamicConfig, squares: np.ndarray | None) -> float:
        """Return the nats of ids (N,), while the weights follow the gradients."""
        trained = self.model.parameters.flat.copy()
        p, nats, total, count = trained.copy(), 0.0, np.zeros(len(trained)), 0
        for begin in range(0, len(ids) - 1, rates.dynamic_segment):
            segment = ids[begin : begin + rates.dynamic_segment + 1]
            mean, after = self.loss(p, segment)
            nats += mean * (len(segment) - 1)
            g = self.gradient(p, segment)
            self.states = after
            total, count = total + g**2, count + 1
            if squares is None:
                r = np.sqrt((total + 10 * (total / count).mean()) / (count + 10))
            else:
                r = np.sqrt(squares)
            step = rates.dynamic_rate * g / (r + 0.1 * r.mean())
            pull = np.minimum(1, rates.dynamic_decay * r / r.mean())
            p = p - step + pull * (trained - p)
        return nats

    def mean_squares(self, ids: np.ndarray, segment: int) -> np.ndarray:
        """Return the mean squared gradient of ids' segments, read one after the other."""
        p, found = self.model.parameters.flat, []
        for begin in range(0, len(ids) - 1 - segment + 1, segment):
            window = ids[begin : begin + segment + 1]
            found.append(self.gradient(p, window) ** 2)
            self.states = self.loss(p, window)[1]
        return np.mean(found, axis=0)
