"""Models in PyTorch that read one time step after the other, as sampling and decoding need it.

States and weights stay on the device; only symbols go there, and logits come back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from charnn.arrays import Array
from charnn.engines.torch.attention import readable, softmax_of_allowed
from charnn.engines.torch.network import Network, on_cpu
from charnn.engines.torch.single_steps import stack_step
from charnn.engines.torch.stack import LayerStates
from charnn.engines.torch.transducer_network import TransducerNetwork, within

WINDOW = 256  # symbols of a prime that are read at once


def to_host(x: Tensor) -> Array:
    """Return a tensor as an array, half precision as single."""
    wide = x.float() if x.dtype == torch.float16 else x
    array: Array = wide.cpu().numpy()
    return array


class TorchStepper:
    """B texts side by side: see `charnn.models.stepper.Stepper`."""

    def __init__(self, network: Any, states: LayerStates, labels: Array | None = None) -> None:
        """Begin at some states; the ids of `labels` (B,) are read at every step."""
        self._network: Network = network
        self._stack, self._head = network.stack, network.head
        self._step = stack_step(network.stack)
        self._labels = None if labels is None else network.tensor(labels)
        self.states = states

    @torch.inference_mode()
    def read(self, ids: Array) -> Array:
        """Read a window of symbols, (T, B) with T >= 1; return the last logits, (B, V)."""
        for window in np.split(ids, range(WINDOW, len(ids), WINDOW)):
            symbols = self._network.tensor(window)
            if self._labels is not None:
                symbols = torch.stack([symbols, self._labels.expand(symbols.shape)], -1)
            h, self.states = self._stack(symbols, self.states)
        return to_host(self._head(h[-1]))

    @torch.inference_mode()
    def step(self, ids: Array) -> Array:
        """Read one symbol of each text, (B,); return the logits (B, V)."""
        symbols = self._network.tensor(ids)
        if self._labels is not None:
            symbols = torch.stack([symbols, self._labels], -1)
        h, self.states = self._step(symbols, self.states)
        return to_host(self._head(h))


class TorchDecoderStepper:
    """Targets side by side: see `charnn.models.decoder_stepper.DecoderStepper`."""

    @torch.inference_mode()
    def __init__(
        self, network: TransducerNetwork, ids: Array, lengths: Array | None, beam: int
    ) -> None:
        """Read sources (S, B), and begin `beam` targets of each."""
        self._network = network
        self._step = stack_step(network.decoder)
        own = on_cpu(lengths)
        keys, first = network.encode(network.tensor(ids), own)
        allowed = within(len(ids), own, keys.device)
        self._states: LayerStates = [
            tuple([state.repeat_interleave(beam, 0) for state in layer]) for layer in first
        ]
        if network.attention is not None:
            self._allowed = None if allowed is None else allowed.repeat_interleave(beam, 0)
            self._keys = readable(keys.repeat_interleave(beam, 1), self._allowed)
            self._projected = network.attention.score.project(self._keys)

    @torch.inference_mode()
    def step(self, ids: Array) -> tuple[Array, Array | None]:
        """Read one symbol of each, (B,): logits (B, V), and alpha (B, S) with attention."""
        network = self._network
        last, self._states = self._step(network.tensor(ids), self._states)
        if network.attention is None:
            return to_host(network.head(last)), None
        h = last[None]
        scores = network.attention.score(h, self._projected)
        alpha = softmax_of_allowed(scores, self._allowed)
        context = torch.matmul(alpha, self._keys.transpose(0, 1)).transpose(0, 1)
        logits = network.head(network.attention.states(context, h)[0])
        return to_host(logits), to_host(alpha[:, 0])

    @torch.inference_mode()
    def take(self, rows: Array) -> None:
        """Go on from the states of these rows (B,), which must be of the same sources."""
        places = self._network.tensor(rows)
        self._states = [tuple([state[places] for state in layer]) for layer in self._states]
