"""The tagger: an output for every symbol of a sequence (many to many, of equal length).

h_t = a stack's states; of a bidirectional one, [->h_t; <-h_t], which has seen the whole sequence
y_t = softmax(h_t W_hy + b_y)
L   = mean over all t within the sequences of -log y_t[tag]     in nats per tag
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import ModelConfig
from charnn.models.heads import EveryStep
from charnn.models.model import LossBackward, SequenceModel, Sizes
from charnn.models.stack import LayerStates, Stack
from charnn.nn.buffers import Buffers
from charnn.nn.losses import log_softmax
from charnn.nn.parameters import OUTPUTS, Axis, Gradients
from charnn.text.batches import Batch


@dataclass(frozen=True)
class Tagger(SequenceModel):
    """Reads symbols and predicts a tag for each. `sizes`: symbols, tags."""

    @classmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols to the states."""
        return Stack(config, sizes.inputs, config.bidirectional)

    @classmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> EveryStep:  # noqa: ARG003
        """Return the layer from the states to the tags."""
        return EveryStep(stack.output_size, Axis(OUTPUTS, sizes.outputs))

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
        """Return the mean loss in nats per tag: see `Model.loss`. Every sequence begins at zero."""
        zeros = self.stack.zero_states(batch.inputs.shape[1], self.parameters.flat.dtype)
        loss, _, backward = self.loss_from(batch, zeros, random, buffers, weight, smoothing)

        def backward_alone(gradients: Gradients | Arrays) -> LayerStates:
            backward(gradients)
            return []

        return loss, states, backward_alone

    def log_probabilities(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Return each tag's log probability at every step: ids (T, B) -> (T, B, tags).

        What stands behind the sequences' lengths (B,) is of no meaning.
        """
        zeros = self.stack.zero_states(ids.shape[1], self.parameters.flat.dtype)
        h, _, _ = self.stack.run(self.parameters, ids, zeros, lengths=lengths, buffers=buffers)
        logits, _ = self.head.logits(self.parameters, h, buffers.child("head"))
        return log_softmax(logits).reshape(*ids.shape, -1)
