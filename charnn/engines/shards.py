"""The NumPy engine: data-parallel training in shards, on the cores of one machine.

The columns of a batch are dealt out to `shards` parts (see `charnn.engines.shard`). The first is
computed here, each other one by a worker process of its own, with BLAS held to one thread. The
number of shards belongs to the configuration, and whatever is added up is added in the order of the
shards, so a run's bits do not depend on how many cores compute them.

A worker is told what to do through a pipe. When the pipe closes, because this process ended however
it ended, the worker ends, too.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.config import Config
from charnn.engines.shard import Shard, shared_shapes
from charnn.engines.shards_memory import DataPlace, SharedArrays
from charnn.engines.shards_messages import (
    ANSWER,
    ORDER,
    Answer,
    Order,
    Stage,
    carry_out,
    receive,
)
from charnn.errors import WorkerError
from charnn.models.model import Model, Sizes
from charnn.models.score import Score
from charnn.nn.blas import single_thread
from charnn.nn.clipping import clipping_factor
from charnn.nn.parameters import count, shapes_of
from charnn.tasks.registry import task_of
from charnn.tasks.task import PARTS, Dataset

PROGRAM = "charnn.engines.shards_worker"
ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
LEAST_WORK = 1e8  # floating-point operations of a shard's update: less is not worth a worker
LEAST_COLUMNS = 4  # of a shard


def default_shards(config: Config, sizes: Sizes, symbols: float) -> int:
    """Return how many shards suit the machine's cores and an update on so many symbols."""
    columns = config.training.batch_size // LEAST_COLUMNS
    worth = int(work_of(config, sizes, symbols) // LEAST_WORK)
    return max(1, min(usable_cores(), columns, worth))


def usable_cores() -> int:
    """Return how many of the machine's cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def work_of(config: Config, sizes: Sizes, symbols: float) -> float:
    """Return about how many floating-point operations an update on so many symbols is."""
    return 6.0 * count(shapes_of(task_of(config).model.specs_of(config.model, sizes))) * symbols


class Worker:
    """A process that computes one shard."""

    def __init__(self, setup: dict[str, Any], arrays: SharedArrays) -> None:
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        package = str(Path(__file__).parents[2])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self.number = setup["number"]
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", PROGRAM],
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

    def finish(self) -> Answer:
        """Wait for the worker's answer and return it. Raises WorkerError."""
        stream = self._process.stdout
        answer = receive(stream, ANSWER.size) if stream is not None else b""
        if len(answer) < ANSWER.size:
            raise self._died()
        return ANSWER.unpack(answer)

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
            f"the worker process of shard {self.number} ended with exit code {code}; the last "
            "checkpoint is good, so resume the run with --resume (if memory ran out, free some "
            "first)."
        )


class Shards:
    """All shards of a run: an engine, see `charnn.engines.engine`."""

    def __init__(self, config: Config, model: Model, dataset: Dataset) -> None:
        """Move the model's parameters into shared memory; workers start with the first order."""
        self._config, self._sizes = config, model.sizes
        data = dataset.arrays
        self._data = place = DataPlace.of(data, dataset.path)
        private = config.training.shards in (None, 1)
        shapes = shared_shapes(config, model.sizes)
        self._arrays = arrays = SharedArrays(
            shapes, 0 if private else place.shared_bytes, private=private
        )
        arrays["parameters"][:] = model.parameters.flat
        if config.training.ema_decay is not None:
            arrays["average"][:] = model.parameters.flat
        if not private:
            place.fill(arrays, data)
        self._own = Shard(config, model.sizes, data, arrays, 0)
        self.model = self._own.model
        self._workers: list[Worker] = []
        self._exported = self._named_arrays()

    def update(self, number: int, rate: float) -> tuple[float, float]:
        """Make an update in three stages: see `Engine.update`."""
        with single_thread():
            loss = sum(share for share, *_ in self._all(Order(Stage.COMPUTE, number)))
            squares = self._all(Order(Stage.ADD_GRADIENTS))
            norm, clipped_norm, *_ = (math.sqrt(sum(each)) for each in zip(*squares, strict=True))
            if math.isfinite(loss) and math.isfinite(norm):
                scale = clipping_factor(clipped_norm, self._config.training.clip_norm)
                self._all(Order(Stage.APPLY, number + 1, rate, scale))
        return loss, norm

    def evaluate(self, part: str) -> Score:
        """Return the score on a part of the data: see `Engine.evaluate`."""
        with single_thread():
            shares = self._all(Order(Stage.EVALUATE, PARTS.index(part)))
        nats, *counts = (sum(each) for each in zip(*shares, strict=True))
        return Score(nats, *map(int, counts))

    def weights(self) -> dict[str, Array]:
        """Return views of the shared memory: see `Engine.weights`."""
        return {
            name: array
            for name, array in self._exported.items()
            if name.startswith("parameters/") or name == "average"
        }

    def export(self) -> dict[str, Array]:
        """Return views of the shared memory: see `Engine.export`."""
        return dict(self._exported)

    def load(self, arrays: Arrays) -> None:
        """Copy arrays into the shared memory: see `Engine.load`."""
        for name, array in self._exported.items():
            array[...] = arrays[name]

    def not_finite(self) -> str | None:
        """Return what is not finite, in words: see `Engine.not_finite`."""
        words = {"optimizer": "the optimiser's memory", "state": "a recurrent state"}
        for name, array in self._exported.items():
            if not np.isfinite(array).all():
                return f"{words.get(name.partition('/')[0], 'a weight')} is not finite"
        return None

    def any(self, wish: str, flag: bool) -> bool:
        """Return the flag: the run has no participant but this process."""
        return flag

    def notes(self) -> list[str]:
        """Return nothing: see `Engine.notes`."""
        return []

    def provenance(self) -> dict[str, str]:
        """Return the name of the engine: see `Engine.provenance`."""
        return {"engine": "shards"}

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def synchronize(self) -> None:
        """Give an order to do nothing, and wait until it is done."""
        self._all(Order(Stage.NOTHING))

    def _all(self, order: Order) -> list[Answer]:
        """Have an order carried out by all shards at once and return their answers."""
        while len(self._workers) < (self._config.training.shards or 1) - 1:
            self._workers.append(self._start(len(self._workers) + 1))
        for worker in self._workers:
            worker.start(order)
        own = carry_out(self._own, order)
        return [own, *(worker.finish() for worker in self._workers)]

    def _start(self, number: int) -> Worker:
        setup = {
            "config": self._config.values(),
            "sizes": self._sizes,
            "data": asdict(self._data),
            "handle": self._arrays.handle,
            "number": number,
        }
        return Worker(setup, self._arrays)

    def _named_arrays(self) -> dict[str, Array]:
        """Return all that updates change, by the checkpoint's names."""
        slots = self._own.optimizer.slots
        named = {f"parameters/{name}": array for name, array in self.model.parameters.items()}
        named |= {f"optimizer/{slot}": self._arrays[slot] for slot in slots}
        if self._config.training.ema_decay is not None:
            named["average"] = self._arrays["average"]
        states = self.model.state_shapes(1)
        return named | {f"state/{name}": self._arrays[name] for name in states}
