"""The classifier: one output for a whole sequence (many to one).

s = the summary of a stack's states: h at the end, and of a bidirectional stack also <-h at the
    beginning (`charnn.models.heads.WholeSequence`)
y = softmax(s W_hy + b_y)
L = mean over the sequences of -log y[class]     in nats per sequence
"""

from __future__ import annotations

from dataclasses import dataclass

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.heads import WholeSequence
from charnn.models.model import ExampleModel, Sizes
from charnn.models.stack import Stack
from charnn.nn.buffers import Buffers
from charnn.nn.losses import log_softmax
from charnn.nn.parameters import OUTPUTS, Axis


@dataclass(frozen=True)
class Classifier(ExampleModel[WholeSequence]):
    """Reads a sequence and predicts its class. `sizes`: symbols, classes."""

    @classmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols to the states."""
        return Stack(config, sizes.inputs, config.bidirectional)

    @classmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> WholeSequence:  # noqa: ARG003
        """Return the layer from the states to the class."""
        return WholeSequence(stack.hidden_size, stack.output_size, Axis(OUTPUTS, sizes.outputs))

    def log_probabilities(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Return each class's log probability: ids (T, B), lengths (B,) -> (B, classes)."""
        h = self.hidden(ids, lengths, buffers)
        logits, _ = self.head.logits(self.parameters, h, lengths, buffers.child("head"))
        return log_softmax(logits)
