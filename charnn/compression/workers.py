"""Blocks side by side: a worker process for each core, or this process alone.

Each worker is fed by a thread of this process through pipes. When a pipe closes, because this
process ended however it ended, the worker ends at its next report of progress.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from charnn.compression.coding import Codec
from charnn.compression.packing import pack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.worker import (
    COUNT,
    DECODE,
    ENCODE,
    ERROR,
    MODEL,
    PROGRESS,
    perform,
    receive,
    send,
)
from charnn.engines.shards import ONE_THREAD, usable_cores
from charnn.errors import CompressionError, WorkerError
from charnn.nn.blas import single_thread

PROGRAM = "charnn.compression.worker"
AWAKE = 0.2  # seconds between looks at the progress
PASSES = {ENCODE: 2, DECODE: 1}  # what is encoded is decoded, too


@dataclass
class Job:
    """A task for a worker, and how far it is."""

    kind: int
    content: bytes
    size: int  # bytes of the original
    symbols: int = 0  # done, in all passes

    def count(self, symbols: int) -> None:
        """Count more symbols."""
        self.symbols += symbols

    @property
    def done(self) -> int:
        """About how many bytes of the original are done."""
        return min(self.size, self.symbols // PASSES[self.kind])


Progress = Callable[[int], None]  # told how many bytes of the original are done in all


class Hands(Protocol):
    """Who does the jobs."""

    def results(self, jobs: Iterable[Job], progress: Progress) -> Iterator[bytes]:
        """Yield the results of jobs in their order. Raises CompressionError, WorkerError."""


class Worker:
    """A process that codes blocks."""

    def __init__(self, model: bytes) -> None:
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        package = str(Path(__file__).parents[2])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for this process, which ends its workers
        )
        self._model: bytes | None = model

    def do(self, job: Job) -> bytes:
        """Have a job done and return its result. Raises CompressionError, WorkerError."""
        tasks, answers = self._process.stdin, self._process.stdout
        if tasks is None or answers is None:
            raise self._died()
        try:
            if self._model is not None:
                send(tasks, MODEL, self._model)
                self._model = None
            send(tasks, job.kind, job.content)
            while (answer := receive(answers)) is not None and answer[0] == PROGRESS:
                job.count(*COUNT.unpack(answer[1]))
        except (OSError, ValueError) as error:  # ValueError: the pipes have been closed
            raise self._died() from error
        if answer is None:
            raise self._died()
        if answer[0] == ERROR:
            raise CompressionError(answer[1].decode("utf-8"))
        return answer[1]

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def close(self) -> None:
        """Wait for the end of a process that was killed."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def _died(self) -> WorkerError:
        code = self._process.wait()
        return WorkerError(
            f"a worker process ended with exit code {code}; nothing was written. If memory ran "
            "out, free some, or use fewer workers."
        )


class Alone:
    """This process itself."""

    def __init__(self, codec: Codec | None) -> None:
        self._codec = codec

    def results(self, jobs: Iterable[Job], progress: Progress) -> Iterator[bytes]:
        """Yield the results of jobs in their order: see `Hands`."""
        finished = 0
        for job in jobs:

            def count(symbols: int, job: Job = job, finished: int = finished) -> None:
                job.count(symbols)
                progress(finished + job.done)

            with single_thread():
                result = perform(job.kind, job.content, self._codec, count)
            finished += job.size
            progress(finished)
            yield result


class Crew:
    """Worker processes, each with a thread that feeds it."""

    def __init__(self, workers: list[Worker], threads: ThreadPoolExecutor) -> None:
        self._threads, self._count = threads, len(workers)
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def results(self, jobs: Iterable[Job], progress: Progress) -> Iterator[bytes]:
        """Yield the results of jobs in their order: see `Hands`."""
        under_way: deque[tuple[Job, Future[bytes]]] = deque()
        finished = 0

        def first() -> bytes:
            nonlocal finished
            while not wait([under_way[0][1]], AWAKE).done:
                progress(finished + sum(job.done for job, _ in under_way))
            job, future = under_way.popleft()
            result = future.result()
            finished += job.size
            return result

        for job in jobs:
            under_way.append((job, self._threads.submit(self._do, job)))
            if len(under_way) > self._count:
                yield first()
        while under_way:
            yield first()
        progress(finished)

    def _do(self, job: Job) -> bytes:
        worker = self._idle.get()
        try:
            return worker.do(job)
        finally:
            self._idle.put(worker)


@contextmanager
def hands(quantized: QuantizedModel | None, jobs: int, workers: int | None) -> Iterator[Hands]:
    """Start what suits so many jobs: workers (none: as many as cores), or none for a single job.

    Whatever happens inside the `with` block, no process is left behind it.
    """
    count = min(workers or usable_cores(), jobs)
    if count < 2 or quantized is None:
        yield Alone(None if quantized is None else Codec(quantized))
        return
    packed, started = pack(quantized), list[Worker]()
    threads = ThreadPoolExecutor(count)
    try:
        for _ in range(count):
            started.append(Worker(packed))  # each is ended if the next fails
        yield Crew(started, threads)
    finally:
        for worker in started:
            worker.kill()  # it may be in the middle of a block that nobody waits for
        threads.shutdown(wait=True, cancel_futures=True)
        for worker in started:
            worker.close()
