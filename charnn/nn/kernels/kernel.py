"""What a kernel is: a cell's steps, as the loop over time calls them.

A kernel computes what its cell's readable `step` computes, and is tested against it. It differs in
three ways that make it fast:

- it writes into memory that was prepared for a whole window, through views made once;
- local derivatives (what stands in brackets in the cells' equations) need nothing from later times,
  so they are computed for many steps at once, and only what comes from later goes step by step;
- the recurrent weights are laid out once a window for the products of all steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.activations import tanh_derivative
from charnn.nn.buffers import Buffers
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients
from charnn.nn.products import (
    ALL_GATES,
    BlockedWeights,
    Multiply,
    VectorWeights,
    outer_products,
    weights_for,
)

States: TypeAlias = tuple[Array, ...]
Views: TypeAlias = tuple[Array, ...]
Gates: TypeAlias = tuple[Any, Any]  # where a slice of gates starts and stops


class RecurrentWeights:
    """A cell's recurrent weights, made ready once for all the steps of a window of B streams.

    What its products return is valid until the next product. With `masks`, what is multiplied and
    the candidate are masked (see `charnn.nn.recurrent_dropout`); without them nothing is computed
    for that. `tanh(a, out)` is the candidate's, and is called once a step.
    """

    def __init__(
        self,
        weights: Arrays,
        batch_size: int,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> None:
        self.weights = weights
        self._mask = masks.state if masks else None
        self._updates = iter(masks.update) if masks and masks.update is not None else None
        self.tanh: Callable[[Array, Array], object] = np.tanh
        if self._updates is not None:
            self.tanh = partial(masked_tanh, self._updates)
        self._batch_size, self._buffers = batch_size, buffers
        self._layout: BlockedWeights | VectorWeights | None = None
        self._layout_transposed: BlockedWeights | None = None
        self._products: dict[Gates, tuple[Multiply, Array]] = {}
        self._products_transposed: dict[Gates, tuple[Multiply, Array, Array]] = {}

    def __getitem__(self, name: str) -> Array:
        return self.weights[name]

    def complete(self, a: Array, h: Array) -> None:
        """Add to the pre-activations a (G, B, H) what they still lack: `h W_hh`, h (B, H)."""
        a += self.product(h)

    def product(self, h: Array, gates: slice = ALL_GATES) -> Array:
        """`h W_hh[g]` for each gate: h (B, H), returns (G, B, H)."""
        known = self._products.get((gates.start, gates.stop))
        if known is None:
            known = self._prepare(gates)
        multiply, out = known
        multiply(h)
        return out

    def product_transposed(self, da: Array, gates: slice = ALL_GATES) -> Array:
        """The gradient of `product`'s h: `sum over g of da[g] W_hh[g]^T`, (G, B, H) -> (B, H)."""
        known = self._products_transposed.get((gates.start, gates.stop))
        if known is None:
            known = self._prepare_transposed(gates)
        multiply, out, total = known
        multiply(da)
        return out[0] if len(out) == 1 else np.add.reduce(out, axis=0, out=total)

    def outer_products(self, h: Array, da: Array, out: Array) -> None:
        """The gradient of the weights of products: h (T, B, H), da (G, T, B, H), out (G, H, H)."""
        if self._mask is not None:
            h = np.multiply(h, self._mask, out=self._buffers.array("masked h", h.shape, h.dtype))
        outer_products(h, da, out=out)

    def _prepare(self, gates: slice) -> tuple[Multiply, Array]:
        """Prepare the product with the weights of some gates, for all steps of the window."""
        if self._layout is None:
            scope = self._buffers.child("W_hh")
            self._layout = weights_for(self.weights["W_hh"], self._batch_size, scope)
        out = self._out()[gates]
        multiply = masked_before(self._layout.product(out, gates), self._mask)
        known = self._products[gates.start, gates.stop] = multiply, out
        return known

    def _prepare_transposed(self, gates: slice) -> tuple[Multiply, Array, Array]:
        """The same for the transposed weights, and for the sum over the gates."""
        if self._layout_transposed is None:
            W, scope = self.weights["W_hh"].swapaxes(1, 2), self._buffers.child("W_hh^T")
            self._layout_transposed = BlockedWeights(W, self._batch_size, scope)
        out = self._out()[gates]
        total = self._buffers.array("total", out.shape[1:], out.dtype)
        multiply = masked_after(self._layout_transposed.products(out, gates), self._mask, out)
        known = multiply, out, total
        self._products_transposed[gates.start, gates.stop] = known
        return known

    def _out(self) -> Array:
        """Return the memory of a product with all gates, (G, B, H)."""
        W_hh = self.weights["W_hh"]
        G, _, H = W_hh.shape
        return self._buffers.array("out", (G, self._batch_size, H), W_hh.dtype)


def masked_tanh(masks: Iterator[Array], a: Array, out: Array) -> None:
    """`m_t tanh(a)` with the next of the steps' masks."""
    np.tanh(a, out)
    out *= next(masks)


def masked_before(multiply: Multiply, mask: Array | None) -> Multiply:
    """Return a product of x mask in place of x; `multiply` itself where there is no mask."""
    if mask is None:
        return multiply
    masked = np.empty_like(mask)

    def multiply_masked(x: Array) -> None:
        multiply(np.multiply(x, mask, masked))

    return multiply_masked


def masked_after(multiply: Multiply, mask: Array | None, out: Array) -> Multiply:
    """Return a product whose result `out` is masked; `multiply` itself where there is no mask."""
    if mask is None:
        return multiply

    def multiply_masked(x: Array) -> None:
        multiply(x)
        np.multiply(out, mask, out)

    return multiply_masked


class Kernel(ABC):
    """The steps of one cell. Kernels are stateless: all that a step computes is passed in or out.

    `memory` names what a step keeps until the weights' gradients are computed, `local` the
    derivatives of a step beside those of its gates; (B, H) each. Where the candidate is masked, the
    memory that is passed in ends with its mask.
    """

    memory: ClassVar[tuple[str, ...]] = ()
    local: ClassVar[tuple[str, ...]] = ()
    completes: ClassVar[bool] = False  # h enters through `RecurrentWeights.complete` only

    def weights(
        self,
        weights: Arrays,
        batch_size: int,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> RecurrentWeights:
        """Return the cell's weights, ready for the steps of B streams."""
        return RecurrentWeights(weights, batch_size, buffers, masks)

    def views(self, a: Array) -> Views:
        """Return a step's (G, B, H), then the parts of it that a step names.

        They are made once for all windows: a view takes about 0.1 us, and a step has a dozen.
        """
        return a, *a

    def rows(self, memory: Sequence[Array], steps: int) -> Sequence[Any]:
        """Return each step's part of the memory, for T = `steps` steps."""
        return list(zip(*memory, strict=True)) if memory else [()] * steps

    def step_memory(self, shape: Shape, dtype: npt.DTypeLike) -> Any:
        """Return the memory of a single step, for (B, H) = `shape`."""
        return tuple(np.empty(shape, dtype) for _ in self.memory)

    @abstractmethod
    def step(
        self, a: Views, previous: States, states: States, memory: Any, W: RecurrentWeights
    ) -> None:
        """Compute the states at time t from those at t - 1.

        `a`, the `views` of (G, B, H), holds the input's share of the pre-activations and may become
        the gates; `previous` are the states at t - 1, `states` are filled, (B, H) each, and so is
        the step's part of the memory.
        """

    @abstractmethod
    def local_gradients(
        self,
        a: Array,
        previous: States,
        states: States,
        memory: States,
        da: Array,
        local: States,
    ) -> None:
        """Compute the local derivatives of some steps after the forward pass, S of them.

        `a` (S, G, B, H) holds what `step` left there; the states and the memory are (S, B, H) each.
        Fills `da` (G, S, B, H) with the derivatives of the gates, and `local` (S, B, H) with the
        others.
        """

    @abstractmethod
    def step_backward(
        self,
        d_states: States,
        a: Views,
        memory: Any,
        da: Views,
        local: States,
        W: RecurrentWeights,
    ) -> States:
        """Compute a step's gradient from that of its states, `d_states`, (B, H) each.

        `da`, the `views` of (G, B, H), holds the gates' local derivatives and is multiplied by what
        comes from later: it becomes the gradient of the input's share. Returns the gradients of the
        previous states, which may lie in the memory of `d_states` and of W's products.
        """

    def weight_gradients(
        self,
        h_prev: Array,
        da: Array,
        memory: States,
        W: RecurrentWeights,
        gradients: Gradients,
    ) -> None:
        """Add a window's gradients of the recurrent weights: h_prev (T, B, H), da (G, T, B, H)."""
        gradients.add("W_hh", lambda out: W.outer_products(h_prev, da, out=out))


def candidate_derivative(n: Array, masks: States, out: Array) -> None:
    """Compute `1 - n^2`, the derivative of the candidate n = tanh(a) by a, for some steps.

    `masks` is what the memory has behind the kernel's own: nothing, or the candidate's mask m,
    which is 0 or `scale`. Then n is `m tanh(a)`, so `m (1 - tanh(a)^2) = m - n^2 / scale`.
    """
    if not masks:
        tanh_derivative(n, out=out)
        return
    (mask,) = masks
    np.multiply(n, n, out=out)
    out /= mask.max() or 1
    np.subtract(mask, out, out=out)
