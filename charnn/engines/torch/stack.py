"""A stack in PyTorch: symbols in, states over time out; see `charnn.models.stack`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.engines.torch.cells import States
from charnn.engines.torch.layers import LoopLayer, make_layer
from charnn.engines.torch.randomness import Randomness
from charnn.models.correspondence import Share
from charnn.models.stack import Stack

LayerStates: TypeAlias = list[States]


class TorchStack(nn.Module):
    """The layers of a stack."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.embedding: nn.Parameter | None = None
        own = stack.input.parameters()
        if "E" in own:
            self.embedding = nn.Parameter(torch.zeros(own["E"].shape))
        else:
            self.register_buffer("one_hot", torch.eye(stack.input.axis.size), persistent=False)
        width = stack.input.axis.size
        self.levels = nn.ModuleList()
        for level in stack.levels:
            layers = [make_layer(layer, width, stack.hidden_size) for layer in level]
            self.levels.append(nn.ModuleList(layers))
            width = stack.output_size
        self._dropout = stack.dropout

    @property
    def loops(self) -> bool:
        """Whether a layer runs step by step."""
        return any(isinstance(layer, LoopLayer) for level in self.levels for layer in level)

    def shares(self, prefix: str = "") -> Iterator[tuple[Share, Tensor]]:
        """Yield which of charnn's parameters, named `prefix...`, each weight is, and the weight."""
        if self.embedding is not None:
            yield Share(f"{prefix}E", f"{prefix}E"), self.embedding
        for level in self.levels:
            for layer in level:
                path = f"{prefix}{layer.layer.name}/"
                arrays = layer.arrays()
                for share in layer.shares():
                    yield share.under(path, path), arrays[share.theirs]

    def zero_states(self, batch_size: int) -> LayerStates:
        """Return the states at the beginning of sequences, (B, H) each, like the weights."""
        weight, shape = next(self.parameters()), (batch_size, self.stack.hidden_size)
        states = self.stack.cell.states
        return [tuple([weight.new_zeros(shape) for _ in states]) for _ in self.stack.layers]

    def forward(
        self,
        ids: Tensor,
        states: LayerStates,
        random: Randomness | None = None,
        lengths: Tensor | None = None,
        ends: bool = False,
    ) -> tuple[Tensor, LayerStates]:
        """Run a window: ids (T, B), or (T, B, 2) with labels, -> h (T, B, K), and the states after.

        With `random`, dropout is on. `lengths` (B,) are those of padded sequences, on the CPU;
        with `ends` the states after the window are those at the sequences' ends.
        """
        x = self._read(ids)
        final: LayerStates = []
        at, empty = None, None
        if ends and lengths is not None:
            at = lengths.clamp(min=1)
            if (at > lengths).any():
                empty = (at > lengths).to(ids.device)[:, None]
        backwards = any(layer.layer.backwards for level in self.levels for layer in level)
        turned = turned_places(ids, lengths) if backwards else None
        for level in self.levels:
            outputs = []
            for layer in level:
                order = turned if layer.layer.backwards else None
                before = states[len(final)]
                h, after = layer(in_order(x, order), before, random, at)
                if empty is not None:
                    pairs = zip(before, after, strict=True)
                    after = tuple(torch.where(empty, old, new) for old, new in pairs)
                outputs.append(in_order(h, order))
                final.append(after)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
            if random is not None and self._dropout:
                x = x * random.mask(tuple(x.shape), self._dropout).to(x)
        return x, final

    def _read(self, ids: Tensor) -> Tensor:
        """Return what the first layers read: (T, B, D), or ids where a layer looks rows up."""
        first = self.levels[0]
        if self.embedding is None and ids.dim() == 2 and isinstance(first[0], LoopLayer):
            return ids
        table = self.one_hot if self.embedding is None else self.embedding
        if ids.dim() == 2:
            return functional.embedding(ids, table)
        labels = functional.embedding(ids[:1, :, 1], table)  # the same at every step
        return functional.embedding(ids[..., 0], table) + labels


def turned_places(ids: Tensor, lengths: Tensor | None) -> Tensor:
    """Return where stands what comes when ids (T, B) are read from their ends: (T * B,).

    What stands behind an end stays there. Places count steps first: t of sequence b is at t B + b.
    """
    (T, B), device = ids.shape[:2], ids.device
    t, columns = torch.arange(T, device=device)[:, None], torch.arange(B, device=device)
    ends = torch.full_like(columns, T) if lengths is None else lengths.to(device)
    return (torch.where(t < ends, ends - 1 - t, t) * B + columns).flatten()


class Turned(torch.autograd.Function):
    """Steps in the order of `turned_places`, which is its own inverse, and so its own gradient.

    PyTorch does not know that, and would add up what has one summand each.
    """

    @staticmethod
    def forward(context: Any, x: Tensor, places: Tensor) -> Tensor:
        """Return x (T, B, ...) with its steps at these places (T * B,)."""
        context.save_for_backward(places)
        return x.flatten(0, 1).index_select(0, places).view(x.shape)

    @staticmethod
    def backward(context: Any, d: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of x."""
        (places,) = context.saved_tensors
        return d.flatten(0, 1).index_select(0, places).view(d.shape), None


def in_order(x: Tensor, places: Tensor | None) -> Tensor:
    """Return steps in another order: x (T, B, ...); None leaves them as they are."""
    return x if places is None else Turned.apply(x, places)
