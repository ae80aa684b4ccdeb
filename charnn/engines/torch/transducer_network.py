"""The transducer in PyTorch: see `charnn.models.transducer` and `charnn.nn.bridge`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from charnn.engines.torch.attention import TorchAttention
from charnn.engines.torch.heads import EveryStep
from charnn.engines.torch.network import Network, cross_entropy, on_cpu
from charnn.engines.torch.randomness import Randomness
from charnn.engines.torch.stack import LayerStates, TorchStack
from charnn.models.correspondence import Share
from charnn.models.delimiters import delimited
from charnn.models.transducer import Transducer
from charnn.text.batches import Batch


class Bridge(nn.Module):
    """`s = tanh(x W_s + b_s)`: one of the decoder's first states out of the encoder's final one."""

    def __init__(self, name: str, inputs: int, hidden: int) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.zeros(hidden, inputs))
        self.bias = nn.Parameter(torch.zeros(hidden))

    def shares(self) -> Iterator[tuple[Share, Tensor]]:
        """Yield which of charnn's parameters each weight is, and the weight."""
        yield Share(f"{self.name}/W_s", f"{self.name}/W_s", transposed=True), self.weight
        yield Share(f"{self.name}/b_s", f"{self.name}/b_s"), self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the first state: x (B, K) -> s (B, H)."""
        return torch.tanh(functional.linear(x, self.weight, self.bias))


class TransducerNetwork(Network):
    """Encoder, bridges, decoder, and attention where the model has it."""

    def __init__(self, model: Transducer) -> None:
        super().__init__()
        parts = model.network
        H, K = parts.decoder.hidden_size, parts.encoder.output_size
        self.delimiter = model.delimiter
        self.encoder, self.decoder = TorchStack(parts.encoder), TorchStack(parts.decoder)
        self.bridges = nn.ModuleList([Bridge(name, K, H) for name in parts.bridges])
        self.attention = None if parts.attention is None else TorchAttention(parts.attention)
        tied = self.decoder.embedding if model.config.tie_weights else None
        self.head = EveryStep(H, model.sizes.outputs + 1, tied)

    def shares(self) -> Iterator[tuple[Share, Tensor]]:
        """See `Network.shares`."""
        yield from self.encoder.shares("encoder/")
        for bridge in self.bridges:
            yield from bridge.shares()
        if self.attention is not None:
            yield from self.attention.shares("attention/")
        yield from self.decoder.shares("decoder/")
        yield from self.head.shares("decoder/")

    def encode(
        self, ids: Tensor, lengths: Tensor | None, random: Randomness | None = None
    ) -> tuple[Tensor, LayerStates]:
        """Read sources, ids (S, B): their states (S, B, K), and the decoder's first states.

        `lengths` (B,) are on the CPU.
        """
        zeros = self.encoder.zero_states(ids.shape[1])
        keys, final = self.encoder(ids, zeros, random, lengths, ends=True)
        bridges = iter(self.bridges)
        levels = by_level(final, len(self.encoder.levels))
        return keys, [tuple([next(bridges)(state) for state in level]) for level in levels]

    def decode(
        self,
        ids: Tensor,
        keys: Tensor,
        allowed: Tensor | None,
        first: LayerStates,
        random: Randomness | None = None,
    ) -> tuple[Tensor, LayerStates]:
        """Read target symbols (T, B): what the head reads (T, B, H), and the states after them."""
        h, after = self.decoder(ids, first, random)
        return (h if self.attention is None else self.attention(h, keys, allowed)), after

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        random: Randomness | None,
        weight: float,
        smoothing: float,
    ) -> tuple[Tensor, LayerStates]:
        """See `Network.loss`."""
        ends = batch.target_ends
        read, targets = delimited(batch.targets, ends, self.delimiter)
        if batch.fed is not None:
            read = batch.fed
        lengths = on_cpu(batch.lengths)
        keys, first = self.encode(self.tensor(batch.inputs), lengths, random)
        allowed = within(len(batch.inputs), lengths, keys.device)
        out, _ = self.decode(self.tensor(read), keys, allowed, first, random)
        answers = self.answers(Batch(read, targets, ends + 1))
        return cross_entropy(self.head(out), answers, weight, smoothing), states


def within(S: int, lengths: Tensor | None, device: torch.device) -> Tensor | None:
    """Return which steps are within their sequences: (B, S), or None where all are."""
    if lengths is None:
        return None
    return torch.arange(S, device=device) < lengths.to(device)[:, None]


def by_level(final: LayerStates, levels: int) -> LayerStates:
    """Return the states of a level's directions side by side: [->s; <-s] for each state."""
    directions = len(final) // levels
    if directions == 1:
        return final
    return [
        tuple([torch.cat(pair, 1) for pair in zip(*final[n : n + 2], strict=True)])
        for n in range(0, len(final), directions)
    ]
