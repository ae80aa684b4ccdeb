"""The tagger: an output for every symbol of a sequence (many to many, of equal length).

h_t = a stack's states; of a bidirectional one, [->h_t; <-h_t], which has seen the whole sequence
y_t = softmax(h_t W_hy + b_y)
L   = mean over all t within the sequences of -log y_t[tag]     in nats per tag
"""

from __future__ import annotations

from dataclasses import dataclass

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.heads import EveryStep
from charnn.models.model import ExampleModel, Sizes
from charnn.models.stack import Stack
from charnn.nn.buffers import Buffers
from charnn.nn.losses import log_softmax
from charnn.nn.parameters import OUTPUTS, Axis


@dataclass(frozen=True)
class Tagger(ExampleModel[EveryStep]):
    """Reads symbols and predicts a tag for each. `sizes`: symbols, tags."""

    @classmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols to the states."""
        return Stack(config, sizes.inputs, config.bidirectional)

    @classmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> EveryStep:  # noqa: ARG003
        """Return the layer from the states to the tags."""
        return EveryStep(stack.output_size, Axis(OUTPUTS, sizes.outputs))

    def log_probabilities(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Return each tag's log probability at every step: ids (T, B) -> (T, B, tags).

        What stands behind the sequences' lengths (B,) is of no meaning.
        """
        h = self.hidden(ids, lengths, buffers)
        logits, _ = self.head.logits(self.parameters, h, buffers.child("head"))
        return log_softmax(logits).reshape(*ids.shape, -1)
