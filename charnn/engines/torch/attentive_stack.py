"""A stack with attention over its own past states in PyTorch: `charnn.models.attentive_stack`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from charnn.engines.torch.attention import TorchAttention
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates, TorchStack
from charnn.models.attentive_stack import SCOPE, AttentiveStack
from charnn.models.correspondence import Share
from charnn.models.stack import Stack


class AttentiveTorchStack(TorchStack):
    """The layers of a stack and its attention; the last of the states are the past ones."""

    def __init__(self, stack: AttentiveStack) -> None:
        super().__init__(stack)
        self.attention = TorchAttention(stack.attention)
        self.span = stack.span

    def shares(self, prefix: str = "") -> Iterator[tuple[Share, Tensor]]:
        """See `TorchStack.shares`."""
        yield from super().shares(prefix)
        yield from self.attention.shares(f"{prefix}{SCOPE}/")

    def zero_states(self, batch_size: int) -> LayerStates:
        """See `TorchStack.zero_states`; the past states are (B, M, H)."""
        H = self.stack.hidden_size
        memory = next(self.parameters()).new_zeros(batch_size, self.span, H)
        return [*super().zero_states(batch_size), (memory,)]

    def forward(
        self,
        ids: Tensor,
        states: LayerStates,
        random: Randomness | None = None,
        lengths: Tensor | None = None,
        ends: bool = False,
    ) -> tuple[Tensor, LayerStates]:
        """Run a window: see `TorchStack.forward`. Sequences that are padded end with it."""
        *recurrent, (memory,) = states
        h, final = super().forward(ids, recurrent, random, lengths, ends)
        T = len(h)
        keys = torch.cat([memory.transpose(0, 1).to(h.dtype), h])
        out = self.attention(h, keys, band(T, self.span, h.device))
        return out, [*final, (keys[T:].transpose(0, 1).contiguous(),)]


def band(T: int, M: int, device: torch.device) -> Tensor:
    """Return which of M past and T present states each of T queries may look at, (1, T, M + T).

    Those are the M states before it.
    """
    ahead = torch.arange(M + T, device=device) - torch.arange(T, device=device)[:, None]
    return ((ahead >= 0) & (ahead < M))[None]


def make_stack(stack: Stack) -> TorchStack:
    """Return the stack in PyTorch, with attention to its own past if it has that."""
    return AttentiveTorchStack(stack) if isinstance(stack, AttentiveStack) else TorchStack(stack)
