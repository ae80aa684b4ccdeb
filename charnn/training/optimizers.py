"""Optimisers: rules that update one flat vector of parameters p by its gradient g, in place.

`t` counts updates from 1, `lr` is the learning rate. The constants and the places of epsilon are
PyTorch's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array
from charnn.config import TrainingConfig

CHUNK = 32_768  # parameters updated at a time, so that all vectors of a rule stay in the cache


class Optimizer(ABC):
    """An update rule and its memory: `state` has one vector for each of `slots`."""

    slots: ClassVar[tuple[str, ...]] = ()
    epsilon: ClassVar[float] = 1e-8

    def __init__(self, config: TrainingConfig, state: dict[str, Array]) -> None:
        """Go on with a memory: a vector (P,) for each of `slots`."""
        self.config = config
        self.state = state

    @classmethod
    def fresh(cls, config: TrainingConfig, size: int, dtype: npt.DTypeLike) -> Optimizer:
        """Return a rule for P = `size` parameters that has seen none."""
        return cls(config, {slot: np.zeros(size, dtype) for slot in cls.slots})

    def update(self, p: Array, g: Array, lr: float, t: int) -> None:
        """Update p (P,) by the gradient g (P,), which may be overwritten."""
        for start in range(0, len(p), CHUNK):
            chunk = slice(start, start + CHUNK)
            slots = [vector[chunk] for vector in self.state.values()]
            self._decay(p[chunk], g[chunk], lr)
            self._update(p[chunk], g[chunk], lr, t, *slots)

    def _decay(self, p: Array, g: Array, lr: float) -> None:
        """Weight decay as a penalty: `g <- g + weight_decay p`."""
        if self.config.weight_decay:
            g += self.config.weight_decay * p

    @abstractmethod
    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        """Apply the rule to one chunk."""


class SGD(Optimizer):
    """`p <- p - lr g`."""

    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        p -= lr * g


class Momentum(Optimizer):
    """`v <- momentum v + g`, `p <- p - lr v` (Polyak, 1964)."""

    slots = ("v",)

    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        (v,) = slots
        v *= self.config.momentum
        v += g
        p -= lr * v


class Adagrad(Optimizer):
    """`s <- s + g^2`, `p <- p - lr g / (sqrt(s) + epsilon)` (Duchi et al., 2011)."""

    slots = ("s",)
    epsilon = 1e-10

    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        (s,) = slots
        s += g * g
        p -= lr * g / (np.sqrt(s) + self.epsilon)


class RMSProp(Optimizer):
    """`s <- decay s + (1 - decay) g^2`, `p <- p - lr g / (sqrt(s) + epsilon)` (Hinton, 2012)."""

    slots = ("s",)

    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        (s,) = slots
        decay = self.config.rms_decay
        s *= decay
        s += (1 - decay) * g * g
        p -= lr * g / (np.sqrt(s) + self.epsilon)


class Adam(Optimizer):
    """Bias-corrected means of g and g^2 (Kingma and Ba, 2015).

    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2
    p <- p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
    """

    slots = ("m", "v")

    def _update(self, p: Array, g: Array, lr: float, t: int, *slots: Array) -> None:
        m, v = slots
        beta1, beta2 = self.config.beta1, self.config.beta2
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        g *= g
        g *= 1 - beta2
        v += g
        np.sqrt(v, out=g)
        g *= (1 - beta2**t) ** -0.5
        g += self.epsilon
        np.divide(m, g, out=g)
        g *= lr / (1 - beta1**t)
        p -= g


class AdamW(Adam):
    """Adam with decoupled weight decay, `p <- p - lr weight_decay p` (Loshchilov, 2019)."""

    def _decay(self, p: Array, g: Array, lr: float) -> None:
        p *= 1 - lr * self.config.weight_decay
