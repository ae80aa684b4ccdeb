"""CUDA graphs: for networks that run step by step, a window's many small kernels as one launch.

On a GPU each step of a loop launches a dozen kernels of a few microseconds, forward and backward,
so the time goes into launching them. A CUDA graph is captured once, for one shape of window, and
replayed: it reads and writes the same memory each time, so what a window reads is copied there, and
what it gives is copied out. (PyTorch's documentation, "CUDA semantics: CUDA Graphs".)

Captured are forward, backward and the gradient's way into its vector. Windows of other shapes, such
as the last one of an epoch, run as they are. So do networks whose recurrent weights are dropped:
those masks come from the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from charnn.arrays import Array, Shape
from charnn.engines.torch.language_network import LanguageNetwork
from charnn.engines.torch.network import Network
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates
from charnn.text.batches import Batch

Compute: TypeAlias = Callable[[Batch, LayerStates, Any], tuple[Tensor, LayerStates]]

WARM_UP = 3  # windows, before the capture: libraries set themselves up in them


def worthwhile(network: Network) -> bool:
    """Return whether a network's windows can be captured, and gain by it."""
    if network.device.type != "cuda" or not isinstance(network, LanguageNetwork):
        return False
    layers = [layer for level in network.stack.levels for layer in level]
    return network.loops and not any(layer.layer.weight_drop for layer in layers)


class FixedMasks:
    """Masks in memory that stays where it is, in the order in which a window asks for them.

    It stands for a `Randomness` while a graph is captured.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._asked: list[tuple[Shape, float, Tensor]] = []
        self._given = 0

    def rewind(self) -> FixedMasks:
        """Begin a window."""
        self._given = 0
        return self

    def mask(self, shape: Shape, rate: float) -> Tensor:
        """Return the memory of the window's next mask."""
        if self._given == len(self._asked):
            self._asked.append((shape, rate, torch.ones(shape, device=self._device)))
        self._given += 1
        return self._asked[self._given - 1][-1]

    def draw(self, random: Randomness) -> None:
        """Draw all masks of a window."""
        for shape, rate, memory in self._asked:
            memory.copy_(random.mask(shape, rate))


class Captured:
    """A graph of one computation, and the memory that it reads and writes."""

    def __init__(self, compute: Compute, batch: Batch, states: LayerStates) -> None:
        """Capture a computation on windows like this one; batch and states are on the GPU."""
        self._compute = compute
        ids: tuple[Any, Any] = batch.inputs, batch.targets
        self._inputs, self._targets = (each.clone() for each in ids)
        self._states = copied(states)
        self._masks = FixedMasks(self._inputs.device)
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.run()
        current.wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.loss, self.after = self.run()

    def run(self) -> tuple[Tensor, LayerStates]:
        """Compute the window that is in the memory, without the graph."""
        ids: tuple[Any, Any] = self._inputs, self._targets
        return self._compute(Batch(*ids), self._states, self._masks.rewind())

    def replay(
        self, batch: Batch, states: LayerStates, random: Randomness
    ) -> tuple[Tensor, LayerStates]:
        """Compute another window; what is returned stays as it is when the next one comes."""
        self._inputs.copy_(batch.inputs)
        self._targets.copy_(batch.targets)
        for layer, own in zip(states, self._states, strict=True):
            for state, memory in zip(layer, own, strict=True):
                memory.copy_(state)
        self._masks.draw(random)
        self._graph.replay()
        return self.loss.clone(), copied(self.after)


class Graphs:
    """The graphs of a run, for windows of one shape (T, B)."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._captured: dict[tuple[float, ...], Captured] = {}

    def fits(self, batch: Batch) -> bool:
        """Return whether a batch is a window of that shape, without anything beside it."""
        beside = (batch.lengths, batch.weights, batch.target_lengths, batch.fed)
        return batch.inputs.shape == self._shape and all(each is None for each in beside)

    def run(
        self,
        compute: Compute,
        constants: tuple[float, ...],
        batch: Batch,
        states: LayerStates,
        random: Randomness,
    ) -> tuple[Tensor, LayerStates]:
        """Compute a window that fits; `constants` tell computations apart that are not the same."""
        batch = on_device(batch, states[0][0].device)
        if constants not in self._captured:
            self._captured[constants] = Captured(compute, batch, states)
        return self._captured[constants].replay(batch, states, random)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a window with ids as a network takes them: tensors where it computes."""

    def tensor(array: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(device)

    return Batch(tensor(batch.inputs), tensor(batch.targets))


def copied(states: LayerStates) -> LayerStates:
    """Return states in memory of their own."""
    return [tuple([state.clone() for state in layer]) for layer in states]
