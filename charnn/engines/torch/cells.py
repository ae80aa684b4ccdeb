"""One time step of each cell in PyTorch, for layers that run step by step.

The equations are those of the cells' own modules in `charnn.nn`; PyTorch differentiates them. Gates
are in charnn's order, one beside the other: a (B, G H) is the input's share of the pre-activations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from charnn.errors import ConfigError
from charnn.nn.cell import Cell
from charnn.nn.gru import GRU, GRUResetAfter
from charnn.nn.layer_norm_gru import LayerNormGRU
from charnn.nn.layer_norm_lstm import LayerNormLSTM
from charnn.nn.layer_norm_rnn import LayerNormRNN
from charnn.nn.lstm import LSTM
from charnn.nn.min_gru import MinGRU
from charnn.nn.normalization import EPSILON
from charnn.nn.peephole_lstm import PeepholeLSTM
from charnn.nn.rnn import RNN

States: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True)
class Weights:
    """A layer's weights by name, and a window's masks, if any: (B, H) each.

    `state` is for what the recurrent weights multiply, `update` for the candidate of this step.
    """

    arrays: Mapping[str, Tensor]
    state: Tensor | None = None
    update: Tensor | None = None

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name]

    def multiply(self, h: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """`u = h W_hh` for the columns from `first` to `last`: h (B, H) -> u (B, last - first)."""
        if self.state is not None:
            h = h * self.state
        return functional.linear(h, self.arrays["weight_hh"][first:last])

    def drop(self, candidate: Tensor) -> Tensor:
        """Mask the candidate (B, H) where the run asks for it."""
        return candidate if self.update is None else candidate * self.update


Step: TypeAlias = Callable[[Tensor, States, Weights], States]


def normalized(v: Tensor) -> Tensor:
    """`(v - mean v) / sqrt(var v + epsilon)` over the last axis."""
    return functional.layer_norm(v, v.shape[-1:], eps=EPSILON)


def rnn(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.rnn`."""
    return (torch.tanh(a + W.multiply(states[0])),)


def lstm(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.lstm`."""
    h, c = states
    H = h.shape[1]
    gates = a + W.multiply(h)
    i, f, o = torch.sigmoid(gates[:, : 3 * H]).chunk(3, 1)
    c = f * c + i * W.drop(torch.tanh(gates[:, 3 * H :]))
    return o * torch.tanh(c), c


def gru(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.gru`: the reset gate acts before the product."""
    (h,) = states
    H = h.shape[1]
    r, z = torch.sigmoid(a[:, : 2 * H] + W.multiply(h, 0, 2 * H)).chunk(2, 1)
    n = W.drop(torch.tanh(a[:, 2 * H :] + W.multiply(r * h, 2 * H)))
    return (h + z * (n - h),)


def gru_reset_after(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.gru`: the reset gate acts after the product."""
    (h,) = states
    H = h.shape[1]
    u = W.multiply(h)
    r, z = torch.sigmoid(a[:, : 2 * H] + u[:, : 2 * H]).chunk(2, 1)
    m = u[:, 2 * H :] + W["bias_hh"][2 * H :]
    n = W.drop(torch.tanh(a[:, 2 * H :] + r * m))
    return (h + z * (n - h),)


def min_gru(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.min_gru`."""
    (h,) = states
    z, n = a.chunk(2, 1)
    return (h + torch.sigmoid(z) * (W.drop(n) - h),)


def peephole_lstm(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.peephole_lstm`."""
    h, c = states
    a_i, a_f, a_o, a_g = (a + W.multiply(h)).chunk(4, 1)
    i, f = torch.sigmoid(a_i + W["p_i"] * c), torch.sigmoid(a_f + W["p_f"] * c)
    c = f * c + i * W.drop(torch.tanh(a_g))
    return torch.sigmoid(a_o + W["p_o"] * c) * torch.tanh(c), c


def layer_norm_lstm(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.layer_norm_lstm`."""
    h, c = states
    H = h.shape[1]
    gates = W["gain_x"] * normalized(a) + W["gain_h"] * normalized(W.multiply(h)) + W["b"]
    i, f, o = torch.sigmoid(gates[:, : 3 * H]).chunk(3, 1)
    c = f * c + i * W.drop(torch.tanh(gates[:, 3 * H :]))
    return o * torch.tanh(W["gain_c"] * normalized(c) + W["b_c"]), c


def layer_norm_gru(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.layer_norm_gru`."""
    (h,) = states
    H = h.shape[1]
    v = W["gain_x"] * normalized(a) + W["b"]
    u = W["gain_h"] * normalized(W.multiply(h))
    r, z = torch.sigmoid(v[:, : 2 * H] + u[:, : 2 * H]).chunk(2, 1)
    m = u[:, 2 * H :] + W["bias_hh"][2 * H :]
    n = W.drop(torch.tanh(v[:, 2 * H :] + r * m))
    return (h + z * (n - h),)


def layer_norm_rnn(a: Tensor, states: States, W: Weights) -> States:
    """See `charnn.nn.layer_norm_rnn`."""
    return (torch.tanh(W["gain"] * normalized(a + W.multiply(states[0])) + W["b"]),)


STEPS: dict[type[Cell], Step] = {
    RNN: rnn,
    LSTM: lstm,
    GRU: gru,
    GRUResetAfter: gru_reset_after,
    MinGRU: min_gru,
    PeepholeLSTM: peephole_lstm,
    LayerNormLSTM: layer_norm_lstm,
    LayerNormGRU: layer_norm_gru,
    LayerNormRNN: layer_norm_rnn,
}


def step_of(cell: Cell) -> Step:
    """Return a cell's step. Raises ConfigError for one that has none here."""
    if type(cell) not in STEPS:
        raise ConfigError(
            f"the engine is torch, which has no step of the cell {cell}; choose --engine shards, "
            f"or one of the cells {', '.join(kind.title for kind in STEPS)}."
        )
    return STEPS[type(cell)]
