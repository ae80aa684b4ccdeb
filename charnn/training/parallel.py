"""One update's gradient, computed in shards: data-parallel training on one machine.

The streams of a batch are dealt out to `shards` parts. The first is computed here, each other one
by a worker process of its own, with BLAS held to one thread; then the gradients are added up in
the order of the shards. The number of shards belongs to the configuration, so a run's bits do not
depend on how many cores compute them.

Parameters, gradients and states lie in shared memory. A worker is told the number of an update
through a pipe, and answers with its share of the loss. When the pipe closes, because this process
ended however it ended, the worker ends, too.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import charnn
from charnn.arrays import Array, Shape
from charnn.config import Config
from charnn.errors import WorkerError
from charnn.models.language_model import LanguageModel, LayerStates, parameter_shapes
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Parameters, count
from charnn.text.batches import Streams
from charnn.training.shared import SharedArrays

ORDER = struct.Struct("<q")  # an update to compute the gradient of
ANSWER = struct.Struct("<d")  # its share of the loss
ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
LEAST_WORK = 1e8  # floating-point operations of a shard's update: less is not worth a worker
LEAST_STREAMS = 4  # of a shard


def default_shards(config: Config, vocab_size: int) -> int:
    """Return how many shards suit the machine's cores, the batch and the model."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    training = config.training
    size = count(parameter_shapes(config.model, vocab_size))
    work = 6.0 * size * training.batch_size * training.seq_length
    return max(1, min(cores, training.batch_size // LEAST_STREAMS, int(work // LEAST_WORK)))


def shared_shapes(config: Config, vocab_size: int) -> dict[str, Shape]:
    """Return the arrays that all shards of a run share."""
    size = count(parameter_shapes(config.model, vocab_size))
    model = LanguageModel(config.model, vocab_size, Parameters({}))
    shapes: dict[str, Shape] = {"parameters": (size,)}
    shapes |= {f"gradients{n}": (size,) for n in range(config.training.shards or 1)}
    return shapes | model.state_shapes(config.training.batch_size)


class Shard:
    """One part of the batch: computes its share of an update's loss and gradient."""

    def __init__(
        self, config: Config, vocab_size: int, ids: Array, arrays: SharedArrays, number: int
    ) -> None:
        training, shards = config.training, config.training.shards or 1
        shapes = parameter_shapes(config.model, vocab_size)
        self.model = LanguageModel(
            config.model, vocab_size, Parameters(shapes, flat=arrays["parameters"])
        )
        self.gradients = Parameters(shapes, flat=arrays[f"gradients{number}"])
        first, last = (training.batch_size * n // shards for n in (number, number + 1))
        self.streams = Streams(ids, training.batch_size, training.seq_length)
        self.columns = slice(first, last)
        names = iter(self.model.state_shapes(1))
        self.states: LayerStates = [
            tuple(arrays[next(names)][self.columns] for _ in self.model.cell.states)
            for _ in range(config.model.num_layers)
        ]
        self._seed = training.seed, number
        self._state_reset = training.state_reset
        self._buffers = Buffers()

    def compute(self, update: int) -> float:
        """Return the shard's share of an update's loss; its gradient replaces `gradients`."""
        window = update % self.streams.windows
        inputs, targets = self.streams.window(window, self.columns)
        self.gradients.flat[:] = 0
        seed, number = self._seed
        random = np.random.default_rng((seed, update, number))
        if self._state_reset:
            afresh = random.random(inputs.shape[1]) < self._state_reset
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


class Worker:
    """A process that computes one shard."""

    def __init__(self, setup: dict[str, Any], arrays: SharedArrays) -> None:
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        package = str(Path(charnn.__file__).parent.parent)
        paths = [package, os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self.number = setup["number"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "charnn.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            pass_fds=arrays.inherited,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the run, which tells its workers to stop
        )
        self._write((json.dumps(setup) + "\n").encode("utf-8"))

    def start(self, update: int) -> None:
        """Tell the worker to compute an update's gradient. Raises WorkerError."""
        self._write(ORDER.pack(update))

    def finish(self) -> float:
        """Wait for the worker and return its share of the loss. Raises WorkerError."""
        stream = self._process.stdout
        answer = b""
        while stream is not None and len(answer) < ANSWER.size:
            piece = stream.read(ANSWER.size - len(answer))
            if not piece:
                raise self._died()
            answer += piece
        (loss,) = ANSWER.unpack(answer)
        return float(loss)

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, content: bytes) -> None:
        stream = self._process.stdin
        try:
            if stream is not None:
                stream.write(content)
        except OSError as error:
            raise self._died() from error

    def _died(self) -> WorkerError:
        code = self._process.wait()
        return WorkerError(
            f"the worker of shard {self.number} ended with code {code}; the last checkpoint is "
            "good: go on with --resume (free memory if it ran out)."
        )


@dataclass(frozen=True)
class IdsFile:
    """Where a text's ids lie on disk."""

    path: str
    dtype: str
    start: int
    length: int

    def open(self) -> Array:
        """Map the ids into memory."""
        ids: Array = np.memmap(self.path, self.dtype, "r")
        return ids[self.start : self.start + self.length]


class Shards:
    """All shards of a run. Close it, or use it as a context, to end the workers."""

    def __init__(self, config: Config, model: LanguageModel, ids: Array, source: IdsFile) -> None:
        """Move the model's parameters into shared memory; workers start with the first update."""
        self._config, self._source = config, source
        self._vocab_size = model.vocab_size
        self._arrays = SharedArrays(shared_shapes(config, model.vocab_size))
        self._arrays["parameters"][:] = model.parameters.flat
        self._own = Shard(config, model.vocab_size, ids, self._arrays, 0)
        self._workers: list[Worker] = []
        self.model = self._own.model
        self.gradients = self._own.gradients
        self.streams = self._own.streams
        names = iter(self.model.state_shapes(1))
        self.states: LayerStates = [
            tuple(self._arrays[next(names)] for _ in self.model.cell.states)
            for _ in range(config.model.num_layers)
        ]

    def compute(self, update: int) -> float:
        """Return an update's loss; `gradients` are its gradients. Raises WorkerError."""
        shards = self._config.training.shards or 1
        while len(self._workers) < shards - 1:
            self._workers.append(self._start(len(self._workers) + 1))
        if update % self.streams.windows == 0:
            self.set_states(None)
        for worker in self._workers:
            worker.start(update)
        loss = self._own.compute(update)
        for worker in self._workers:
            loss += worker.finish()
        for number in range(1, shards):
            self.gradients.flat[:] += self._arrays[f"gradients{number}"]
        return loss

    def set_states(self, states: LayerStates | None) -> None:
        """Replace the states of all streams, with zeros where None is given."""
        for number, layer in enumerate(self.states):
            for place, state in enumerate(layer):
                state[...] = 0 if states is None else states[number][place]

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def _start(self, number: int) -> Worker:
        setup = {
            "config": self._config.values(),
            "vocab_size": self._vocab_size,
            "ids": vars(self._source),
            "handle": self._arrays.handle,
            "number": number,
        }
        return Worker(setup, self._arrays)


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Be a worker: compute what is ordered until the orders end."""
    setup = json.loads(orders.readline())
    config = Config.from_values(setup["config"])
    arrays = SharedArrays(shared_shapes(config, setup["vocab_size"]), setup["handle"])
    ids = IdsFile(**setup["ids"]).open()
    shard = Shard(config, setup["vocab_size"], ids, arrays, setup["number"])
    while len(order := orders.read(ORDER.size)) == ORDER.size:
        (update,) = ORDER.unpack(order)
        answers.write(ANSWER.pack(shard.compute(update)))
        answers.flush()
