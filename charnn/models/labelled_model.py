"""The labelled language model: sequences of a given class (one to many).

x_t = the symbol before, and the label, at every step: their one-hot vectors or embeddings added
h_t = a stack's states
y_t = softmax(h_t W_hy + b_y)
L   = mean over all symbols, and the end of each sequence, of -log y_t[target]    in nats per symbol

Of V symbols and N labels, the input's ids are the V symbols, the begin symbol, and the labels; the
output's are the V symbols and the end symbol (`charnn.models.delimiters`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.delimiters import delimited
from charnn.models.heads import EveryStep
from charnn.models.model import ExampleModel, Sizes
from charnn.models.stack import Stack
from charnn.models.stepper import Stepper
from charnn.nn.parameters import OUTPUTS, Axis
from charnn.text.batches import Batch


@dataclass(frozen=True)
class LabelledModel(ExampleModel[EveryStep]):
    """Predicts a sequence symbol by symbol, given its label. `sizes`: labels, symbols."""

    @classmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols and labels to the states."""
        return Stack(config, sizes.outputs + 1 + sizes.inputs, labelled=True)

    @classmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> EveryStep:
        """Return the layer from the states to the next symbol."""
        outputs = Axis(OUTPUTS, sizes.outputs + 1)
        return EveryStep(stack.output_size, outputs, stack.cell.symbol_gain, config.tie_weights)

    @property
    def delimiter(self) -> int:
        """The id that is read before the first symbol, and predicted after the last one."""
        return self.sizes.outputs

    def label_ids(self, labels: Array) -> Array:
        """Return labels as ids of the input."""
        return labels.astype(np.intp) + self.sizes.outputs + 1

    def stepper(self, labels: Array) -> Stepper:
        """Return what reads sequences of these labels (B,) symbol by symbol."""
        return Stepper(self, len(labels), labels=self.label_ids(labels))

    def prepared(self, batch: Batch) -> Batch:
        """Return labels (1, B) and their sequences (T, B) as what is read and predicted."""
        lengths = batch.target_ends
        symbols, targets = delimited(batch.targets, lengths, self.delimiter)
        if batch.fed is not None:
            symbols = batch.fed
        labels = np.broadcast_to(self.label_ids(batch.inputs[0]), symbols.shape)
        return Batch(np.stack([symbols, labels], axis=-1), targets, lengths + 1)
