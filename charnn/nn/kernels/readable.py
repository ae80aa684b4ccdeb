"""Any cell's readable step as a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell, StepWeights
from charnn.nn.kernels.kernel import Kernel, RecurrentWeights, States, Views
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients
from charnn.nn.products import ALL_GATES


class RecordingWeights(RecurrentWeights, StepWeights):
    """Weights that remember what they were multiplied with.

    So their gradients are computed for the whole window at once, after its last step.
    """

    def __init__(
        self,
        weights: Arrays,
        batch_size: int,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> None:
        super().__init__(weights, batch_size, buffers, masks)
        self._factors: dict[tuple[Any, Any], list[tuple[Array, Array]]] = {}
        self._sums: dict[str, Array] = {}

    def multiply(
        self, h: Array, gates: slice = ALL_GATES
    ) -> tuple[Array, Callable[[Array], Array]]:
        """See `StepWeights.multiply`."""

        def backward(du: Array) -> Array:
            self._factors.setdefault((gates.start, gates.stop), []).append((h, du))
            return self.product_transposed(du, gates).copy()

        return self.product(h, gates).copy(), backward

    def drop(self, candidate: Array) -> tuple[Array, Callable[[Array], Array]]:
        """See `StepWeights.drop`."""
        if self._updates is None:
            return candidate, unchanged
        mask: Array = next(self._updates)
        return candidate * mask, lambda d_dropped: d_dropped * mask

    def add_gradient(self, name: str, gradient: Array) -> None:
        """See `StepWeights.add_gradient`."""
        total = self._sums.get(name)
        self._sums[name] = gradient if total is None else total + gradient

    def add_to(self, gradients: Gradients) -> None:
        """Add the window's gradients of all weights that the steps used."""
        if self._factors:
            gradients.add("W_hh", self._write_products)
        for name, total in self._sums.items():
            gradients.add(name, partial(np.copyto, src=total))

    def _write_products(self, out: Array) -> None:
        for (start, stop), pairs in self._factors.items():
            h = np.stack([h for h, _ in pairs])
            du = np.stack([du for _, du in pairs], axis=1)
            self.outer_products(h, du, out=out[start:stop])


class ReadableKernel(Kernel):
    """Runs a cell's readable `step`, and keeps the backward function that each step returns."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def weights(
        self,
        weights: Arrays,
        batch_size: int,
        buffers: Buffers,
        masks: RecurrentMasks | None = None,
    ) -> RecordingWeights:
        """Return weights that remember what they were multiplied with."""
        return RecordingWeights(weights, batch_size, buffers, masks)

    def rows(self, memory: Sequence[Array], steps: int) -> Sequence[Any]:
        """Return a place for each step's backward function."""
        return [[] for _ in range(steps)]

    def step_memory(self, shape: Shape, dtype: npt.DTypeLike) -> Any:
        """Return a place for one step's backward function."""
        return []

    def step(
        self, a: Views, previous: States, states: States, memory: Any, W: RecurrentWeights
    ) -> None:
        """One step: see `Cell.step`."""
        after, backward = self._cell.step(a[0], previous, recording(W))
        for state, value in zip(states, after, strict=True):
            state[...] = value
        memory[:] = [backward]

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, da: Array, local: States
    ) -> None:
        """Nothing: a readable step computes its derivatives in its own backward function."""

    def step_backward(
        self,
        d_states: States,
        a: Views,
        memory: Any,
        da: Views,
        local: States,
        W: RecurrentWeights,
    ) -> States:
        """One step's gradient: see `Cell.step`."""
        (backward,) = memory
        da[0][...], d_previous = backward(d_states)
        return tuple(d_previous)

    def weight_gradients(
        self, h_prev: Array, da: Array, memory: States, W: RecurrentWeights, gradients: Gradients
    ) -> None:
        """Add the gradients that the steps' products and sums amount to."""
        recording(W).add_to(gradients)


def unchanged(d_candidate: Array) -> Array:
    """Return the gradient of what was not masked."""
    return d_candidate


def recording(W: RecurrentWeights) -> RecordingWeights:
    """Return weights as what `ReadableKernel.weights` made them."""
    if not isinstance(W, RecordingWeights):
        raise TypeError(f"a readable step needs RecordingWeights, not {type(W).__name__}")
    return W


def kernel_of(cell: Cell) -> Kernel:
    """Return a cell's own kernel, or one that runs its readable step."""
    return cell.kernel or ReadableKernel(cell)
