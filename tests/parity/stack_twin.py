"""A stack's twin: PyTorch's recurrent layers over packed sequences, with charnn's weights.

What differs in the layers' weights is in `torch_twin`; besides:

    charnn                                 PyTorch
    layer1, layer1_backward                weight_ih_l0, weight_ih_l0_reverse
    final states of ->h and <-h a level    (levels * directions, B, H)
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_twin import PEERS, Place, bias_mask, layer_places

from charnn.arrays import Array
from charnn.models.correspondence import Share
from charnn.models.model import Model
from charnn.models.stack import Stack, layer_name

DTYPES = {"f": torch.float32, "d": torch.float64}


class StackTwin(torch.nn.Module):
    """A stack's layers over packed sequences."""

    def __init__(self, stack: Stack, model: Model, prefix: str = "") -> None:
        """`prefix` is that of the stack's parameters."""
        super().__init__()
        config, self.prefix, self.cell = model.config, prefix, stack.cell
        self.dtype = DTYPES[model.parameters.flat.dtype.char]
        self.peer, self.H = PEERS[config.cell], config.hidden_size
        self.levels, self.directions = len(stack.levels), len(stack.levels[0])
        self.width = stack.input.axis.size
        self.embedding = None
        if config.embedding_size is not None:
            symbols = model.specs[f"{prefix}E"].shape[0]
            self.embedding = torch.nn.Embedding(symbols, self.width, dtype=self.dtype)
        self.recurrent = getattr(torch.nn, self.peer.layer)(
            self.width, self.H, self.levels, bidirectional=self.directions == 2, dtype=self.dtype
        )
        for bias, mask in self.recurrent_biases():
            bias.data.zero_()
            bias.register_hook(mask.mul)

    def inputs(self, ids: torch.Tensor) -> torch.Tensor:
        """Return what the first layer reads: ids (T, B) -> (T, B, D)."""
        if self.embedding is None:
            return functional.one_hot(ids, self.width).to(self.dtype)
        return self.embedding(ids)

    def forward(
        self, x: torch.Tensor, lengths: Array, states: list[torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Run over x (T, B, D): h (T, B, K), and for each kind of state (levels, B, K)."""
        packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        first = None if states is None else tuple(states) if len(states) > 1 else states[0]
        out, final = self.recurrent(packed, first)
        h, _ = pad_packed_sequence(out, total_length=len(x))
        B = x.shape[1]
        kinds = final if isinstance(final, tuple) else (final,)
        return h, [
            kind.view(self.levels, self.directions, B, self.H)
            .transpose(1, 2)
            .reshape(self.levels, B, -1)
            for kind in kinds
        ]

    def places(self) -> Iterator[Place]:
        """Yield where the stack's weights are."""
        if self.embedding is not None:
            yield Place(Share(f"{self.prefix}E", "weight"), self.embedding.weight)
        for name, suffix in self._layers():
            yield from layer_places(self.recurrent, suffix, self.cell, self.H, name)

    def recurrent_biases(self) -> Iterator[tuple[torch.nn.Parameter, torch.Tensor]]:
        """Yield each bias_hh with its mask: 1 where charnn has that bias."""
        for _, suffix in self._layers():
            bias = getattr(self.recurrent, f"bias_hh{suffix}")
            yield bias, bias_mask(bias, self.cell, self.H)

    def _layers(self) -> Iterator[tuple[str, str]]:
        for level in range(self.levels):
            for backwards in (False, True)[: self.directions]:
                suffix = f"_l{level}{'_reverse' if backwards else ''}"
                yield f"{self.prefix}{layer_name(level + 1, backwards)}", suffix
