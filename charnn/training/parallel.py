"""A run's work in shards: data-parallel training on one machine.

The streams of a batch are dealt out to `shards` parts (see `charnn.training.shard`). The first is
computed here, each other one by a worker process of its own, with BLAS held to one thread. The
number of shards belongs to the configuration, and whatever is added up is added in the order of the
shards, so a run's bits do not depend on how many cores compute them.

A worker is told what to do through a pipe, and answers with a few numbers; all arrays lie in shared
memory. When the pipe closes, because this process ended however it ended, the worker ends, too.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import subprocess
import sys
import time
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, NamedTuple

import charnn
from charnn.arrays import Array
from charnn.config import Config
from charnn.errors import WorkerError
from charnn.models.evaluation import Score
from charnn.models.language_model import LanguageModel, LayerStates, parameter_shapes
from charnn.nn.parameters import count
from charnn.training.shard import IdsFile, Shard, shared_shapes
from charnn.training.shared import SharedArrays

ORDER = struct.Struct("<bqdd")
ANSWER = struct.Struct("<dd")
ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
AWAKE = 2e-3  # seconds that a process waits awake for a message
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


class Stage(IntEnum):
    """What a shard is told to do."""

    COMPUTE = 1
    ADD_GRADIENTS = 2
    APPLY = 3
    EVALUATE = 4
    NOTHING = 5  # shows what telling and answering take


class Order(NamedTuple):
    """A stage and what it needs to know."""

    stage: Stage
    update: int = 0
    learning_rate: float = 0.0
    scale: float = 1.0  # of the gradients


def obey(shard: Shard, order: Order) -> tuple[float, float]:
    """Do what an order says and return its answer."""
    if order.stage == Stage.COMPUTE:
        return shard.compute(order.update), 0.0
    if order.stage == Stage.ADD_GRADIENTS:
        return shard.add_gradients()
    if order.stage == Stage.APPLY:
        shard.apply(order.update, order.learning_rate, order.scale)
    elif order.stage == Stage.EVALUATE:
        score = shard.evaluate()
        return score.nats, score.predictions
    return 0.0, 0.0


def receive(pipe: IO[bytes], size: int) -> bytes:
    """Read `size` bytes from a pipe without a buffer, fewer only where it has ended."""
    stay_awake(pipe)
    content = b""
    while len(content) < size and (piece := pipe.read(size - len(content))):
        content += piece
    return content


def stay_awake(pipe: IO[bytes]) -> None:
    """Wait for something to read, but not for long.

    To wake a sleeping process takes 30 us and more, several times in an update.
    """
    if not hasattr(select, "poll"):  # Windows
        return
    readable = select.poll()
    readable.register(pipe, select.POLLIN)
    end = time.perf_counter() + AWAKE
    while not readable.poll(0) and time.perf_counter() < end:
        os.sched_yield()  # another shard may have this core


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

    def start(self, order: Order) -> None:
        """Give the worker an order. Raises WorkerError."""
        self._write(ORDER.pack(*order))

    def finish(self) -> tuple[float, float]:
        """Wait for the worker's answer and return it. Raises WorkerError."""
        stream = self._process.stdout
        answer = receive(stream, ANSWER.size) if stream is not None else b""
        if len(answer) < ANSWER.size:
            raise self._died()
        one, other = ANSWER.unpack(answer)
        return one, other

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


class Shards:
    """All shards of a run. Close it, or use it as a context, to end the workers."""

    def __init__(self, config: Config, model: LanguageModel, source: IdsFile) -> None:
        """Move the model's parameters into shared memory; workers start with the first order."""
        self._config, self._source = config, source
        self._vocab_size = model.vocab_size
        shapes = shared_shapes(config, model.vocab_size)
        private = config.training.shards in (None, 1)
        self._arrays = arrays = SharedArrays(shapes, private=private)
        arrays["parameters"][:] = model.parameters.flat
        self._own = own = Shard(config, model.vocab_size, source.open(), arrays, 0)
        self._workers: list[Worker] = []
        self.model, self.evaluated = own.model, own.evaluated
        self.gradients = own.gradients
        self.streams = own.streams
        self.optimizer_state = {slot: arrays[slot] for slot in own.optimizer.slots}
        self.persistent = {  # all that updates change, and a run goes on from
            name: arrays[name] for name in shapes if not name.startswith("gradients")
        }
        self.average: Array | None = None
        if config.training.average is not None:
            self.average = arrays["average"]
            self.average[:] = model.parameters.flat
        names = iter(self.model.state_shapes(1))
        self.states: LayerStates = [
            tuple(arrays[next(names)] for _ in self.model.cell.states)
            for _ in range(config.model.num_layers)
        ]

    def compute(self, update: int) -> float:
        """Return the loss of an update, counted from 0. Raises WorkerError, as all orders do."""
        if update % self.streams.windows == 0:
            self.set_states(None)
        return sum(loss for loss, _ in self._all(Order(Stage.COMPUTE, update)))

    def add_gradients(self) -> tuple[float, float]:
        """Add up the shards' gradients in `gradients`, and clip each by value.

        Returns the norm of all before clipping and after it.
        """
        squares = self._all(Order(Stage.ADD_GRADIENTS))
        before, after = (math.sqrt(sum(each)) for each in zip(*squares, strict=True))
        return before, after

    def apply(self, update: int, learning_rate: float, scale: float) -> None:
        """Make an update, counted from 1, with the gradients times `scale`."""
        self._all(Order(Stage.APPLY, update, learning_rate, scale))

    def evaluate(self) -> Score:
        """Return the loss on the validation part."""
        parts = self._all(Order(Stage.EVALUATE))
        nats, predictions = (sum(each) for each in zip(*parts, strict=True))
        return Score(nats, int(predictions))

    def synchronize(self) -> None:
        """Give an order to do nothing, and wait until it is done."""
        self._all(Order(Stage.NOTHING))

    def _all(self, order: Order) -> list[tuple[float, float]]:
        """Have an order done by all shards at once and return their answers."""
        while len(self._workers) < (self._config.training.shards or 1) - 1:
            self._workers.append(self._start(len(self._workers) + 1))
        for worker in self._workers:
            worker.start(order)
        own = obey(self._own, order)
        return [own, *(worker.finish() for worker in self._workers)]

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
    """Be a worker: compute what is ordered until the orders end. The pipes have no buffers."""
    setup = json.loads(orders.readline())
    config = Config.from_values(setup["config"])
    arrays = SharedArrays(shared_shapes(config, setup["vocab_size"]), setup["handle"])
    ids = IdsFile(**setup["ids"]).open()
    shard = Shard(config, setup["vocab_size"], ids, arrays, setup["number"])
    while len(content := receive(orders, ORDER.size)) == ORDER.size:
        order = Order(*ORDER.unpack(content))
        answers.write(ANSWER.pack(*obey(shard, order)))
