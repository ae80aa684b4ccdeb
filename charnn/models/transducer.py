"""The transducer: one sequence into another, by an encoder, a decoder and attention.

    k_i = the encoder's states over the source, [->k_i; <-k_i] where it reads in both directions
    s   = tanh(x W_s + b_s)                   the bridge: each state of each of the decoder's layers
                                              begins with what the encoder's made of its final one
    h_t = the decoder's states over the symbols before t
    c_t = sum over i of alpha_ti k_i          attention (`charnn.nn.attention`)
    h~_t = tanh([c_t; h_t] W_c)
    y_t = softmax(h~_t W_hy + b_y)            without attention, of h_t
    L   = mean over all target symbols, and the end of each sequence, of -log y_t[target]

(Sutskever et al., 2014; Bahdanau et al., 2015; Luong et al., 2015.) In training the decoder reads
the target's own symbols, so attention is computed for all its steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import ModelConfig
from charnn.models.decoder_stepper import DecoderStepper
from charnn.models.delimiters import delimited
from charnn.models.heads import EveryStep
from charnn.models.model import LossBackward, Model, Sizes
from charnn.models.stack import LayerStates, Stack
from charnn.nn.attention import Attention, attentional_parameters, attentional_states
from charnn.nn.bridge import bridge_parameters, tanh_affine
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.parameters import (
    OUTPUTS,
    Axis,
    Gradients,
    ParameterSpec,
    gradients_in,
    group,
    prefixed,
)
from charnn.registry import ATTENTIONS
from charnn.text.batches import Batch

EncoderBackward: TypeAlias = Callable[[Array, LayerStates, Gradients], None]
DecoderBackward: TypeAlias = Callable[[Array, Gradients], tuple["Array | None", LayerStates]]


class Network:
    """The parts of a transducer; the weights are passed in. `sizes`: source and target symbols."""

    def __init__(self, config: ModelConfig, sizes: Sizes) -> None:
        self.encoder = Stack(config, sizes.inputs, config.bidirectional)
        self.decoder = Stack(config, sizes.outputs + 1)
        H, K = self.decoder.hidden_size, self.encoder.output_size
        self.attention: Attention | None = None
        if config.attention is not None:
            self.attention = ATTENTIONS[config.attention](H, K)
        self.head = EveryStep(
            H,
            Axis(OUTPUTS, sizes.outputs + 1),
            self.decoder.cell.symbol_gain,
            config.tie_weights,
        )

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the parameters of all parts, in their order in memory."""
        H, K = self.decoder.hidden_size, self.encoder.output_size
        specs = prefixed("encoder", self.encoder.parameters())
        for name in self.bridges:
            specs |= prefixed(name, bridge_parameters(K, H))
        if self.attention is not None:
            score = self.attention.parameters() | attentional_parameters(H, K)
            specs |= prefixed("attention", score)
        return specs | prefixed("decoder", self.decoder.parameters() | self.head.parameters())

    @property
    def bridges(self) -> list[str]:
        """The names of the bridges: `bridge/layer1/h`, ..., one for each state of the decoder."""
        return [f"bridge/{name}" for name in self.decoder.state_shapes(1)]


@dataclass(frozen=True)
class Transducer(Model):
    """Reads a sequence and predicts another one. `sizes`: source and target symbols."""

    @classmethod
    def specs_of(cls, config: ModelConfig, sizes: Sizes) -> dict[str, ParameterSpec]:
        """Return the one table of all parameters: see `Model.specs_of`."""
        return Network(config, sizes).parameters()

    @cached_property
    def network(self) -> Network:
        """The parts of the model."""
        return Network(self.config, self.sizes)

    @property
    def cell(self) -> Cell:
        """The recurrent cell of both sides."""
        return self.network.encoder.cell

    @property
    def delimiter(self) -> int:
        """The id that is read before the first target symbol, and predicted after the last one."""
        return self.sizes.outputs

    def encode(
        self,
        ids: Array,
        lengths: Array | None,
        buffers: Buffers,
        random: np.random.Generator | None = None,
    ) -> tuple[Array, LayerStates, EncoderBackward]:
        """Read sources, ids (S, B): their states k (S, B, K), and the decoder's first states.

        `backward(d_k, d_states, gradients)` adds the parameters' gradients.
        """
        encoder, weights = self.network.encoder, group(self.parameters, "encoder")
        zeros = encoder.zero_states(ids.shape[1], self.parameters.flat.dtype)
        keys, final, backward_encoder = encoder.run(
            weights, ids, zeros, lengths=lengths, random=random, buffers=buffers.child("encoder")
        )
        names, backward_bridges, first = iter(self.network.bridges), [], []
        for layer in by_level(final, len(encoder.levels)):
            states = []
            for state in layer:
                name = next(names)
                s, backward_bridge = tanh_affine(
                    state, group(self.parameters, name), buffers.child(name)
                )
                states.append(s)
                backward_bridges.append(backward_bridge)
            first.append(tuple(states))

        def backward(d_keys: Array, d_states: LayerStates, gradients: Gradients) -> None:
            ends = []
            flat = (d for layer in d_states for d in layer)
            for name, d, bridge in zip(self.network.bridges, flat, backward_bridges, strict=True):
                ends.append(bridge(d, gradients.group(name)))
            d_final = by_direction(ends, encoder)
            backward_encoder(d_keys, gradients.group("encoder"), d_final)

        return keys, first, backward

    def decode(
        self,
        ids: Array,
        keys: Array,
        allowed: Array | None,
        first: LayerStates,
        buffers: Buffers,
        lengths: Array | None = None,
        random: np.random.Generator | None = None,
    ) -> tuple[Array, Array | None, DecoderBackward]:
        """Read target symbols (T, B): what the head reads (T, B, H), and the attention (B, T, S).

        `backward(d_out, gradients)` adds the parameters' gradients and returns those of the keys
        (None without attention) and of the first states.
        """
        network = self.network
        h, _, backward_decoder = network.decoder.run(
            group(self.parameters, "decoder"),
            ids,
            first,
            lengths=lengths,
            random=random,
            buffers=buffers.child("decoder"),
        )
        if network.attention is None:

            def backward_alone(
                d_out: Array, gradients: Gradients
            ) -> tuple[Array | None, LayerStates]:
                return None, backward_decoder(d_out, gradients.group("decoder"), None)

            return h, None, backward_alone
        weights = group(self.parameters, "attention")
        scope = buffers.child("attention")
        context, alpha, backward_attend = network.attention.attend(h, keys, allowed, weights, scope)
        out, backward_states = attentional_states(context, h, weights, scope.child("states"))

        def backward(d_out: Array, gradients: Gradients) -> tuple[Array | None, LayerStates]:
            own = gradients.group("attention")
            d_context, dh = backward_states(d_out, own)
            d_queries, d_keys = backward_attend(d_context, own)
            return d_keys, backward_decoder(dh + d_queries, gradients.group("decoder"), None)

        return out, alpha, backward

    def decoder_stepper(self, ids: Array, lengths: Array | None, beam: int = 1) -> DecoderStepper:
        """Return what reads targets of sources (S, B) symbol by symbol, `beam` of each source."""
        S, B = ids.shape
        keys, first, _ = self.encode(ids, lengths, Buffers())
        rows = np.repeat(np.arange(B), beam)
        first = [tuple(state[rows] for state in layer) for layer in first]
        allowed = within(S, lengths)
        if allowed is not None:
            allowed = allowed[rows]
        return DecoderStepper(
            self.network, self.parameters, keys.take(rows, axis=1), allowed, first
        )

    def loss(
        self,
        batch: Batch,
        states: LayerStates,
        *,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
        weight: float | None = None,
        smoothing: float = 0.0,
    ) -> tuple[float, LayerStates, LossBackward]:
        """Return the mean loss in nats per target symbol, ends included: see `Model.loss`."""
        buffers = buffers or Buffers()
        lengths = batch.target_ends
        inputs, targets = delimited(batch.targets, lengths, self.delimiter)
        if batch.fed is not None:
            inputs = batch.fed
        keys, first, backward_encode = self.encode(batch.inputs, batch.lengths, buffers, random)
        allowed = within(len(batch.inputs), batch.lengths)
        out, _, backward_decode = self.decode(
            inputs, keys, allowed, first, buffers, lengths + 1, random
        )
        nats, own_weight, backward_head = self.network.head.loss(
            group(self.parameters, "decoder"),
            out,
            Batch(inputs, targets, lengths + 1),
            buffers.child("head"),
            smoothing,
        )
        whole = own_weight if weight is None else weight

        def backward(gradients: Gradients | Arrays) -> LayerStates:
            sums = gradients_in(gradients)
            d_out = backward_head(1 / whole, sums.group("decoder"))
            d_keys, d_first = backward_decode(d_out, sums)
            if d_keys is None:
                d_keys = np.zeros_like(keys)
            backward_encode(d_keys, d_first, sums)
            return []

        return nats / whole, states, backward


def within(S: int, lengths: Array | None) -> Array | None:
    """Return which steps are within their sequences: (B, S), or None where all are."""
    return None if lengths is None else np.arange(S) < lengths[:, None]


def by_level(final: LayerStates, levels: int) -> LayerStates:
    """Return the states of a level's directions side by side: [->s; <-s] for each state."""
    directions = len(final) // levels
    if directions == 1:
        return final
    return [
        tuple(np.concatenate(pair, axis=1) for pair in zip(*final[n : n + 2], strict=True))
        for n in range(0, len(final), directions)
    ]


def by_direction(ends: list[Array], encoder: Stack) -> LayerStates:
    """Return gradients of `by_level`'s states, one after the other, as those of the layers'."""
    H, states = encoder.hidden_size, len(encoder.cell.states)
    return [
        tuple(ends[level * states + n][:, layer * H : (layer + 1) * H] for n in range(states))
        for level in range(len(encoder.levels))
        for layer in range(len(encoder.levels[level]))
    ]
