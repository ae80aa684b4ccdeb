"""What every model is: a configuration, the sizes of its alphabets, and its parameters.

A model turns a batch into a loss. All that it computes with is in its parameters; what it computes
is in the stacks and heads that its configuration describes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.heads import Head
from charnn.models.stack import LayerStates, Stack
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.parameters import Gradients, Parameters, ParameterSpec, gradients_in
from charnn.text.batches import Batch

AnyModel = TypeVar("AnyModel", bound="Model")
HeadKind = TypeVar("HeadKind", bound=Head)
LossBackward: TypeAlias = Callable[[Gradients | Arrays], LayerStates]


class Sizes(NamedTuple):
    """How many symbols the data has on either side: those to read, and those to predict.

    What a model adds to them, such as the symbol that ends a sequence, is its own business.
    """

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Model(ABC):
    """A configuration, the sizes of the data's alphabets, and parameters."""

    config: ModelConfig
    sizes: Sizes
    parameters: Parameters
    gains_by_threads: ClassVar[bool] = True  # whether threads may share the work on many samples

    @classmethod
    def started(
        cls: type[AnyModel],
        config: ModelConfig,
        sizes: Sizes,
        seed: int,
        dtype: npt.DTypeLike = np.float32,
    ) -> AnyModel:
        """Return an untrained model: equal seeds give equal weights."""
        specs = cls.specs_of(config, sizes)
        with single_thread():
            parameters = Parameters.started(
                specs, np.random.default_rng(seed), dtype, config.init_scale
            )
        return cls(config, sizes, parameters)

    @classmethod
    @abstractmethod
    def specs_of(cls, config: ModelConfig, sizes: Sizes) -> dict[str, ParameterSpec]:
        """Return the one table of all parameters: names, shapes, starts, in their order."""

    @classmethod
    def state_shapes_of(
        cls,
        config: ModelConfig,  # noqa: ARG003
        sizes: Sizes,  # noqa: ARG003
        batch_size: int,  # noqa: ARG003
    ) -> dict[str, Shape]:
        """Return the names and shapes of the states that are carried from batch to batch."""
        return {}

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """The recurrent cell."""

    @property
    def specs(self) -> dict[str, ParameterSpec]:
        """What each parameter is."""
        return self.specs_of(self.config, self.sizes)

    @property
    def size(self) -> int:
        """Number of parameters, P."""
        return self.parameters.flat.size

    def with_parameters(self: AnyModel, parameters: Parameters) -> AnyModel:
        """Return the same model with other weights."""
        return replace(self, parameters=parameters)

    def state_shapes(self, batch_size: int) -> dict[str, Shape]:
        """Return the names and shapes of the states that are carried from batch to batch."""
        return self.state_shapes_of(self.config, self.sizes, batch_size)

    def zero_states(self, batch_size: int) -> LayerStates:
        """Return the states at the beginning of the data; none are carried unless a model says."""
        return []

    @abstractmethod
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
        """Return the mean loss of a batch in nats per target.

        With it come the states after the batch, and `backward(gradients)`, which adds the gradients
        of all parameters and returns those of the initial states; it can be called once. Where the
        batch is a part of a larger one, `weight` is the whole's, and the loss is the part's share
        of the whole's mean. With `random`, dropout is on; `smoothing` is the share of label
        smoothing.
        """

    def mean_loss(self, batch: Batch) -> float:
        """Return the mean loss of a batch of examples alone, in nats per target."""
        mean, _, _ = self.loss(batch, [], buffers=Buffers())
        return mean


@dataclass(frozen=True)
class StackModel(Model, Generic[HeadKind]):
    """A stack with a head on it."""

    @classmethod
    @abstractmethod
    def stack_of(cls, config: ModelConfig, sizes: Sizes) -> Stack:
        """Return the layers from the symbols to the states."""

    @classmethod
    @abstractmethod
    def head_of(cls, config: ModelConfig, sizes: Sizes, stack: Stack) -> HeadKind:
        """Return the layer from the states to the outputs."""

    @classmethod
    def specs_of(cls, config: ModelConfig, sizes: Sizes) -> dict[str, ParameterSpec]:
        """Return the one table of all parameters: see `Model.specs_of`."""
        stack = cls.stack_of(config, sizes)
        return stack.parameters() | cls.head_of(config, sizes, stack).parameters()

    @cached_property
    def stack(self) -> Stack:
        """The layers from the symbols to the states."""
        return self.stack_of(self.config, self.sizes)

    @cached_property
    def head(self) -> HeadKind:
        """The layer from the states to the outputs."""
        return self.head_of(self.config, self.sizes, self.stack)

    @property
    def cell(self) -> Cell:
        """The recurrent cell."""
        return self.stack.cell

    def loss_from(
        self,
        batch: Batch,
        states: LayerStates,
        random: np.random.Generator | None,
        buffers: Buffers | None,
        weight: float | None,
        smoothing: float,
    ) -> tuple[float, LayerStates, LossBackward]:
        """Return the mean loss of a batch, read from some states on: see `Model.loss`."""
        buffers = buffers or Buffers()
        h, final, backward_stack = self.stack.run(
            self.parameters,
            batch.inputs,
            states,
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
            return backward_stack(backward_head(1 / whole, sums), sums, None)

        return nats / whole, final, backward


@dataclass(frozen=True)
class ExampleModel(StackModel[HeadKind]):
    """A stack with a head whose sequences all begin at zero states: nothing is carried."""

    def prepared(self, batch: Batch) -> Batch:
        """Return what the stack reads and the head predicts of a batch of examples."""
        return batch

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
        """Return the mean loss of a batch: see `Model.loss`."""
        prepared = self.prepared(batch)
        zeros = self.stack.zero_states(prepared.inputs.shape[1], self.parameters.flat.dtype)
        loss, _, backward_from = self.loss_from(prepared, zeros, random, buffers, weight, smoothing)

        def backward(gradients: Gradients | Arrays) -> LayerStates:
            backward_from(gradients)
            return []

        return loss, states, backward

    def hidden(self, ids: Array, lengths: Array, buffers: Buffers) -> Array:
        """Run the stack: ids (T, B), lengths (B,) -> h (T, B, H)."""
        zeros = self.stack.zero_states(ids.shape[1], self.parameters.flat.dtype)
        h, _, _ = self.stack.run(self.parameters, ids, zeros, lengths=lengths, buffers=buffers)
        return h
