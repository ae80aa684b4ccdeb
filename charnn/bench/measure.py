"""Timing: medians of repeated measurements, two sides in turn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from charnn.config import ModelConfig, SamplingConfig
from charnn.generation.sampling import sample_matrix
from charnn.models.evaluation import evaluate
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

ROUND_SECONDS = 0.25  # of one side, before the other's turn
PEAK_SIZE = 1536  # rows and columns of the product whose speed is called the peak


def seconds_each(work: Callable[[], object], times: int) -> list[float]:
    """Call `work` some times and return how long each call took."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def in_turn(sides: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median time of each side's work, measured in turn: A B A B ..."""
    times = []
    for side in sides:
        seconds_each(side, 2)
        (one,) = seconds_each(side, 1)
        times.append(max(1, round(ROUND_SECONDS / max(one, 1e-6))))
    taken: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for number, side in enumerate(sides):
            taken[number] += seconds_each(side, times[number])
    return [median(each) for each in taken]


def peak_gflops(threads: int | None, rounds: int = 5) -> float:
    """Return the speed of a float32 matrix product in 1e9 operations a second."""
    random = np.random.default_rng(0)
    a, b = (random.random((PEAK_SIZE, PEAK_SIZE), np.float32) for _ in range(2))
    out = np.empty_like(a)
    with threadpool_limits(threads, user_api="blas"):
        np.matmul(a, b, out=out)
        taken = min(seconds_each(lambda: np.matmul(a, b, out=out), rounds))
    return float(2 * PEAK_SIZE**3 / taken / 1e9)


def sampling_model(cell: str, num_layers: int, hidden_size: int, vocab_size: int) -> LanguageModel:
    """Return a model to sample from: random weights take as long as trained ones."""
    config = ModelConfig(cell=cell, num_layers=num_layers, hidden_size=hidden_size, dropout=0)
    return LanguageModel.initialized(config, vocab_size, 1)


def sampler(model: LanguageModel, num: int, length: int) -> Callable[[], object]:
    """Return work that samples `num` texts of `length` symbols as one batch."""
    vocabulary = Vocabulary("".join(chr(ord("0") + n) for n in range(model.vocab_size)))
    options = SamplingConfig(length=length, num=num, seed=1)

    return lambda: sample_matrix(model, vocabulary, options)


def evaluator(model: LanguageModel, length: int) -> Callable[[], object]:
    """Return work that evaluates a model on `length` random symbols."""
    ids = np.random.default_rng(2).integers(0, model.vocab_size, length)
    return lambda: evaluate(model, ids)


def start_up_seconds(arguments: list[str], rounds: int = 7) -> float:
    """Return the median time of a whole `charnn` process, its interpreter included."""
    command = [sys.executable, "-m", "charnn", *arguments]

    def work() -> None:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603

    return median(seconds_each(work, rounds))


def peak_memory() -> Iterator[tuple[str, int]]:
    """Yield the largest resident memory so far, in bytes, of this process and of its workers."""
    try:
        import resource
    except ImportError:  # Windows
        return
    unit = 1 if sys.platform == "darwin" else 1024
    yield "this process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    yield "largest worker", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
