"""What all networks have in common: a batch in, its loss out, which PyTorch differentiates.

A network says which of its model's parameters its weights are (`shares`); everything else of it is
in the model's own description.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.arrays import Array
from charnn.engines.torch.heads import EveryStep, WholeSequence
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates, TorchStack
from charnn.models.correspondence import Share
from charnn.text.batches import Batch

IGNORED = -100  # the target that a loss leaves out


class Network(nn.Module):
    """A model in PyTorch."""

    def shares(self) -> Iterator[tuple[Share, Tensor]]:
        """Yield which of the model's parameters each weight is, and the weight."""
        raise NotImplementedError

    @property
    def loops(self) -> bool:
        """Whether a layer runs step by step, because PyTorch has no layer for it."""
        return any(module.loops for module in self.modules() if isinstance(module, TorchStack))

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness | None,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """Return a batch's summed loss divided by a weight, and the states after it.

        With `random`, dropout is on; `smoothing` is the share of label smoothing.
        """
        raise NotImplementedError

    @cached_property
    def device(self) -> torch.device:
        """Where the weights are: ask when they have been moved there."""
        return next(self.parameters()).device

    def tensor(self, array: Array | Tensor) -> Tensor:
        """Return whole numbers as a tensor on the device; one that is there stays as it is."""
        if isinstance(array, Tensor):
            return array
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)

    def answers(self, batch: Batch) -> Tensor:
        """Return a batch's targets (T, B), `IGNORED` behind the sequences' ends."""
        weights = batch.target_weights
        if weights is None:
            return self.tensor(batch.targets)
        return self.tensor(np.where(weights, batch.targets, IGNORED))


class StackNetwork(Network):
    """A stack with a head on it."""

    stack: TorchStack
    head: EveryStep | WholeSequence

    def shares(self) -> Iterator[tuple[Share, Tensor]]:
        """See `Network.shares`."""
        yield from self.stack.shares()
        yield from self.head.shares()


def on_cpu(lengths: Array | None) -> Tensor | None:
    """Return sequences' lengths (B,) as a stack takes them: on the CPU."""
    return None if lengths is None else torch.from_numpy(np.ascontiguousarray(lengths, np.int64))


def cross_entropy(logits: Tensor, targets: Tensor, weight: float, smoothing: float) -> Tensor:
    """Return the summed loss of logits (..., V) in nats, divided by a weight.

    Targets (...) that are `IGNORED` do not count. In half precision the sums would lose targets, so
    they are made in single.
    """
    rows = logits.reshape(-1, logits.shape[-1])
    if rows.dtype == torch.float16:
        rows = rows.float()
    nats = functional.cross_entropy(
        rows,
        targets.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return nats / weight
