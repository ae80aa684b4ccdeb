"""What a recurrent cell is: one time step, and that step's gradient.

A cell takes pre-activations and states in and gives states out. It receives the input's share of
the pre-activations, `a = x_t W_xh + b_h` with shape `(G, B, H)`, adds the recurrent share itself,
and knows nothing of time, layers, batches of windows or the input's kind: `charnn.nn.recurrent`
unrolls it over time. Rows are examples, so a product is written `x W` where the papers have `W x`.

To add a cell, write its `step` in a file of its own and name the class in `charnn.registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.products import BlockedWeights

States: TypeAlias = tuple[Array, ...]
StepBackward: TypeAlias = Callable[[States, Array], States]

ALL_GATES = slice(None)


class RecurrentWeights:
    """A cell's recurrent weights, made ready once for all the steps of a window of B streams."""

    def __init__(self, weights: Arrays, batch_size: int) -> None:
        self.weights = weights
        W_hh = weights["W_hh"]
        self._W_hh = BlockedWeights(W_hh, batch_size)
        self._transposed: BlockedWeights | None = None
        self._batch_size = batch_size
        self._scratch = np.empty((len(W_hh), batch_size, W_hh.shape[2]), W_hh.dtype)

    def product(self, h: Array, gates: slice = ALL_GATES) -> Array:
        """`h W_hh[g]` for each gate: h (B, H), returns (G, B, H), good until the next call."""
        return self._W_hh.product(h, self._scratch[gates], gates)

    def product_transposed(self, da: Array, gates: slice = ALL_GATES) -> Array:
        """The gradient of `product`'s h: `sum over g of da[g] W_hh[g]^T`, (G, B, H) -> (B, H)."""
        if self._transposed is None:
            W_hh = self.weights["W_hh"]
            self._transposed = BlockedWeights(W_hh.swapaxes(1, 2), self._batch_size)
        return self._transposed.product_of_gates(da, self._scratch[gates], gates)


class Cell(ABC):
    """A recurrent cell. Subclasses are stateless: all that a step computes is passed in or out."""

    gates: ClassVar[tuple[str, ...]]
    equations: ClassVar[tuple[str, ...]]  # as the module's docstring has them
    states: ClassVar[tuple[str, ...]] = ("h",)
    symbol_gain: ClassVar[float] = 1.0  # of the initial weights that touch symbols
    memory: ClassVar[tuple[str, ...]] = ()  # what a step keeps for its gradient, (B, H) each

    @classmethod
    def forms(cls) -> dict[str, Cell]:
        """Return all forms of this cell by the value of the option that chooses among them."""
        return {"": cls()}

    def __str__(self) -> str:
        return type(self).__name__

    def shapes(self, inputs: int, hidden: int) -> dict[str, Shape]:
        """Return the names and shapes of the cell's parameters for D inputs and H hidden units."""
        G = len(self.gates)
        return {"W_xh": (G, inputs, hidden), "W_hh": (G, hidden, hidden), "b_h": (G, hidden)}

    def initial_bias(self, gate: str, forget_bias: float) -> float:
        """Return the bias that a gate starts with."""
        return 0.0

    @abstractmethod
    def step(
        self, a: Array, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> StepBackward:
        """Compute the states at time t from those at t - 1.

        `a` (G, B, H) holds `x_t W_xh + b_h` and becomes the gates; `previous` are the states at
        t - 1, `states` and `memory` are filled, (B, H) each. Returns `backward`, which takes the
        gradients of the states, fills `da` (G, B, H), the gradient of the input's share, and
        returns the gradients of the previous states.
        """

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Add a window's gradient of the recurrent weights: h_prev (T, B, H), da (G, T, B, H).

        The weights are shared by all time steps, so the sum over time is one product over T x B.
        """
        gradients["W_hh"][...] += outer_products(h_prev, da)


def outer_products(x: Array, da: Array) -> Array:
    """`sum over t, b of x^T da[g]`: x (T, B, D), da (G, T, B, H), returns (G, D, H)."""
    D, (G, H) = x.shape[-1], (da.shape[0], da.shape[-1])
    total: Array = np.matmul(x.reshape(-1, D).T, da.reshape(G, -1, H))
    return total


def sigmoid_(a: Array) -> None:
    """Logistic function in place, `(1 + tanh(a / 2)) / 2`, which cannot overflow."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
