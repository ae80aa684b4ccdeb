"""The language model: ids in, a distribution over the next symbol out.

h_t = a stack's states (`charnn.models.stack`)
y_t = softmax(h_t W_hy + b_y)
L   = mean over t and b of -log y_t[target]     in nats per symbol
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.attentive_stack import AttentiveStack
from charnn.models.heads import EveryStep
from charnn.models.model import LossBackward, Sizes, StackModel
from charnn.models.stack import LayerStates, Stack, StackBackward
from charnn.models.stepper import Stepper
from charnn.nn.buffers import Buffers
from charnn.nn.losses import cross_entropy
from charnn.nn.parameters import (
    SYMBOLS,
    Axis,
    Gradients,
    ParameterSpec,
    gradients_in,
    shapes_of,
)
from charnn.text.batches import Batch

LogitsBackward: TypeAlias = Callable[[Array, Gradients | Arrays], LayerStates]


def parameter_specs(config: ModelConfig, vocab_size: int) -> dict[str, ParameterSpec]:
    """Return the one table of all parameters: names, shapes, starts, in their order in memory."""
    return LanguageModel.specs_of(config, Sizes(vocab_size, vocab_size))


def parameter_shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Return the names and shapes of all parameters."""
    return shapes_of(parameter_specs(config, vocab_size))


@dataclass(frozen=True)
class LanguageModel(StackModel[EveryStep]):
    """Reads and predicts the same symbols; its states are carried from window to window."""

    @classmethod
    def initialized(
        cls, config: ModelConfig, vocab_size: int, seed: int, dtype: npt.DTypeLike = np.float32
    ) -> LanguageModel:
        """Return an untrained model: equal seeds give equal weights."""
        return cls.started(config, Sizes(vocab_size, vocab_size), seed, dtype)

    @classmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols to the states."""
        return make_stack(config, sizes.inputs)

    @classmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> EveryStep:
        """Return the layer from the states to the next symbol."""
        return EveryStep(
            stack.hidden_size,
            Axis(SYMBOLS, sizes.outputs),
            stack.cell.symbol_gain,
            config.tie_weights,
        )

    @classmethod
    def state_shapes_of(
        cls, config: ModelConfig, sizes: Sizes, batch_size: int
    ) -> dict[str, Shape]:
        """Return the names and shapes of the recurrent states, which windows hand on."""
        return make_stack(config, sizes.inputs).state_shapes(batch_size)

    @property
    def vocab_size(self) -> int:
        """Number of symbols, V."""
        return self.sizes.inputs

    def zero_states(self, batch_size: int) -> LayerStates:
        """Return the states at the beginning of a text, (B, H) each."""
        return self.stack.zero_states(batch_size, self.parameters.flat.dtype)

    def hidden(
        self,
        ids: Array,
        states: LayerStates,
        *,
        lengths: Array | None = None,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, StackBackward]:
        """Run the stack: ids (T, B) -> h (T, B, H), as `Stack.run` does."""
        return self.stack.run(
            self.parameters, ids, states, lengths=lengths, random=random, buffers=buffers
        )

    def logits(
        self,
        ids: Array,
        states: LayerStates,
        *,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, LogitsBackward]:
        """Run a window: ids (T, B) -> logits (T * B, V), the states after it, and `backward`.

        With `random`, dropout is on. `backward(d_logits, gradients)` adds the gradients of all
        parameters and returns those of the initial states; it can be called once. With `buffers`,
        what is returned is valid until the next window.
        """
        buffers = buffers or Buffers()
        h, final, backward_stack = self.hidden(ids, states, random=random, buffers=buffers)
        logits, backward_head = self.head.logits(self.parameters, h, buffers.child("head"))

        def backward(d_logits: Array, gradients: Gradients | Arrays) -> LayerStates:
            sums = gradients_in(gradients)
            return backward_stack(backward_head(d_logits, sums), sums, None)

        return logits, final, backward

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
        """Return the mean loss of a window in nats per symbol: see `Model.loss`."""
        return self.loss_from(batch, states, random, buffers, weight, smoothing)

    def losses(
        self, ids: Array, targets: Array, states: LayerStates, buffers: Buffers
    ) -> tuple[Array, LayerStates]:
        """Run a window: ids and targets (T, B) -> the losses (T, B), and the states after it.

        What is returned is valid until the next window.
        """
        logits, final, _ = self.logits(ids, states, buffers=buffers)
        losses, _ = cross_entropy(logits, targets.reshape(-1))
        return losses.reshape(ids.shape), final

    def read(self, ids: Array, states: LayerStates, buffers: Buffers) -> LayerStates:
        """Return the states after a window: ids (T, B)."""
        _, final, _ = self.hidden(ids, states, buffers=buffers)
        return final

    def begun_again(self, states: LayerStates, rows: Array) -> LayerStates:
        """Return states of which those of some rows, (B,) of bool, are the first of a text."""
        for layer in states:
            for state in layer:
                state[rows] = 0
        return states

    def stepper(self, batch_size: int, states: LayerStates | None = None) -> Stepper:
        """Return what reads B texts symbol by symbol, from some states on, or from zeros."""
        return Stepper(self, batch_size, states)


def make_stack(config: ModelConfig, vocab_size: int) -> Stack:
    """Return the stack of a configuration, with attention to its own past if it asks for that."""
    if config.attention is None:
        return Stack(config, vocab_size)
    return AttentiveStack(config, vocab_size)
