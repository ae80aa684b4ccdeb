"""The language model: ids in, a distribution over the next symbol out.

h_t = a stack's states (`charnn.models.stack`)
y_t = softmax(h_t W_hy + b_y)
L   = mean over t and b of -log y_t[target]     in nats per symbol
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.heads import NextSymbol
from charnn.models.stack import LayerStates, Stack, StackBackward
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.parameters import Gradients, Parameters, ParameterSpec, gradients_in, shapes_of
from charnn.text.batches import Batch

LogitsBackward: TypeAlias = Callable[[Array, Gradients | Arrays], LayerStates]
LossBackward: TypeAlias = Callable[[Gradients | Arrays], LayerStates]


def parameter_specs(config: ModelConfig, vocab_size: int) -> dict[str, ParameterSpec]:
    """Return the one table of all parameters: names, shapes, starts, in their order in memory."""
    stack = Stack(config, vocab_size)
    return stack.parameters() | make_head(stack, vocab_size).parameters()


def parameter_shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Return the names and shapes of all parameters."""
    return shapes_of(parameter_specs(config, vocab_size))


def make_head(stack: Stack, vocab_size: int) -> NextSymbol:
    """Return the head that stands on a stack."""
    return NextSymbol(stack.hidden_size, vocab_size, stack.cell.symbol_gain)


@dataclass(frozen=True)
class LanguageModel:
    """A configuration and its parameters; everything else is computed."""

    config: ModelConfig
    vocab_size: int
    parameters: Parameters

    @classmethod
    def initialized(
        cls, config: ModelConfig, vocab_size: int, seed: int, dtype: npt.DTypeLike = np.float32
    ) -> LanguageModel:
        """Return an untrained model: equal seeds give equal weights."""
        specs = parameter_specs(config, vocab_size)
        with single_thread():
            parameters = Parameters.started(specs, np.random.default_rng(seed), dtype)
        return cls(config, vocab_size, parameters)

    @cached_property
    def stack(self) -> Stack:
        """The layers from the symbols to the states."""
        return Stack(self.config, self.vocab_size)

    @cached_property
    def head(self) -> NextSymbol:
        """The layer from the states to the next symbol."""
        return make_head(self.stack, self.vocab_size)

    @property
    def specs(self) -> dict[str, ParameterSpec]:
        """What each parameter is."""
        return parameter_specs(self.config, self.vocab_size)

    @property
    def cell(self) -> Cell:
        """The recurrent cell."""
        return self.stack.cell

    def with_parameters(self, parameters: Parameters) -> LanguageModel:
        """Return the same model with other weights."""
        return LanguageModel(self.config, self.vocab_size, parameters)

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
    ) -> tuple[float, LayerStates, LossBackward]:
        """Return the mean loss of a batch in nats per symbol.

        With it come the states after the batch, and `backward(gradients)`, which adds the gradients
        of all parameters and returns those of the initial states; it can be called once. Where the
        batch is a part of a larger one, `weight` is the whole's, and the loss is the part's share
        of the whole's mean.
        """
        buffers = buffers or Buffers()
        h, final, backward_stack = self.hidden(
            batch.inputs, states, lengths=batch.lengths, random=random, buffers=buffers
        )
        nats, own_weight, backward_head = self.head.loss(
            self.parameters, h, batch, buffers.child("head")
        )
        whole = own_weight if weight is None else weight

        def backward(gradients: Gradients | Arrays) -> LayerStates:
            sums = gradients_in(gradients)
            return backward_stack(backward_head(1 / whole, sums), sums, None)

        return nats / whole, final, backward


def adopt_weights(model: LanguageModel, source: LanguageModel, symbols: Mapping[int, int]) -> None:
    """Copy a model's weights into one with another vocabulary: `symbols` maps ids to the source's.

    What belongs to a symbol (a row of the input, a column of the output) is copied by the symbol;
    symbols that the source lacks keep the weights that they have.
    """
    ours, theirs = list(symbols), list(symbols.values())
    for name, spec in model.specs.items():
        array, known = model.parameters[name], source.parameters[name]
        if spec.symbol_axis is None:
            array[...] = known
        else:
            rows = np.moveaxis(array, spec.symbol_axis, 0)
            rows[ours] = np.moveaxis(known, spec.symbol_axis, 0)[theirs]
