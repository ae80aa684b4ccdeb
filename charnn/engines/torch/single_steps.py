"""One time step of a stack in PyTorch, prepared for many, one after the other.

PyTorch's recurrent layers are made for windows: on a CPU they bring all weights into another order
at each call, on a GPU they prepare for it at length. Its cells need two products and one or a few
kernels for a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from charnn.engines.torch.attentive_stack import AttentiveTorchStack
from charnn.engines.torch.cells import States, Weights
from charnn.engines.torch.layers import LoopLayer
from charnn.engines.torch.stack import LayerStates, TorchStack

LayerStep: TypeAlias = Callable[[Tensor, States], States]
StackStep: TypeAlias = Callable[[Tensor, LayerStates], tuple[Tensor, LayerStates]]
PEERS: dict[str, Callable[..., Any]] = {
    "LSTM": torch.lstm_cell,
    "GRU": torch.gru_cell,
    "RNN": torch.rnn_tanh_cell,
}


def layer_step(layer: Any) -> LayerStep:
    """Return a layer's step: x (B, D) and the states before -> the states after, (B, H) each."""
    if isinstance(layer, LoopLayer):
        arrays = layer.arrays()
        weights = Weights(arrays)
        W, b = arrays["weight_ih"], arrays.get("bias_ih")
        return lambda x, states: layer.step(functional.linear(x, W, b), states, weights)
    cell, own = PEERS[layer.cell.peer.layer], layer.rnn._flat_weights
    if len(layer.cell.states) > 1:
        return lambda x, states: cell(x, states, *own)
    return lambda x, states: (cell(x, states[0], *own),)


def stack_step(stack: TorchStack) -> StackStep:
    """Return the step of a stack that reads forwards: ids (B,), states -> h (B, K), states.

    Of labelled sequences ids are (B, 2).
    """
    if isinstance(stack, AttentiveTorchStack):  # which has more to do than its layers' steps

        def window(ids: Tensor, states: LayerStates) -> tuple[Tensor, LayerStates]:
            h, after = stack(ids[None], states)
            return h[0], after

        return window
    table = stack.one_hot if stack.embedding is None else stack.embedding
    layers = [layer_step(layer) for (layer,) in stack.levels]

    def step(ids: Tensor, states: LayerStates) -> tuple[Tensor, LayerStates]:
        x = functional.embedding(ids, table)
        if ids.dim() == 2:
            x = x.sum(1)
        after = []
        for layer, before in zip(layers, states, strict=True):
            after.append(layer(x, before))
            x = after[-1][0]
        return x, after

    return step
