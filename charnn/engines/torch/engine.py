"""The engine on PyTorch: see `charnn.engines.engine`.

    forward, backward    the loss of this rank's columns of the batch, and its gradient
    all-reduce           one vector: all gradients, the loss, and what the ranks wish
    clip, update         by every rank alike, so that all keep the same weights

The loss of a rank is its share of the whole batch's mean, so gradients are added up, and columns
need not be equal parts. Masks and data do not depend on the number of ranks. Decisions, such as
whether a loss is finite, are taken on numbers that have been added up, so all ranks decide alike.
"""

from __future__ import annotations

import math
from dataclasses import astuple
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charnn.arrays import Array, Arrays
from charnn.config import Config, EngineConfig
from charnn.engines.shard import FEEDBACK
from charnn.engines.shards import work_of
from charnn.engines.team import Team
from charnn.engines.torch.gradient import Gradient
from charnn.engines.torch.graphs import Graphs, worthwhile
from charnn.engines.torch.inference import in_evaluation, outside
from charnn.engines.torch.layout import Layout
from charnn.engines.torch.library import device_of, keep_memory, multiply_as, threads_for
from charnn.engines.torch.networks import network_of
from charnn.engines.torch.optimizers import TorchOptimizer
from charnn.engines.torch.randomness import Columns, DeviceRandomness, ShardsRandomness
from charnn.engines.torch.stack import LayerStates
from charnn.models.correspondence import pytorch
from charnn.models.model import Model
from charnn.models.score import Score
from charnn.models.stack import by_layer
from charnn.nn.clipping import clipping_factor
from charnn.nn.gru import GRU
from charnn.nn.parameters import Parameters
from charnn.nn.teacher_forcing import share_of_data
from charnn.tasks.registry import task_of
from charnn.tasks.task import Dataset, total_updates
from charnn.text.batches import Batch

WISHES = ("stop", "save")


class TorchEngine:
    """A run's arrays and updates in PyTorch, of one process or of a rank of several."""

    def __init__(
        self, config: Config, model: Model, dataset: Dataset, options: EngineConfig, team: Team
    ) -> None:
        """Take over a model's weights, those of rank 0. Raises ConfigError."""
        self._config, self._options, self._team = config, options, team
        self._task, self._data = task_of(config), dataset.arrays
        self._source = self._task.source(self._data, config)
        self._total = total_updates(config, self._source)
        self._device = device_of(options, getattr(team, "local_rank", 0))
        multiply_as(options.precision)
        work = work_of(config, model.sizes, self._source.mean_symbols / team.size)
        keep_memory()
        self._threads_before = torch.get_num_threads()
        self._threads = threads_for(work) if self._device.type == "cpu" else None
        self._model = model
        self._dtype = torch.float64 if model.parameters.flat.dtype == np.float64 else torch.float32
        self.network = network_of(model).to(self._device, self._dtype)
        self.layout = Layout(self.network, model.parameters.shapes)
        self._gradient = Gradient(self.network, self.layout, options.precision, len(WISHES))
        specs = model.specs
        decaying = [specs[name].decays for name in self.layout.owners]
        self._optimizer = TorchOptimizer(config.training, self.layout.weights, decaying)
        self._average: list[Tensor] | None = None
        self._evaluated = self.network
        self._write_parameters(model.parameters.flat)
        if config.training.ema_decay is not None:  # the average is a network's weights, too
            self._evaluated = network_of(model).to(self._device, self._dtype)
            self._average = Layout(self._evaluated, model.parameters.shapes).weights
            with torch.no_grad():
                torch._foreach_copy_(self._average, self.layout.weights)
        self._names = list(model.state_shapes(1))
        self._columns = Columns(
            config.training.batch_size, self._own(config.training.batch_size), self._shards
        )
        self._states = self._zero_states()
        if worthwhile(self.network):
            self._gradient.graphs = Graphs((config.training.seq_length, self._columns.count))
        self._wished = dict.fromkeys(WISHES, False)
        self._answered = dict.fromkeys(WISHES, False)

    @torch.no_grad()
    def update(self, number: int, rate: float) -> tuple[float, float]:
        """Make an update: see `Engine.update`."""
        if self._threads not in (None, torch.get_num_threads()):
            torch.set_num_threads(self._threads)
        own, after = self._compute(number)
        wishes = [self._wished[wish] for wish in WISHES]
        gradient, norm, loss, said = self._gradient.added_up(own, wishes, self._team)
        self._answered = dict(zip(WISHES, said, strict=True))
        self._wished = dict.fromkeys(WISHES, False)
        training = self._config.training
        clipped = norm
        if training.clip_value is not None:
            gradient.clamp_(-training.clip_value, training.clip_value)
            clipped = float(torch.linalg.vector_norm(gradient))
        if math.isfinite(loss) and math.isfinite(norm):
            scale = clipping_factor(clipped, training.clip_norm)
            if scale != 1:
                gradient.mul_(scale)
            self._optimizer.update(number, rate)
            if self._average is not None:
                decay = min(training.ema_decay or 0.0, (number + 1) / (number + 11))
                torch._foreach_lerp_(self._average, self.layout.weights, 1 - decay)
            self._states = after
        return loss, norm

    def evaluate(self, part: str) -> Score:
        """Return the score on a part of the data: see `Engine.evaluate`."""
        share = self._team.rank, self._team.size
        with in_evaluation(self._evaluated):
            model = outside(self._model, self._evaluated)
            score = self._task.evaluate(model, self._data, part, share)
        sums = torch.tensor(astuple(score), dtype=torch.float64)
        self._team.add_up(sums)
        nats, *counts = sums.tolist()
        return Score(nats, *map(round, counts))

    def weights(self) -> dict[str, Array]:
        """Return copies of the weights: see `Engine.weights`."""
        flat = self.layout.read(self.layout.weights)
        named = Parameters(self._model.parameters.shapes, flat=flat)
        arrays = {f"parameters/{name}": array for name, array in named.items()}
        if self._average is not None:
            arrays["average"] = self.layout.read(self._average)
        return arrays

    def export(self) -> dict[str, Array]:
        """Return copies of everything: see `Engine.export`."""
        arrays = self.weights()
        average = arrays.pop("average", None)
        slots = self._optimizer.export(self.layout)
        arrays |= {f"optimizer/{slot}": vector for slot, vector in slots.items()}
        if average is not None:
            arrays["average"] = average
        flat = [state for layer in self._states for state in layer]
        for name, state in zip(self._names, flat, strict=True):
            whole = self._team.columns_together(state, self._columns.total)
            arrays[f"state/{name}"] = whole.cpu().numpy().copy()
        return arrays

    def load(self, arrays: Arrays) -> None:
        """Take over copies of everything: see `Engine.load`."""
        flat = [arrays[f"parameters/{name}"].reshape(-1) for name in self._model.parameters]
        self.layout.write(np.concatenate(flat), self.layout.weights)
        if self._average is not None:
            self.layout.write(arrays["average"].copy(), self._average)
        slots = {slot: arrays[f"optimizer/{slot}"] for slot in self._optimizer.rule.slots}
        self._optimizer.load(slots, self.layout)
        own = self._columns.own
        self._states = by_layer(
            {name: self._tensor(arrays[f"state/{name}"][own]) for name in self._names}
        )

    def not_finite(self) -> str | None:
        """Return what is not finite, in words: see `Engine.not_finite`."""
        states = [state for layer in self._states for state in layer]
        faults = (
            ("a weight", [*self.layout.weights, *(self._average or [])]),
            ("a recurrent state", states),
        )
        found = [not all(bool(torch.isfinite(each).all()) for each in fault) for _, fault in faults]
        found.append(self._optimizer.not_finite())
        sums = torch.tensor(found, dtype=torch.float64)
        self._team.add_up(sums)
        words = [*(name for name, _ in faults), "the optimiser's memory"]
        for name, fault in zip(words, sums.tolist(), strict=True):
            if fault:
                return f"{name} is not finite"
        return None

    def any(self, wish: str, flag: bool) -> bool:
        """Return whether any rank said so before the last update: see `Engine.any`."""
        if self._team.size == 1:
            return flag
        self._wished[wish] = flag and not self._answered[wish]  # which is about to be done
        return self._answered[wish]

    def notes(self) -> list[str]:
        """Return why the network runs step by step, if it does: see `Engine.notes`."""
        cell = self._model.cell
        if not self.network.loops:
            return []
        if pytorch(cell) is not None:
            reason = "PyTorch's layers drop nothing inside the recurrence"
            return [f"{reason}, so the network runs step by step, which is slower."]
        other = "; --gru-reset after is faster" if isinstance(cell, GRU) else ""
        return [f"PyTorch has no {cell}, so it runs step by step, which is slower{other}."]

    def provenance(self) -> dict[str, str]:
        """Return PyTorch's version, the device and the number of ranks."""
        name = "cpu"
        if self._device.type == "cuda":
            name = torch.cuda.get_device_name(self._device)
        ranks = f", {self._team.size} ranks" if self._team.size > 1 else ""
        return {"engine": f"torch {torch.__version__}, {name}, {self._options.precision}{ranks}"}

    def close(self) -> None:
        """Leave PyTorch as it was; whoever made the team closes it."""
        torch.set_num_threads(self._threads_before)

    @cached_property
    def _shards(self) -> int:
        """How many generators draw masks: the shards', where their columns are one after the other.

        Examples are dealt out to shards in another order, so there they are drawn as by one.
        """
        return (self._config.training.shards or 1) if self._model.state_shapes(1) else 1

    def _own(self, total: int) -> slice:
        """Return which of a batch's columns are this rank's."""
        rank, size = self._team.rank, self._team.size
        return slice(total * rank // size, total * (rank + 1) // size)

    def _compute(self, number: int) -> tuple[Tensor, LayerStates]:
        """Compute this rank's share of an update's loss and gradient, and the states after it."""
        training = self._config.training
        whole = self._source.batch(number)
        total = whole.inputs.shape[1]
        columns = Columns(total, self._own(total), self._shards)
        random: ShardsRandomness
        if self._device.type == "cpu":
            random = ShardsRandomness(training.seed, number, columns, self._dtype)
        else:
            random = DeviceRandomness(training.seed, number, columns, self._device, self._dtype)
        states = self._states_before(number, random)
        if columns.count == 0:  # a small batch may leave nothing to some ranks
            self._gradient.clear()
            return torch.zeros(()), states
        batch = self._fed_back(whole.columns(columns.own), states, number, columns)
        weight, smoothing = self._source.weight(number), training.label_smoothing
        return self._gradient.compute(batch, states, random, weight, smoothing)

    def _states_before(self, number: int, random: ShardsRandomness) -> LayerStates:
        """Return the states to begin a batch with: those after the last one, or zeros."""
        first, reset = self._source.begins(number), self._config.training.state_reset
        if not self._names or (not first and not reset):
            return self._states
        fresh = np.full(self._columns.count, first)
        if reset:
            fresh |= random.uniform((self._columns.total,)) < reset
        kept = torch.from_numpy(~fresh).to(self._device)
        return [
            tuple(
                state * kept.view(-1, *[1] * (state.dim() - 1)).to(state.dtype) for state in layer
            )
            for layer in self._states
        ]

    def _fed_back(self, batch: Batch, states: LayerStates, number: int, columns: Columns) -> Batch:
        """Return a batch some of whose inputs the model draws itself, if that was asked for."""
        training = self._config.training
        if training.scheduled_sampling is None:
            return batch
        share = share_of_data(
            training.scheduled_sampling, number, self._total, training.sampling_floor
        )
        random: Any = ShardsRandomness(training.seed, number, columns, self._dtype, FEEDBACK)
        with in_evaluation(self.network):
            model = outside(self._model, self.network)
            return self._task.fed_back(model, batch, states, share, random)

    def _write_parameters(self, flat: Array) -> None:
        """Begin with a model's parameters (P,): those of rank 0, whoever made them."""
        whole = torch.from_numpy(flat.copy())
        self._team.broadcast(whole)
        self.layout.write(whole.numpy(), self.layout.weights)

    def _zero_states(self) -> LayerStates:
        """Return the states at the data's beginning, of this rank's columns."""
        shapes = self._model.state_shapes(self._columns.count)
        kind = {"dtype": self._dtype, "device": self._device}
        return by_layer({name: torch.zeros(shape, **kind) for name, shape in shapes.items()})

    def _tensor(self, array: Array) -> Tensor:
        """Return a copy of an array on the device."""
        return torch.tensor(array, dtype=self._dtype, device=self._device)
