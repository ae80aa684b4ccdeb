"""The gradient of a batch's loss: all weights' in one vector, with what travels beside it.

In half precision the network computes with float16 copies of the weights, and its loss is
multiplied by a power of two, so that small gradients do not vanish in float16. Where the gradient
overflows, the factor is lowered and the batch computed again: whoever asks sees one gradient in
float32. With `graphs`, windows are computed as CUDA graphs (`charnn.engines.torch.graphs`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from charnn.engines.team import Team
from charnn.engines.torch.graphs import Graphs
from charnn.engines.torch.layout import Layout
from charnn.engines.torch.networks import Network
from charnn.engines.torch.randomness import Randomness, ShardsRandomness
from charnn.engines.torch.stack import LayerStates
from charnn.text.batches import Batch

LOWERED = 2.0**-4  # a factor that has overflowed is multiplied by this
LEAST_FACTOR = 2.0**-8


class Gradient:
    """The vector of all weights' gradients; the weights' `grad` are views of it."""

    def __init__(self, network: Network, layout: Layout, precision: str, beside: int) -> None:
        """Set memory aside; `beside` numbers travel with the gradient and the loss."""
        self._layout = layout
        self._half = precision == "fp16"
        self._network, self._weights = network, layout.weights
        if self._half:
            self._network = copy.deepcopy(network).half()
            self._weights = Layout(self._network, layout.shapes).weights
        first = layout.weights[0]
        size = layout.size + beside + 2  # a loss and a norm
        self._vector = torch.zeros(size, dtype=first.dtype, device=first.device)
        self._flat = self._vector[: layout.size]
        self._empty = layout.empty
        self._views = layout.views(self._flat)
        self._show()
        self.graphs: Graphs | None = None

    def clear(self) -> None:
        """Set the gradient to 0."""
        self._flat.zero_()

    def compute(
        self,
        batch: Batch,
        states: LayerStates,
        random: ShardsRandomness,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """Compute the gradient of a batch's loss; return the loss and the states after it."""
        if not self._half:
            return self._with_factor(batch, states, random, weight, smoothing, 1.0)
        with torch.no_grad():
            torch._foreach_copy_(self._weights, self._layout.weights)
        halves = [tuple(state.half() for state in layer) for layer in states]
        factor = 2.0 ** round(math.log2(max(weight, 1.0)))
        begun = random.place()
        while True:
            random.return_to(begun)
            loss, after = self._with_factor(batch, halves, random, weight, smoothing, factor)
            if factor <= LEAST_FACTOR or bool(torch.isfinite(self._flat).all()):
                return loss, [tuple(s.to(self._flat.dtype) for s in layer) for layer in after]
            factor *= LOWERED

    def added_up(
        self, loss: Tensor, wishes: Sequence[bool], team: Team
    ) -> tuple[Tensor, float, float, list[bool]]:
        """Add up the ranks' gradients, losses and wishes; return the gradient, its norm, and both.

        All numbers are read at once: a GPU has to be waited for whenever one is read.
        """
        beside = self._vector[self._layout.size :]
        beside[0] = loss
        together = team.size > 1
        if together:
            for place, wish in enumerate(wishes, 1):
                beside[place] = float(wish)
            team.add_up(self._vector[:-1])
        torch.linalg.vector_norm(self._flat, out=beside[-1])
        whole, *said, norm = beside.tolist()
        return self._flat, norm, whole, [bool(wish) for wish in (said if together else wishes)]

    def _show(self) -> None:
        """Make the weights' `grad` views of the vector, where the optimiser finds them."""
        for weight, view in zip(self._layout.weights, self._views, strict=True):
            weight.grad = view

    def _with_factor(
        self,
        batch: Batch,
        states: LayerStates,
        random: ShardsRandomness,
        weight: float,
        smoothing: float,
        factor: float,
    ) -> tuple[Tensor, LayerStates]:
        """Compute the gradient as a graph, if there is one for such a batch, or as it stands."""

        def compute(
            batch: Batch, states: LayerStates, random: Randomness
        ) -> tuple[Tensor, LayerStates]:
            return self._computed(batch, states, random, weight, smoothing, factor)

        if self.graphs is not None and self.graphs.fits(batch):
            return self.graphs.run(compute, (weight, smoothing, factor), batch, states, random)
        return compute(batch, states, random)

    def _computed(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness,
        weight: float,
        smoothing: float,
        factor: float,
    ) -> tuple[Tensor, LayerStates]:
        """Compute the gradient, by way of that of the loss times a factor."""
        with torch.enable_grad():
            loss, after = self._network.loss(batch, states, random, weight, smoothing)
            for each in self._weights:
                each.grad = None  # so that the gradient is not added to one, but put there
            (loss if factor == 1 else loss * factor).backward()
        flat = [each.grad.reshape(-1) for each in self._weights]
        if self._half:
            torch.cat([each.float() for each in flat], out=self._flat)
            self._flat.mul_(1 / factor)
        else:
            torch.cat(flat, out=self._flat)
            self._show()
        for part in self._empty:
            self._flat[part].zero_()
        return loss.detach(), [tuple(state.detach() for state in layer) for layer in after]
