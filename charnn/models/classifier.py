"""The classifier: one output for a whole sequence (many to one).

s = the summary of a stack's states: h at the end, and of a bidirectional stack also <-h at the
    beginning (`charnn.models.heads.WholeSequence`)
y = softmax(s W_hy + b_y)
L = mean over the sequences of -log y[class]     in nats per sequence
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import ModelConfig
from charnn.models.heads import WholeSequence
from charnn.models.model import LossBackward, Model, Sizes
from charnn.models.stack import LayerStates, Stack
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.losses import log_softmax
from charnn.nn.parameters import OUTPUTS, Axis, Gradients, ParameterSpec, gradients_in
from charnn.text.batches import Batch


@dataclass(frozen=True)
class Classifier(Model):
    """Reads a sequence and predicts its class. `sizes`: symbols, classes."""

    @classmethod
    def specs_of(cls, config: ModelConfig, sizes: Sizes) -> dict[str, ParameterSpec]:
        """Return the one table of all parameters: see `Model.specs_of`."""
        stack = Stack(config, sizes.inputs, config.bidirectional)
        return stack.parameters() | make_head(stack, sizes).parameters()

    @cached_property
    def stack(self) -> Stack:
        """The layers from the symbols to the states."""
        return Stack(self.config, self.sizes.inputs, self.config.bidirectional)

    @cached_property
    def head(self) -> WholeSequence:
        """The layer from the states to the class."""
        return make_head(self.stack, self.sizes)

    @property
    def cell(self) -> Cell:
        """The recurrent cell."""
        return self.stack.cell

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
        """Return the mean loss in nats per sequence: see `Model.loss`."""
        buffers = buffers or Buffers()
        zeros = self.stack.zero_states(batch.inputs.shape[1], self.parameters.flat.dtype)
        h, _, backward_stack = self.stack.run(
            self.parameters,
            batch.inputs,
            zeros,
            lengths=batch.lengths,
            random=random,
            buffers=buffers,
        )
        nats, own_weight, backward_head = self.head.loss(
            self.parameters, h, batch, buffers.child("head"), smoothing
        )
        whole = own_weight if weight is None else weight

        def backward(gradients: Gradients | Arrays) -> LayerStates:
            sums = gradients_in(gradients)
            backward_stack(backward_head(1 / whole, sums), sums, None)
            return []

        return nats / whole, states, backward

    def log_probabilities(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Return each class's log probability: ids (T, B), lengths (B,) -> (B, classes)."""
        zeros = self.stack.zero_states(ids.shape[1], self.parameters.flat.dtype)
        h, _, _ = self.stack.run(self.parameters, ids, zeros, lengths=lengths, buffers=buffers)
        logits, _ = self.head.logits(self.parameters, h, lengths, buffers.child("head"))
        return log_softmax(logits)


def make_head(stack: Stack, sizes: Sizes) -> WholeSequence:
    """Return the head that stands on a stack."""
    return WholeSequence(stack.hidden_size, stack.output_size, Axis(OUTPUTS, sizes.outputs))
