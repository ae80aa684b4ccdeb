"""What a recurrent cell is: one time step, and that step's gradient.

A cell takes pre-activations and states in and gives states out. It receives the input's share of
the pre-activations, `a = x_t W_xh + b_h` with shape `(G, B, H)`, adds the recurrent share itself,
and knows nothing of time, layers, batches of windows or the input's kind: `charnn.nn.recurrent`
unrolls it over time. Rows are examples, so a product is written `x W` where the papers have `W x`.

By the chain rule a gradient is what comes from later times a local derivative. Local derivatives
need nothing from later, so they are computed for many steps at once; only what comes from later
goes step by step.

To add a cell, write its three methods in a file of its own and name the class in
`charnn.registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.buffers import Buffers
from charnn.nn.products import ALL_GATES, BlockedWeights, Multiply, weights_for

States: TypeAlias = tuple[Array, ...]
Views: TypeAlias = tuple[Array, ...]
Products: TypeAlias = dict[tuple[Any, Any], tuple[Multiply, Array]]


class RecurrentWeights:
    """A cell's recurrent weights, made ready once for all the steps of a window of B streams.

    What its products return is good until the next product.
    """

    def __init__(
        self, weights: Arrays, batch_size: int, buffers: Buffers | None = None, name: str = ""
    ) -> None:
        self.weights = weights
        self._buffers, self._name = buffers or Buffers(), name
        W_hh = weights["W_hh"]
        G, _, H = W_hh.shape
        self._W_hh = weights_for(W_hh, batch_size, self._buffers, f"{name}W_hh ")
        self._out = self._buffers.array(f"{name}product", (G, batch_size, H), W_hh.dtype)
        self._total = self._buffers.array(f"{name}total", (batch_size, H), W_hh.dtype)
        self._products: Products = {}
        self._products_transposed: Products = {}

    def product(self, h: Array, gates: slice = ALL_GATES) -> Array:
        """`h W_hh[g]` for each gate: h (B, H), returns (G, B, H)."""
        return self._run(self._products, self._W_hh.product, h, gates)

    def product_transposed(self, da: Array, gates: slice = ALL_GATES) -> Array:
        """The gradient of `product`'s h: `sum over g of da[g] W_hh[g]^T`, (G, B, H) -> (B, H)."""
        out = self._run(self._products_transposed, self._W_hh_T.products, da, gates)
        total: Array = out[0] if len(out) == 1 else np.add.reduce(out, axis=0, out=self._total)
        return total

    def _run(
        self,
        prepared: Products,
        prepare: Callable[[Array, slice], Multiply],
        x: Array,
        gates: slice,
    ) -> Array:
        """Compute a product of x with the weights of some gates, prepared the first time."""
        chosen = gates.start, gates.stop
        if chosen not in prepared:
            out = self._out[gates]
            prepared[chosen] = prepare(out, gates), out
        multiply, out = prepared[chosen]
        multiply(x)
        return out

    @cached_property
    def _W_hh_T(self) -> BlockedWeights:
        W, B = self.weights["W_hh"].swapaxes(1, 2), len(self._total)
        return BlockedWeights(W, B, self._buffers, f"{self._name}W_hh^T ")


class Cell(ABC):
    """A recurrent cell. Subclasses are stateless: all that a step computes is passed in or out."""

    gates: ClassVar[tuple[str, ...]]
    equations: ClassVar[tuple[str, ...]]  # as the module's docstring has them
    states: ClassVar[tuple[str, ...]] = ("h",)
    symbol_gain: ClassVar[float] = 1.0  # of the initial weights that touch symbols
    memory: ClassVar[tuple[str, ...]] = ()  # what a step keeps for its gradient, (B, H) each
    joinable: ClassVar[bool] = True  # a step just adds `h W_hh`: [x h] can be multiplied at once

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

    def views(self, a: Array) -> Views:
        """Return a step's (G, B, H), then the parts of it that a step names.

        They are made once for all windows: a view takes about 0.1 us, and a step has a dozen.
        """
        return a, *a

    @abstractmethod
    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """Compute the states at time t from those at t - 1.

        `a`, the `views` of (G, B, H), holds `x_t W_xh + b_h` and becomes the gates; `previous` are
        the states at t - 1, `states` and `memory` are filled, (B, H) each.
        """

    @abstractmethod
    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, local: Array
    ) -> None:
        """Compute the local derivatives of some steps after the forward pass, S of them.

        `a` (S, G, B, H) holds their gates, the others (S, B, H) each what `step` had. Fills
        `local` (G, S, B, H) with what `step_backward` multiplies; it may replace gates and memory
        by what `step_backward` expects there.
        """

    @abstractmethod
    def step_backward(
        self, d_states: States, a: Views, memory: States, da: Views, W: RecurrentWeights
    ) -> States:
        """Compute a step's gradient from that of its states, `d_states`, (B, H) each.

        `a` and `da`, the `views` of (G, B, H), and `memory` (B, H) are as `local_gradients` left
        them; `da` becomes the gradient of the input's share. Returns the gradients of the previous
        states, which may lie in the memory of `d_states` and of W's products.
        """

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Compute a window's gradient of the recurrent weights: h_prev (T, B, H), da (G, T, B, H).

        The weights are shared by all time steps, so the sum over time is one product over T x B.
        """
        outer_products(h_prev, da, out=gradients["W_hh"])


def outer_products(x: Array, da: Array, out: Array | None = None) -> Array:
    """`sum over t, b of x^T da[g]`: x (T, B, D), da (G, T, B, H), returns (G, D, H)."""
    D, (G, H) = x.shape[-1], (da.shape[0], da.shape[-1])
    total: Array = np.matmul(x.reshape(-1, D).T, da.reshape(G, -1, H), out=out)
    return total


@cache
def half_as(dtype: np.dtype[Any]) -> Array:
    """1/2 as an array: NumPy would make one of a number at each call."""
    return np.array(0.5, dtype)


def sigmoid_(a: Array) -> None:
    """Logistic function in place, `(1 + tanh(a / 2)) / 2`, which cannot overflow."""
    half = half_as(a.dtype)
    a *= half
    np.tanh(a, out=a)
    a *= half
    a += half


def sigmoid_derivative(y: Array, out: Array) -> None:
    """`y (1 - y)`, the derivative of y = sigma(a) by a."""
    np.subtract(1, y, out=out)
    out *= y


def tanh_derivative(y: Array, out: Array) -> None:
    """`1 - y^2`, the derivative of y = tanh(a) by a."""
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
