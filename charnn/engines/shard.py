"""One part of an update's work: some of the batch's columns, and a slice of the parameters.

An update has three stages, and every shard ends one before any begins the next:

    compute         loss and gradient of the shard's own columns
    add_gradients   all shards' gradients added up, for the shard's slice of the parameters
    apply           clipping, the optimiser and the average, for the same slice

Parameters, gradients, states and the optimiser's memory lie in memory that all shards share.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.config import Config
from charnn.engines.shards_memory import SharedArrays
from charnn.models.model import Model, Sizes
from charnn.models.score import Score
from charnn.models.stack import LayerStates, by_layer
from charnn.nn.buffers import Buffers
from charnn.nn.clipping import clip_by_value
from charnn.nn.parameters import Gradients, Parameters, count, decaying, shapes_of
from charnn.nn.teacher_forcing import share_of_data
from charnn.registry import OPTIMIZERS
from charnn.tasks.registry import task_of
from charnn.tasks.task import total_updates
from charnn.text.batches import Batch

FEEDBACK = 1  # tells the draws of scheduled sampling from an update's other random numbers
SLICE_UNIT = 16  # parameters: shards' slices do not share a cache line


def shared_shapes(config: Config, sizes: Sizes) -> dict[str, Shape]:
    """Return the float32 arrays that all shards of a run share."""
    training, kind = config.training, task_of(config).model
    size = count(shapes_of(kind.specs_of(config.model, sizes)))
    vectors = ["parameters", *OPTIMIZERS[training.optimizer].slots]
    vectors += [f"gradients{number}" for number in range(training.shards or 1)]
    if training.ema_decay is not None:
        vectors.append("average")
    states = kind.state_shapes_of(config.model, sizes, training.batch_size)
    return dict.fromkeys(vectors, (size,)) | states


def states_in(
    arrays: SharedArrays | Arrays, model: Model, columns: slice = slice(None)
) -> LayerStates:
    """Return some columns of the carried states that lie in shared memory, layer by layer."""
    return by_layer({name: arrays[name][columns] for name in model.state_shapes(1)})


class Shard:
    """The work of shard `number` of a run."""

    def __init__(
        self,
        config: Config,
        sizes: Sizes,
        data: Arrays,
        arrays: SharedArrays,
        number: int,
    ) -> None:
        """Take a share of the work on a dataset's arrays."""
        training, shards = config.training, config.training.shards or 1
        self._task, self._training, self._data = task_of(config), training, data
        self._share, self._number = (number, shards), number
        specs = self._task.model.specs_of(config.model, sizes)
        shapes = shapes_of(specs)
        self.model = self._task.model(
            config.model, sizes, Parameters(shapes, flat=arrays["parameters"])
        )
        self.evaluated = self.model  # the model that is evaluated and sampled
        if training.ema_decay is not None:
            self.evaluated = self.model.with_parameters(Parameters(shapes, flat=arrays["average"]))
        self.source = self._task.source(data, config)
        self._total = total_updates(config, self.source)
        first, last = (training.batch_size * n // shards for n in (number, number + 1))
        self._states = states_in(arrays, self.model, slice(first, last))
        self._states_after: LayerStates = []
        self._gradients = Gradients(Parameters(shapes, flat=arrays[f"gradients{number}"]))
        units = -(-count(shapes) // SLICE_UNIT)
        start, end = (units * n // shards * SLICE_UNIT for n in (number, number + 1))
        part = slice(start, end)
        self._gradient_slices = [arrays[f"gradients{n}"][part] for n in range(shards)]
        self._parameter_slice = arrays["parameters"][part]
        self._average_slice = arrays["average"][part] if training.ema_decay is not None else None
        rule = OPTIMIZERS[training.optimizer]
        self.optimizer = rule(
            training, {slot: arrays[slot][part] for slot in rule.slots}, decaying(specs)[part]
        )
        self._buffers = Buffers()

    def compute(self, update: int) -> float:
        """Return the shard's share of an update's loss, and compute its share of the gradient."""
        random = np.random.default_rng((self._training.seed, update, self._number))
        batch = self.source.batch(update, self._share)
        self._gradients.clear()
        loss = 0.0
        if batch.targets.shape[1]:  # a small batch may leave nothing to some shards
            states = self._states_before(update, random)
            loss, self._states_after, backward = self.model.loss(
                self._fed_back(batch, states, update),
                states,
                random=random,
                buffers=self._buffers,
                weight=self.source.weight(update),
                smoothing=self._training.label_smoothing,
            )
            backward(self._gradients)
        self._gradients.settle()
        return loss

    def _fed_back(self, batch: Batch, states: LayerStates, update: int) -> Batch:
        """Return a batch some of whose inputs the model draws itself, if that was asked for."""
        training = self._training
        if training.scheduled_sampling is None:
            return batch
        share = share_of_data(
            training.scheduled_sampling, update, self._total, training.sampling_floor
        )
        random = np.random.default_rng((training.seed, update, self._number, FEEDBACK))
        return self._task.fed_back(self.model, batch, states, share, random)

    def _states_before(self, update: int, random: np.random.Generator) -> LayerStates:
        """Return the states to begin a batch with: those after the last one, or zeros."""
        first = self.source.begins(update)
        if not self._states or (not first and not self._training.state_reset):
            return self._states
        fresh = np.full(len(self._states[0][0]), first)
        if self._training.state_reset:
            fresh |= random.random(len(fresh)) < self._training.state_reset
        states = [tuple(state.copy() for state in layer) for layer in self._states]
        for state in (state for layer in states for state in layer):
            state[fresh] = 0
        return states

    def add_gradients(self) -> tuple[float, float]:
        """Add up the gradients of all shards in their order, and clip each by value.

        Returns the sum of the squared gradients before clipping and after it.
        """
        total, *others = self._gradient_slices
        for gradients in others:
            total += gradients
        squared = clipped = float(total @ total)
        if self._training.clip_value is not None:
            clip_by_value(total, self._training.clip_value)
            clipped = float(total @ total)
        return squared, clipped

    def apply(self, update: int, learning_rate: float, scale: float) -> None:
        """Make an update, counted from 1, with the gradients times `scale`."""
        gradients = self._gradient_slices[0]
        if scale != 1:
            gradients *= gradients.dtype.type(scale)
        self.optimizer.update(self._parameter_slice, gradients, learning_rate, update)
        if self._average_slice is not None:
            self._average_in(update, self._average_slice)
        for layer, layer_after in zip(self._states, self._states_after, strict=True):
            for state, after in zip(layer, layer_after, strict=True):
                state[...] = after

    def _average_in(self, update: int, average: Array) -> None:
        """`average <- d average + (1 - d) p`; d grows to its value over the first updates."""
        decay = min(self._training.ema_decay or 0.0, update / (update + 10))
        average -= (1 - decay) * (average - self._parameter_slice)

    def evaluate(self, part: str) -> Score:
        """Return the shard's share of the score on a part of the data."""
        return self._task.evaluate(self.evaluated, self._data, part, self._share)
