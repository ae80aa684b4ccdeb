"""Attention in PyTorch: see `charnn.nn.attention` for the equations, the shapes, and what is 0.

    projected p (S, B, P), scores and alpha (B, T, S), context (T, B, K)

`allowed` is (B, S), or (B, T, S), or (1, T, S) where all sequences have the same, or None.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.errors import ConfigError
from charnn.models.correspondence import Share
from charnn.nn.attention import Attention
from charnn.nn.attention_scores import Additive, Dot, General


class Score(nn.Module):
    """A score of queries of Q units against keys of K units."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.Q, self.K = attention.query_size, attention.key_size

    def shares(self, prefix: str) -> Iterator[tuple[Share, Tensor]]:
        """Yield which of charnn's parameters, named `prefix...`, each weight is, and the weight."""
        yield from ()

    def project(self, keys: Tensor) -> Tensor:
        """Return what queries meet: keys (S, B, K) -> p (S, B, P)."""
        raise NotImplementedError

    def forward(self, queries: Tensor, projected: Tensor) -> Tensor:
        """Return the scores: queries (T, B, Q), p (S, B, P) -> (B, T, S)."""
        return torch.matmul(queries.transpose(0, 1), projected.permute(1, 2, 0))


class DotScore(Score):
    """The product of the query and the sum of the key's parts."""

    def project(self, keys: Tensor) -> Tensor:
        """See `Score.project`."""
        return keys if self.K == self.Q else keys.unflatten(-1, (-1, self.Q)).sum(2)


class GeneralScore(Score):
    """The product of the query and the key's image under a matrix."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention)
        self.W_a = nn.Parameter(torch.zeros(self.Q, self.K))

    def shares(self, prefix: str) -> Iterator[tuple[Share, Tensor]]:
        """See `Score.shares`."""
        yield Share(f"{prefix}W_a", f"{prefix}W_a"), self.W_a

    def project(self, keys: Tensor) -> Tensor:
        """See `Score.project`."""
        return functional.linear(keys, self.W_a)


class AdditiveScore(Score):
    """A layer of tanh that sees query and key."""

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention)
        self.W_q = nn.Parameter(torch.zeros(self.Q, self.Q))
        self.W_k = nn.Parameter(torch.zeros(self.Q, self.K))
        self.v_a = nn.Parameter(torch.zeros(self.Q))

    def shares(self, prefix: str) -> Iterator[tuple[Share, Tensor]]:
        """See `Score.shares`."""
        yield Share(f"{prefix}W_q", f"{prefix}W_q", transposed=True), self.W_q
        yield Share(f"{prefix}W_k", f"{prefix}W_k", transposed=True), self.W_k
        yield Share(f"{prefix}v_a", f"{prefix}v_a"), self.v_a

    def project(self, keys: Tensor) -> Tensor:
        """See `Score.project`."""
        return functional.linear(keys, self.W_k)

    def forward(self, queries: Tensor, projected: Tensor) -> Tensor:
        """See `Score.forward`."""
        by_query = functional.linear(queries, self.W_q).transpose(0, 1)
        u = torch.tanh(by_query[:, :, None] + projected.transpose(0, 1)[:, None])
        return torch.matmul(u, self.v_a)


SCORES: dict[type[Attention], type[Score]] = {
    Dot: DotScore,
    General: GeneralScore,
    Additive: AdditiveScore,
}


class TorchAttention(nn.Module):
    """A score, and the attentional states that a decoder's output layer sees."""

    def __init__(self, attention: Attention) -> None:
        """Take over a score's sizes. Raises ConfigError for one that is not known here."""
        super().__init__()
        if type(attention) not in SCORES:
            raise ConfigError(
                f"the engine is torch, which has no {attention.title} attention; choose --engine "
                "shards."
            )
        self.score = SCORES[type(attention)](attention)
        Q, K = attention.query_size, attention.key_size
        self.W_c = nn.Parameter(torch.zeros(Q, K + Q))

    def shares(self, prefix: str) -> Iterator[tuple[Share, Tensor]]:
        """Yield which of charnn's parameters, named `prefix...`, each weight is, and the weight."""
        yield from self.score.shares(prefix)
        yield Share(f"{prefix}W_c", f"{prefix}W_c", transposed=True), self.W_c

    def attend(
        self, queries: Tensor, keys: Tensor, allowed: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return contexts (T, B, K) and alpha (B, T, S) of queries (T, B, Q), keys (S, B, K)."""
        keys = readable(keys, allowed)
        alpha = softmax_of_allowed(self.score(queries, self.score.project(keys)), allowed)
        return torch.matmul(alpha, keys.transpose(0, 1)).transpose(0, 1), alpha

    def states(self, context: Tensor, h: Tensor) -> Tensor:
        """`h~ = tanh([context; h] W_c)`: context (T, B, K), h (T, B, Q) -> h~ (T, B, Q)."""
        return torch.tanh(functional.linear(torch.cat([context, h], -1), self.W_c))

    def forward(self, h: Tensor, keys: Tensor, allowed: Tensor | None) -> Tensor:
        """Return the attentional states of h (T, B, Q), which look at keys (S, B, K)."""
        context, _ = self.attend(h, keys, allowed)
        return self.states(context, h)


def readable(keys: Tensor, allowed: Tensor | None) -> Tensor:
    """Return keys (S, B, K) with zeros where no query may look."""
    if allowed is None:
        return keys
    seen = allowed if allowed.dim() == 2 else allowed.any(1)
    return keys.masked_fill(~seen.t()[..., None], 0)


def softmax_of_allowed(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Return the softmax of (B, T, S) over S, exactly 0 where not allowed.

    It is computed in single precision where scores are in half, whose sums of many small terms are
    too coarse.
    """
    wide = scores.float() if scores.dtype == torch.float16 else scores
    if allowed is None:
        return torch.softmax(wide, -1).to(scores.dtype)
    forbidden = ~(allowed[:, None] if allowed.dim() == 2 else allowed)
    # Not minus infinity: a row of nothing else would be NaN, and its gradient, too.
    alpha = torch.softmax(wide.masked_fill(forbidden, torch.finfo(wide.dtype).min), -1)
    return alpha.masked_fill(forbidden, 0).to(scores.dtype)
