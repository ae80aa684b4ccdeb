"""A transducer's decoder, prepared for one time step after the other, as decoding needs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from charnn.arrays import Array
from charnn.models.heads import EveryStep
from charnn.models.stack import LayerStates, Stack
from charnn.models.stepper import StackStepper
from charnn.nn.attention import Attention
from charnn.nn.parameters import Parameters, group


class Parts(Protocol):
    """What of a transducer computes a step."""

    @property
    def decoder(self) -> Stack:
        """The layers over the target's symbols."""

    @property
    def attention(self) -> Attention | None:
        """What looks at the source, if anything does."""

    @property
    def head(self) -> EveryStep:
        """The distribution over the next symbol."""


class DecoderStepper:
    """B targets side by side, read symbol by symbol."""

    def __init__(
        self,
        parts: Parts,
        parameters: Parameters,
        keys: Array,
        allowed: Array | None,
        first: LayerStates,
    ) -> None:
        """Begin at the first states; `keys` (S, B, K) are the encoder's, `allowed` is (B, S)."""
        decoder = group(parameters, "decoder")
        self._stack = StackStepper(parts.decoder, decoder, first)
        self._logits = parts.head.prepared(decoder, keys.shape[1])
        self._attend = None
        if parts.attention is not None:
            weights = group(parameters, "attention")
            self._attend = parts.attention.prepared(keys, allowed, weights)
            self._W_c = np.split(weights["W_c"], [keys.shape[2]])

    def step(self, ids: Array) -> tuple[Array, Array | None]:
        """Read one symbol of each, (B,): logits (B, V) until the next step, and alpha (B, S)."""
        h = self._stack.step(ids)
        if self._attend is None:
            return self._logits(h), None
        context, alpha = self._attend(h)
        by_context, by_state = self._W_c
        return self._logits(np.tanh(context @ by_context + h @ by_state)), alpha

    def take(self, rows: Array) -> None:
        """Go on from the states of these rows (B,), which must be of the same sources."""
        self._stack.take(rows)
