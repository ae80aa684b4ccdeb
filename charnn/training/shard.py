"""One part of a run's work: some of the batch's streams, and a slice of the parameters.

An update has three stages, and every shard ends one before any begins the next:

    compute         loss and gradient of the shard's own streams
    add_gradients   all shards' gradients added up, for the shard's slice of the parameters
    apply           clipping, the optimiser and the average, for the same slice

Parameters, gradients, states and the optimiser's memory lie in memory that all shards share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array, Shape
from charnn.config import Config
from charnn.models.evaluation import Score, evaluate
from charnn.models.language_model import LanguageModel, LayerStates, parameter_shapes
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Parameters, count
from charnn.registry import OPTIMIZERS
from charnn.text.batches import Streams
from charnn.training.clipping import clip_by_value
from charnn.training.shared import SharedArrays

SLICE_UNIT = 16  # parameters: shards' slices do not share a cache line


@dataclass(frozen=True)
class IdsFile:
    """Where a corpus's ids lie on disk: the training part, then the validation part."""

    path: str
    dtype: str
    train: int  # symbols
    val: int

    def open(self) -> tuple[Array, Array]:
        """Map both parts into memory."""
        ids: Array = np.memmap(self.path, self.dtype, "r")
        return ids[: self.train], ids[self.train : self.train + self.val]


def shared_shapes(config: Config, vocab_size: int) -> dict[str, Shape]:
    """Return the arrays that all shards of a run share."""
    training = config.training
    size = count(parameter_shapes(config.model, vocab_size))
    model = LanguageModel(config.model, vocab_size, Parameters({}))
    vectors = ["parameters", *OPTIMIZERS[training.optimizer].slots]
    vectors += [f"gradients{number}" for number in range(training.shards or 1)]
    if training.average is not None:
        vectors.append("average")
    return dict.fromkeys(vectors, (size,)) | model.state_shapes(training.batch_size)


class Shard:
    """The work of shard `number` of a run."""

    def __init__(
        self,
        config: Config,
        vocab_size: int,
        ids: tuple[Array, Array],
        arrays: SharedArrays,
        number: int,
    ) -> None:
        training, shards = config.training, config.training.shards or 1
        self._training, self._number, self._shards = training, number, shards
        self._ids, self._val = ids
        shapes = parameter_shapes(config.model, vocab_size)
        self.model = LanguageModel(
            config.model, vocab_size, Parameters(shapes, flat=arrays["parameters"])
        )
        self.evaluated = self.model  # the model that is evaluated and sampled
        if training.average is not None:
            averaged = Parameters(shapes, flat=arrays["average"])
            self.evaluated = LanguageModel(config.model, vocab_size, averaged)
        self.gradients = Parameters(shapes, flat=arrays[f"gradients{number}"])
        first, last = (training.batch_size * n // shards for n in (number, number + 1))
        self.streams = Streams(self._ids, training.batch_size, training.seq_length)
        self.columns = slice(first, last)
        names = iter(self.model.state_shapes(1))
        self.states: LayerStates = [
            tuple(arrays[next(names)][self.columns] for _ in self.model.cell.states)
            for _ in range(config.model.num_layers)
        ]
        units = -(-self.gradients.flat.size // SLICE_UNIT)
        start, end = (units * n // shards * SLICE_UNIT for n in (number, number + 1))
        part = slice(start, end)
        self._gradients = [arrays[f"gradients{n}"][part] for n in range(shards)]
        self._parameters = arrays["parameters"][part]
        self._average = arrays["average"][part] if training.average is not None else None
        rule = OPTIMIZERS[training.optimizer]
        self.optimizer = rule(training, {slot: arrays[slot][part] for slot in rule.slots})
        self._buffers = Buffers()

    def compute(self, update: int) -> float:
        """Return the shard's share of an update's loss; its gradient replaces `gradients`."""
        window = update % self.streams.windows
        inputs, targets = self.streams.window(window, self.columns)
        random = np.random.default_rng((self._training.seed, update, self._number))
        if self._training.state_reset:
            afresh = random.random(inputs.shape[1]) < self._training.state_reset
            for state in (state for layer in self.states for state in layer):
                state[afresh] = 0
        loss, after, backward = self.model.loss(
            inputs,
            targets,
            self.states,
            random=random,
            buffers=self._buffers,
            symbols=len(inputs) * self.streams.batch_size,
        )
        backward(self.gradients)
        for layer, layer_after in zip(self.states, after, strict=True):
            for state, state_after in zip(layer, layer_after, strict=True):
                state[...] = state_after
        return loss

    def add_gradients(self) -> tuple[float, float]:
        """Add up the gradients of all shards in their order, and clip each by value.

        Returns the sum of the squared gradients before clipping and after it.
        """
        total, *others = self._gradients
        for gradients in others:
            total += gradients
        squared = clipped = float(total @ total)
        if self._training.clip_value is not None:
            clip_by_value(total, self._training.clip_value)
            clipped = float(total @ total)
        return squared, clipped

    def apply(self, update: int, learning_rate: float, scale: float) -> None:
        """Make an update, counted from 1, with the gradients times `scale`."""
        gradients = self._gradients[0]
        if scale != 1:
            gradients *= gradients.dtype.type(scale)
        self.optimizer.update(self._parameters, gradients, learning_rate, update)
        if self._average is not None:
            self._average_in(update, self._average)

    def _average_in(self, update: int, average: Array) -> None:
        """`average <- d average + (1 - d) p`; d grows to its value over the first updates."""
        decay = min(self._training.average or 0.0, update / (update + 10))
        average -= (1 - decay) * (average - self._parameters)

    def evaluate(self) -> Score:
        """Return the shard's share of the loss on the validation part."""
        return evaluate(self.evaluated, self._val, part=(self._number, self._shards))
