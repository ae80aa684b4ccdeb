"""Heads in PyTorch: what turns a stack's states into logits; see `charnn.models.heads`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.models.correspondence import Share


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


class WholeSequence(EveryStep):
    """One distribution for a sequence: see `charnn.models.heads.WholeSequence`."""

    def __init__(self, hidden: int, output_size: int, outputs: int) -> None:
        super().__init__(output_size, outputs)
        self.H = hidden

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the outputs before the softmax: h (T, B, H or 2 H), lengths (B,) -> (B, O)."""
        T, B, _ = h.shape
        if lengths is None:
            forwards = h[T - 1, :, : self.H]
        else:
            rows = torch.arange(B, device=h.device)
            forwards = h[lengths.to(h.device) - 1, rows, : self.H]
        summary = torch.cat([forwards, h[0, :, self.H :]], -1)
        return functional.linear(summary, self.weight, self.bias)
