"""The models in PyTorch: a batch in, its loss out. PyTorch differentiates it.

`network_of` finds the network of a model by its class. A network says which of the model's
parameters its weights are (`shares`); everything else of it is in the model's own description.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.arrays import Array
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates, TorchStack
from charnn.errors import ConfigError
from charnn.models.correspondence import Share
from charnn.models.language_model import LanguageModel
from charnn.models.model import Model
from charnn.text.batches import Batch

IGNORED = -100  # the target that a loss leaves out


class Network(nn.Module):
    """What all networks have in common."""

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

    def tensor(self, array: Array) -> Tensor:
        """Return whole numbers as a tensor on the device."""
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)


class EveryStep(nn.Module):
    """A distribution at every step: see `charnn.models.heads.EveryStep`."""

    def __init__(self, hidden: int, outputs: int, tied: Tensor | None = None) -> None:
        super().__init__()
        self.tied = tied is not None
        self.outputs = outputs
        self.weight = tied if tied is not None else nn.Parameter(torch.zeros(outputs, hidden))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def shares(self, prefix: str = "") -> Iterator[tuple[Share, Tensor]]:
        """Yield which of charnn's parameters each weight is, and the weight."""
        if not self.tied:
            yield Share(f"{prefix}W_hy", f"{prefix}W_hy", transposed=True), self.weight
        yield Share(f"{prefix}b_y", f"{prefix}b_y"), self.bias

    def forward(self, h: Tensor) -> Tensor:
        """Return the outputs before the softmax: h (..., H) -> (..., V)."""
        return functional.linear(h, self.weight[: self.outputs], self.bias)


class LanguageNetwork(Network):
    """The language model."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.stack = TorchStack(model.stack)
        tied = self.stack.embedding if model.config.tie_weights else None
        self.head = EveryStep(model.stack.hidden_size, model.sizes.outputs, tied)

    def shares(self) -> Iterator[tuple[Share, Tensor]]:
        """See `Network.shares`."""
        yield from self.stack.shares()
        yield from self.head.shares()

    def logits(
        self, ids: Tensor, states: LayerStates, random: Randomness | None = None
    ) -> tuple[Tensor, LayerStates]:
        """Run a window: ids (T, B) -> logits (T, B, V), and the states after it."""
        h, after = self.stack(ids, states, random)
        return self.head(h), after

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness | None,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """See `Network.loss`."""
        logits, after = self.logits(self.tensor(batch.inputs), states, random)
        return cross_entropy(logits, self.tensor(batch.targets), weight, smoothing), after


def cross_entropy(logits: Tensor, targets: Tensor, weight: float, smoothing: float) -> Tensor:
    """Return the summed loss of logits (..., V) in nats, divided by a weight.

    Targets (...) that are `IGNORED` do not count.
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


NETWORKS: dict[type[Model], Any] = {LanguageModel: LanguageNetwork}


def network_of(model: Model) -> Network:
    """Return the network of a model, with weights of 0. Raises ConfigError where there is none."""
    if type(model) not in NETWORKS:
        raise ConfigError(
            f"the engine is torch, which has no network of a {type(model).__name__}; choose "
            "--engine shards."
        )
    network: Network = NETWORKS[type(model)](model)
    return network
