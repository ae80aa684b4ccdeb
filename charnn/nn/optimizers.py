"""Optimisers: rules that update one flat vector of parameters p by its gradient g, in place.

`t` counts updates from 1, `lr` is the learning rate. The constants and the places of epsilon are
PyTorch's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array

CHUNK = 32_768  # parameters updated at a time, so that all vectors of a rule stay in the cache


class Rates(Protocol):
    """The constants of the rules; a configuration's training section has them."""

    @property
    def momentum(self) -> float:
        """Momentum's decay of the velocity."""

    @property
    def beta1(self) -> float:
        """Adam's decay of the mean gradient."""

    @property
    def beta2(self) -> float:
        """Adam's decay of the mean squared gradient."""

    @property
    def rms_decay(self) -> float:
        """RMSProp's decay of the mean squared gradient."""

    @property
    def weight_decay(self) -> float:
        """How strongly weights are pulled towards zero."""


class Optimizer(ABC):
    """An update rule and its memory: `state` has one vector for each of `slots`."""

    slots: ClassVar[tuple[str, ...]] = ()
    epsilon: ClassVar[float] = 1e-8

    def __init__(
        self, rates: Rates, state: dict[str, Array], decaying: Array | None = None
    ) -> None:
        """Continue with a memory: a vector (P,) for each of `slots`.

        Weight decay applies where `decaying` (P,) is 1, and not where it is 0; None is everywhere.
        """
        self.rates = rates
        self.state = state
        self._decay_rates: Array | None = None
        if rates.weight_decay and decaying is not None:
            self._decay_rates = decaying * decaying.dtype.type(rates.weight_decay)

    @classmethod
    def fresh(cls, rates: Rates, size: int, dtype: npt.DTypeLike) -> Optimizer:
        """Return a rule for P = `size` parameters that has seen none."""
        return cls(rates, {slot: np.zeros(size, dtype) for slot in cls.slots})

    def update(self, p: Array, g: Array, lr: float, t: int) -> None:
        """Update p (P,) by the gradient g (P,), which may be overwritten."""
        for start in range(0, len(p), CHUNK):
            chunk = slice(start, start + CHUNK)
            slots = [vector[chunk] for vector in self.state.values()]
            if self.rates.weight_decay:
                self._decay(p[chunk], g[chunk], lr, self._decay_rate(chunk))
            self._update(p[chunk], g[chunk], lr, t, *slots)

    def _decay_rate(self, chunk: slice) -> float | Array:
        """Return the weight decay of some parameters."""
        return self.rates.weight_decay if self._decay_rates is None else self._decay_rates[chunk]

    def _decay(self, p: Array, g: Array, lr: float, decay: float | Array) -> None:
        """Weight decay as a penalty: `g <- g + weight_decay p`."""
        g += decay * p

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
        v *= self.rates.momentum
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
        decay = self.rates.rms_decay
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
        beta1, beta2 = self.rates.beta1, self.rates.beta2
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

    def _decay(self, p: Array, g: Array, lr: float, decay: float | Array) -> None:
        p *= 1 - lr * decay
