"""Attention in PyTorch, as `charnn.nn.attention` has it, written with batched products."""

from __future__ import annotations

from typing import Any

from charnn.bench.torch_peer import load_torch


class TorchAttention:
    """A score of queries of H units against keys of K, and Luong's attentional state."""

    def __init__(self, score: str, H: int, K: int) -> None:
        torch = self.torch = load_torch()
        self.score_name, self.H, self.K = score, H, K
        self.combine = torch.nn.Linear(K + H, H, bias=False)
        self.modules = [self.combine]
        if score == "general":
            self.key = torch.nn.Linear(K, H, bias=False)
            self.modules += [self.key]
        elif score == "additive":
            self.key = torch.nn.Linear(K, H, bias=False)
            self.query = torch.nn.Linear(H, H, bias=False)
            self.column = torch.nn.Linear(H, 1, bias=False)
            self.modules += [self.key, self.query, self.column]

    def parameters(self) -> list[Any]:
        """Return all weights."""
        return [weight for module in self.modules for weight in module.parameters()]

    def scores(self, queries: Any, keys: Any) -> Any:
        """Return the scores of queries (B, T, H) against keys (B, S, K): (B, T, S)."""
        if self.score_name == "additive":
            seen = self.torch.tanh(self.query(queries)[:, :, None] + self.key(keys)[:, None])
            return self.column(seen)[..., 0]
        if self.score_name == "general":
            projected = self.key(keys)
        else:
            projected = keys.unflatten(-1, (self.K // self.H, self.H)).sum(2)
        return queries @ projected.transpose(1, 2)

    def __call__(self, h: Any, keys: Any, mask: Any) -> Any:
        """Return the attentional states of h (T, B, H) over keys (S, B, K): (T, B, H)."""
        torch = self.torch
        queries, by_row = h.transpose(0, 1), keys.transpose(0, 1)
        scores = self.scores(queries, by_row)
        scores = scores.masked_fill(~mask.T[:, None], -torch.inf)
        context = (torch.softmax(scores, -1) @ by_row).transpose(0, 1)
        return torch.tanh(self.combine(torch.cat([context, h], -1)))
