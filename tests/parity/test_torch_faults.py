"""Faults planted in the torch engine's networks: each must be seen by what compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch_networks import DROPOUT, error_of

from charnn.engines.torch import attentive_stack, cells, layers, stack, transducer_network
from charnn.engines.torch.attention import TorchAttention
from charnn.engines.torch.heads import WholeSequence
from charnn.engines.torch.layers import LoopLayer
from charnn.engines.torch.network import Network
from charnn.models.correspondence import Convention, Share, layer_shares
from charnn.nn.cell import Cell
from charnn.nn.gru import GRUResetAfter

pytestmark = pytest.mark.parity

SEEN = 1e-5  # what is right differs by less than 1e-9
AFTER = {"cell": "gru", "gru_reset": "after"}
EVERYTHING = {"cell": "lstm", "recurrent_dropout": 0.4, "weight_drop": 0.2, **DROPOUT}
BOTH = {"cell": "lstm", "bidirectional": True}

RIGHT_PLACES = stack.turned_places

Plant = Callable[[pytest.MonkeyPatch], None]


def with_convention(**changes: Any) -> Plant:
    """Return a plant that changes the convention of PyTorch's layers."""
    real = layers.pytorch

    def wrong(cell: Cell) -> Convention | None:
        convention = real(cell)
        return None if convention is None else replace(convention, **changes)

    return lambda monkeypatch: monkeypatch.setattr(layers, "pytorch", wrong)


def bias_of_another_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the bias of the candidate's product where the reset gate's is."""

    def wrong(cell: Cell, hidden: int, convention: Convention) -> Iterator[Share]:
        for share in layer_shares(cell, hidden, convention):
            moved = share.theirs == "bias_hh"
            yield replace(share, rows=slice(0, hidden)) if moved else share

    monkeypatch.setattr(layers, "layer_shares", wrong)


def bias_outside_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the bias of the candidate's product after the reset gate, in the loop."""

    def wrong(a: Tensor, states: cells.States, W: cells.Weights) -> cells.States:
        (h,) = states
        H = h.shape[1]
        u = W.multiply(h)
        r, z = torch.sigmoid(a[:, : 2 * H] + u[:, : 2 * H]).chunk(2, 1)
        n = torch.tanh(a[:, 2 * H :] + r * u[:, 2 * H :] + W["bias_hh"][2 * H :])
        return (h + z * (W.drop(n) - h),)

    monkeypatch.setitem(cells.STEPS, GRUResetAfter, wrong)


def weights_before_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the mask of the weights before that of the states."""
    masks, dropped, early = LoopLayer._masks, LoopLayer.dropped, {}

    def wrong(layer: LoopLayer, x: Tensor, random: Any) -> Any:
        early[layer] = dropped(layer, layer.weights["weight_hh"], random)
        return masks(layer, x, random)

    monkeypatch.setattr(LoopLayer, "_masks", wrong)
    monkeypatch.setattr(LoopLayer, "dropped", lambda layer, *_: early.pop(layer))


def decoder_before_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the decoder's masks before the encoder's."""
    encode = transducer_network.TransducerNetwork.encode

    def wrong(network: Any, ids: Tensor, lengths: Any, random: Any) -> Any:
        zeros = network.decoder.zero_states(ids.shape[1])
        network.decoder(torch.zeros((6, ids.shape[1]), dtype=torch.int64), zeros, random)
        return encode(network, ids, lengths, random)

    monkeypatch.setattr(transducer_network.TransducerNetwork, "encode", wrong)


def in_place_of(where: Any, name: str, wrong: Any) -> Plant:
    """Return a plant that puts something in the place of what is right."""
    return lambda monkeypatch: monkeypatch.setattr(where, name, wrong)


def halves_exchanged(attention: TorchAttention, context: Tensor, h: Tensor) -> Tensor:
    """Give `W_c` the state before the context."""
    return torch.tanh(torch.nn.functional.linear(torch.cat([h, context], -1), attention.W_c))


def present_included(T: int, M: int, device: Any) -> Tensor:
    """Let a query look at itself."""
    ahead = torch.arange(M + T, device=device) - torch.arange(T, device=device)[:, None]
    return ((ahead > 0) & (ahead <= M))[None]


def directions_exchanged(final: Any, levels: int) -> Any:
    """Put the second direction's states before the first's."""
    pairs = zip(final[::2], final[1::2], strict=True)
    return [
        tuple(torch.cat([b, a], 1) for a, b in zip(one, other, strict=True)) for one, other in pairs
    ]


def at_the_last_step(head: WholeSequence, h: Tensor, lengths: Any) -> Tensor:
    """Summarise what stands at the last step, in the padding too."""
    summary = torch.cat([h[-1, :, : head.H], h[0, :, head.H :]], -1)
    return torch.nn.functional.linear(summary, head.weight, head.bias)


def to_the_last_step(ids: Tensor, _lengths: Any) -> Tensor:
    """Read backwards from the last step on, through the padding."""
    return RIGHT_PLACES(ids, None)


class Fault(NamedTuple):
    """Where a fault shows: a task, a form of its model, and what plants it."""

    task: str
    options: dict[str, Any]
    plant: Plant


GATES = ("i", "f", "o", "g")
FAULTS = {
    "sign of z": Fault("lm", AFTER, with_convention(negated=())),
    "order of the LSTM's gates": Fault("lm", {"cell": "lstm"}, with_convention(gates=GATES)),
    "order of the GRU's gates": Fault("lm", AFTER, with_convention(gates=("z", "r", "n"))),
    "bias of another gate": Fault("lm", AFTER, bias_of_another_gate),
    "bias outside the reset": Fault(
        "tag", {**AFTER, "recurrent_dropout": 0.3}, bias_outside_the_reset
    ),
    "weights' mask before the states'": Fault("tag", EVERYTHING, weights_before_states),
    "decoder's masks before the encoder's": Fault(
        "transduce", {"cell": "lstm", **DROPOUT}, decoder_before_encoder
    ),
    **{
        f"padding of the targets, {task}": Fault(
            task,
            {"cell": "lstm"},
            in_place_of(Network, "answers", lambda network, batch: network.tensor(batch.targets)),
        )
        for task in ("tag", "generate", "transduce")
    },
    "padding of the sources, attention": Fault(
        "transduce",
        {**BOTH, "attention": "dot"},
        in_place_of(transducer_network, "within", lambda *_: None),
    ),
    "padding of the sources, states": Fault(
        "transduce",
        {**BOTH, "cell": "gru"},
        in_place_of(layers, "at_ends", lambda x, _: x[-1]),
    ),
    "padding of the sources, summary": Fault(
        "classify", BOTH, in_place_of(WholeSequence, "forward", at_the_last_step)
    ),
    "padding of the sources, backwards": Fault(
        "tag", BOTH, in_place_of(stack, "turned_places", to_the_last_step)
    ),
    "context and state": Fault(
        "lm",
        {"cell": "lstm", "attention": "dot"},
        in_place_of(TorchAttention, "states", halves_exchanged),
    ),
    "a query that sees itself": Fault(
        "lm",
        {"cell": "lstm", "attention": "dot"},
        in_place_of(attentive_stack, "band", present_included),
    ),
    "directions of the bridge": Fault(
        "transduce", BOTH, in_place_of(transducer_network, "by_level", directions_exchanged)
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fault the same model agrees."""
    fault = FAULTS[name]
    assert error_of(fault.task, fault.options) < 1e-9
    fault.plant(monkeypatch)
    assert error_of(fault.task, fault.options) > SEEN
