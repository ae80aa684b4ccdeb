"""One recurrent layer in PyTorch, in one direction.

Where PyTorch has the cell, it runs as PyTorch's own layer (`FusedLayer`), else step by step
(`LoopLayer`), as it does where something is dropped inside the recurrence. Either has its
weights in arrays of its own, and says by `shares` which of charnn's parameters they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from charnn.arrays import Array
from charnn.engines.torch.cells import States, Weights, step_of
from charnn.engines.torch.randomness import Randomness
from charnn.models.correspondence import (
    Convention,
    Share,
    layer_shapes,
    layer_shares,
    own_order,
    pytorch,
    to_theirs,
)
from charnn.models.layer import Layer
from charnn.nn.cell import Cell


class RecurrentLayer(nn.Module):
    """A layer of H units that reads D inputs; `arrays` are its weights by their names."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, convention: Convention) -> None:
        super().__init__()
        self.layer, self.cell, self.H = layer, layer.cell, hidden
        self.convention = convention
        self.inputs = inputs

    def shares(self) -> Iterator[Share]:
        """Yield which of charnn's parameters, by their names in the layer, the weights are."""
        return layer_shares(self.cell, self.H, self.convention)

    def dropped(self, weights: Tensor, random: Randomness | None) -> Tensor:
        """Return recurrent weights (G H, H) of which some are dropped for a window."""
        rate = self.layer.weight_drop
        if random is None or not rate:
            return weights
        G = len(self.cell.gates)
        mask = random.whole_mask((G, self.H, self.H), rate)
        return weights * mask_as(mask, self.cell, self.convention).to(weights)


def mask_as(mask: Array, cell: Cell, convention: Convention) -> Tensor:
    """Return a mask of `W_hh` (G, H, H) as it lies in another program's layout, (G H, H)."""
    G, H, _ = mask.shape
    shares = [share for share in layer_shares(cell, H, convention) if share.ours == "W_hh"]
    name = convention.recurrent_weights
    return torch.from_numpy(np.abs(to_theirs(shares, {"W_hh": mask}, {name: (G * H, H)})[name]))


class FusedLayer(RecurrentLayer):
    """PyTorch's own layer: one kernel for all steps, where the device has one."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, convention: Convention) -> None:
        super().__init__(layer, inputs, hidden, convention)
        peer = layer.cell.peer
        if peer is None:
            raise TypeError(f"{layer.cell} has no counterpart in PyTorch")
        self.rnn = getattr(nn, peer.layer)(inputs, hidden)
        self.function = getattr(torch, peer.layer.lower().replace("rnn", "rnn_tanh"))
        filled = {share.theirs for share in self.shares()}
        if "bias_hh" not in filled:  # charnn has one bias: this one stays 0
            self.rnn.bias_hh_l0.requires_grad_(False)
        with torch.no_grad():
            for parameter in self.rnn.parameters():
                parameter.zero_()

    def arrays(self) -> dict[str, Tensor]:
        """Return the weights by the names that `shares` uses; those that stay 0 are not there."""
        named = {name.removesuffix("_l0"): p for name, p in self.rnn.named_parameters()}
        return {name: p for name, p in named.items() if p.requires_grad}

    def forward(
        self,
        x: Tensor,
        states: States,
        random: Randomness | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, States]:
        """Run a window: x (T, B, D) -> h (T, B, H), and the states after it, (B, H) each.

        With `lengths` (B,), on the CPU and at least 1, those are the states at the sequences' ends.
        """
        initial = tuple([state[None] for state in states])
        W_ih, W_hh, *biases = self.rnn._flat_weights
        weights = [W_ih, self.dropped(W_hh, random), *biases]
        if lengths is not None and len(states) > 1 and len(lengths):  # else the ends are among h
            return self._packed(x, initial, weights, lengths)
        h, *final = self.function(x, bare(initial), weights, *self._options(), False)
        if lengths is not None and len(states) == 1:
            return h, (at_ends(h, lengths),)
        return h, tuple([state[0] for state in final])

    def _packed(
        self, x: Tensor, initial: States, weights: list[Tensor], lengths: Tensor
    ) -> tuple[Tensor, States]:
        """Run each sequence to its own end: see `forward`; h is 0 behind the ends."""
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        data, sizes, order, back = packed
        ordered = tuple([state[:, order] for state in initial])
        out, *final = self.function(data, sizes, ordered, weights, *self._options())
        h, _ = pad_packed_sequence(PackedSequence(out, sizes, order, back), total_length=len(x))
        return h, tuple([state[0, back] for state in final])

    def _options(self) -> tuple[bool, int, float, bool, bool]:
        """Return what PyTorch's function takes: biases, layers, dropout, training, directions."""
        return True, 1, 0.0, self.rnn.training, False


def bare(states: States) -> Tensor | States:
    """Return a state alone without its tuple, as PyTorch's functions take it."""
    return states if len(states) > 1 else states[0]


def at_ends(x: Tensor, lengths: Tensor) -> Tensor:
    """Return what is at the sequences' ends: x (T, B, H), lengths (B,) -> (B, H)."""
    return x[lengths.to(x.device) - 1, torch.arange(x.shape[1], device=x.device)]


class LoopLayer(RecurrentLayer):
    """A cell that is unrolled over time, step by step."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, convention: Convention) -> None:
        super().__init__(layer, inputs, hidden, convention)
        self.step = step_of(layer.cell)
        self.weights = nn.ParameterDict()
        filled = {share.theirs for share in self.shares()}
        for name, shape in layer_shapes(self.cell, inputs, hidden, convention).items():
            if name in filled:
                self.weights[name] = nn.Parameter(torch.zeros(shape))

    def arrays(self) -> dict[str, Tensor]:
        """Return the weights by the names that `shares` uses."""
        return dict(self.weights.items())

    def forward(
        self,
        x: Tensor,
        states: States,
        random: Randomness | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, States]:
        """Run a window: see `FusedLayer.forward`. Here x may be ids (T, B) of one-hot symbols."""
        arrays = dict(self.weights.items())
        state_mask, update_masks = self._masks(x, random)
        if "weight_hh" in arrays:
            arrays["weight_hh"] = self.dropped(arrays["weight_hh"], random)
        if x.dtype == torch.int64:
            a = functional.embedding(x, arrays["weight_ih"].t())
            a = a + arrays["bias_ih"] if "bias_ih" in arrays else a
        else:
            a = functional.linear(x, arrays["weight_ih"], arrays.get("bias_ih"))
        history = []
        for t, row in enumerate(a.unbind(0)):
            update = None if update_masks is None else update_masks[t]
            states = self.step(row, states, Weights(arrays, state_mask, update))
            history.append(states)
        h = torch.stack([states[0] for states in history])
        if lengths is None:
            return h, states
        kinds = zip(*history, strict=True)
        return h, tuple([at_ends(torch.stack(kind), lengths) for kind in kinds])

    def _masks(self, x: Tensor, random: Randomness | None) -> tuple[Tensor | None, Tensor | None]:
        """Return a window's masks of the state (B, H) and of the candidate (T, B, H)."""
        dropout = self.layer.dropout
        if random is None or dropout is None:
            return None, None
        T, B = x.shape[:2]
        like = self.weights["weight_ih"]
        if dropout.kind == "state":
            return random.mask((B, self.H), dropout.rate).to(like), None
        return None, random.mask((T, B, self.H), dropout.rate).to(like)


def make_layer(layer: Layer, inputs: int, hidden: int) -> FusedLayer | LoopLayer:
    """Return a layer for D inputs and H units."""
    convention = pytorch(layer.cell)
    if convention is not None and layer.dropout is None:
        return FusedLayer(layer, inputs, hidden, convention)
    return LoopLayer(layer, inputs, hidden, own_order(layer.cell))
