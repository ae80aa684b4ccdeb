"""Recurrent layers in PyTorch that read sequences of unequal lengths, in two exact ways.

packed    `pack_padded_sequence`: steps behind an end are not computed
padded    the layers run over padded steps; a second direction is a layer of its own, whose steps
          are turned within each sequence's length

Both have the same outputs within the lengths, so the faster one can be taken. PyTorch gives no
LSTM's cell state but the last one, so whoever needs those at the ends has to pack.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from charnn.bench.torch_peer import load_torch, torch_layer


class Padded(NamedTuple):
    """Sequences as PyTorch takes them: ids (T, B), lengths (B,), and what depends on both."""

    ids: Any
    lengths: Any  # on the CPU, as packing asks for them
    mask: Any  # (T, B): within a sequence
    turned: Any  # (T, B): the step that comes at t when a sequence is read backwards


def padded(ids: Any, lengths: Any) -> Padded:
    """Return sequences, ids (T, B) and lengths (B,), with all that can be computed before."""
    torch = load_torch()
    t = torch.arange(len(ids))[:, None]
    mask = t < lengths
    return Padded(ids, lengths, mask, torch.where(mask, lengths - 1 - t, t))


class TorchStack:
    """One-hot symbols and recurrent layers over them."""

    def __init__(
        self,
        cell: str,
        sizes: tuple[int, int, int],
        bidirectional: bool,
        packed: bool,
    ) -> None:
        """`sizes` are the number of symbols, of hidden units, and of layers."""
        self.torch = load_torch()
        self.symbols, H, self.levels = sizes
        self.directions = 1 + bidirectional
        self.packed = packed
        width, layer = self.symbols, torch_layer(cell)
        if packed or not bidirectional:
            self.layers = [layer(width, H, self.levels, bidirectional=bidirectional)]
        else:
            widths = [width] + [2 * H] * (self.levels - 1)
            self.layers = [layer(width, H) for width in widths for _ in range(2)]

    def inputs(self, ids: Any) -> Any:
        """Return what the first layer reads: ids (T, B) -> (T, B, D)."""
        return self.torch.nn.functional.one_hot(ids, self.symbols).float()

    def run(self, x: Any, sequences: Padded, states: Any = None) -> tuple[Any, list[Any]]:
        """Run over x (T, B, D): h (T, B, K), and the final states, (levels, B, K) each.

        In one direction and padded they are those after the padding; turned, h is the only one.
        """
        if self.packed:
            return self._run_packed(x, sequences, states)
        if self.directions == 2:
            return self._run_turned(x, sequences)
        h, final = self.layers[0](x, states)
        return h, listed(final)

    def _run_packed(self, x: Any, sequences: Padded, states: Any) -> tuple[Any, list[Any]]:
        rnn = self.torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, sequences.lengths, enforce_sorted=False)
        out, final = self.layers[0](packed, states)
        h, _ = rnn.pad_packed_sequence(out, total_length=len(x))
        return h, [self._by_level(state) for state in listed(final)]

    def _run_turned(self, x: Any, sequences: Padded) -> tuple[Any, list[Any]]:
        torch, finals = self.torch, []
        columns = torch.arange(x.shape[1])
        ends = sequences.lengths - 1
        for level in range(self.levels):
            forward, backward = self.layers[2 * level : 2 * level + 2]
            there, _ = forward(x)
            back, _ = backward(x[sequences.turned, columns])
            finals.append([there[ends, columns], back[ends, columns]])
            x = torch.cat([there, back[sequences.turned, columns]], -1)
        return x, [torch.stack([torch.cat(final, -1) for final in finals])]

    def _by_level(self, state: Any) -> Any:
        """Return (levels * directions, B, H) as (levels, B, directions * H)."""
        _, B, H = state.shape
        by_direction = state.view(self.levels, self.directions, B, H)
        return by_direction.transpose(1, 2).reshape(self.levels, B, self.directions * H)


def listed(states: Any) -> list[Any]:
    """Return states as a list: [h] or [h, c]."""
    return list(states) if isinstance(states, tuple) else [states]
