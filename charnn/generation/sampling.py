"""Sampling: symbols are drawn one by one, each fed back to the model as its next input.

y_t = softmax(logits_t / temperature), truncated to the top k or the top p, then x_{t+1} ~ y_t
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.config import SamplingConfig
from charnn.errors import ConfigError
from charnn.models.language_model import LanguageModel
from charnn.nn.blas import single_thread
from charnn.text.vocabulary import Vocabulary, utf8

BELOW_ONE = 1 - np.finfo(np.float64).eps
SIDE_BY_SIDE = 32  # samples that one thread computes as a batch
WORTH_A_THREAD = 300_000  # parameters; with fewer, threads mostly wait for Python's lock


def distribution(
    logits: Array, temperature: float, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """Return the distribution to draw from: logits (B, V), -inf where forbidden -> (B, V) float64.

    `temperature` 0 gives all probability to the likeliest symbol. `top_k` keeps the k likeliest
    symbols; `top_p` keeps the smallest set of likeliest symbols whose probabilities sum to at least
    that (Holtzman et al., 2020).
    """
    if temperature == 0:
        greedy = np.zeros(logits.shape)
        np.put_along_axis(greedy, logits.argmax(axis=1)[:, None], 1, axis=1)
        return greedy
    y = logits.astype(np.float64)
    y -= np.maximum.reduce(y, axis=1, keepdims=True)
    if temperature != 1:
        with np.errstate(over="ignore"):
            y /= temperature
    np.exp(y, out=y)
    y /= np.add.reduce(y, axis=1, keepdims=True)
    return y if top_k is None and top_p is None else truncated(y, top_k, top_p)


def truncated(y: Array, top_k: int | None, top_p: float | None) -> Array:
    """Truncate distributions (B, V) to their top k, then to their top p, and renormalise them."""
    order = np.argsort(-y, axis=1, kind="stable")
    ranked = np.take_along_axis(y, order, axis=1)
    if top_k is not None:
        ranked[:, top_k:] = 0
        ranked /= ranked.sum(axis=1, keepdims=True)
    if top_p is not None:
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[before >= top_p] = 0
        ranked /= ranked.sum(axis=1, keepdims=True)
    np.put_along_axis(y, order, ranked, axis=1)
    return y


def draw(y: Array, uniform: Array) -> Array:
    """Draw one symbol from each row by inverting its cumulative sum: y (B, V), uniform (B,)."""
    cumulative = y.cumsum(axis=1)
    total = cumulative[:, -1:]
    target = np.minimum(uniform[:, None] * total, BELOW_ONE * total)
    chosen: Array = (cumulative > target).argmax(axis=1)
    return chosen


class SideBySide:
    """The random numbers of several batches as those of one: each has a generator of its own."""

    def __init__(self, generators: Iterable[np.random.Generator], sizes: Sequence[int]) -> None:
        """Take the batches' generators and numbers of samples."""
        self._batches = list(zip(generators, sizes, strict=True))

    def random(self, _num: int) -> Array:
        """Return a number from 0 to 1 for each sample."""
        return np.concatenate([random.random(size) for random, size in self._batches])

    def integers(self, low: int, high: int, _size: int) -> Array:
        """Return a whole number for each sample, the same for all of a batch."""
        return np.concatenate(
            [random.integers(low, high, 1).repeat(size) for random, size in self._batches]
        )


def sample_ids(
    model: LanguageModel,
    vocabulary: Vocabulary,
    options: SamplingConfig,
    prime: Array,
    random: np.random.Generator | SideBySide | None = None,
) -> Iterator[Array]:
    """Yield, step by step, the ids (num,) of the next symbol of each of `options.num` samples.

    The model first reads `prime` (P,). If that is empty, it reads a newline or, if the vocabulary
    has none, a symbol drawn uniformly. The unknown symbol is never drawn. `random` replaces the
    generator that would be made from the seed of the options.
    """
    random = random or np.random.default_rng(options.seed)
    stepper = model.stepper(options.num)
    begin = prime[:, None] if len(prime) else first_symbol(vocabulary, random)[None]
    made = 0
    with blas_threads(options):
        logits = stepper.read(np.broadcast_to(begin, (len(begin), options.num)).copy())
        while options.length is None or made < options.length:
            if vocabulary.unknown_id is not None:
                logits[:, vocabulary.unknown_id] = -np.inf
            y = distribution(logits, options.temperature, options.top_k, options.top_p)
            ids = draw(y, random.random(options.num))
            yield ids
            made += 1
            logits = stepper.step(ids)


def blas_threads(options: SamplingConfig) -> AbstractContextManager[object]:
    """Let BLAS use all its threads for one sample, but a single one for a batch.

    The products of one sample read large weights once, which is faster on two cores. Each of their
    numbers is summed by one thread, so the result is the same bit for bit.
    """
    return nullcontext() if options.num == 1 else single_thread()


def first_symbol(vocabulary: Vocabulary, random: np.random.Generator | SideBySide) -> Array:
    """Return the id of the symbol that is read first when there is no prime: of all, or of each."""
    newline = vocabulary.encode("\n")
    if newline[0] != vocabulary.missing_id:
        return newline
    return random.integers(0, len(vocabulary.symbols), 1)


def until(stop: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces of text until `stop` appears, which is left out.

    Text that may be the beginning of `stop` is held back until the following pieces decide it.
    """
    held = b""
    for piece in pieces:
        held += piece
        at = held.find(stop)
        if at >= 0:
            yield held[:at]
            return
        keep = next(
            n for n in range(min(len(stop) - 1, len(held)), -1, -1) if held.endswith(stop[:n])
        )
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    yield held


def stream(
    model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig
) -> Iterator[bytes]:
    """Yield the text of one sample as it is drawn, in UTF-8 (a byte model's bytes as they are).

    The prime is not repeated. Characters of the prime that are not in the vocabulary become the
    unknown symbol or, if there is none, are left out.
    """
    columns = sample_ids(model, vocabulary, options, encode_prime(vocabulary, options.prime))
    pieces = (vocabulary.to_bytes(ids[:1]) for ids in columns)
    return until(utf8(options.stop), pieces) if options.stop else pieces


def sample(model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig) -> list[bytes]:
    """Return `options.num` complete samples, each in the form that `stream` yields.

    Raises ConfigError if the length is none.
    """
    samples = []
    for row in sample_matrix(model, vocabulary, options).T:
        pieces = (vocabulary.to_bytes([symbol]) for symbol in row)
        samples.append(b"".join(until(utf8(options.stop), pieces) if options.stop else pieces))
    return samples


def sample_matrix(model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig) -> Array:
    """Return the ids of complete samples, (length, num).

    Many samples of a large model are computed in batches. Each batch has its own random numbers,
    and its own thread where that gains something, so the result does not depend on threads.
    """
    length, num = options.length, options.num
    if length is None:
        raise ConfigError(
            "length is none, but complete samples need an end; give a number (--len N)."
        )
    prime = encode_prime(vocabulary, options.prime)
    large = model.size >= WORTH_A_THREAD
    batches = -(-num // SIDE_BY_SIDE) if large else 1
    seeds = np.random.SeedSequence(options.seed).spawn(batches - 1)
    generators: Any = map(np.random.default_rng, [options.seed, *seeds])
    sizes = [num * (n + 1) // batches - num * n // batches for n in range(batches)]
    if batches > 1 and not model.gains_by_threads:
        sizes, generators = [num], [SideBySide(generators, sizes)]
    stopped = Event()

    def batch(size: int, random: np.random.Generator | SideBySide) -> Array:
        own = replace(options, num=size)
        drawn = np.empty((length, own.num), np.int64)
        for row, ids in zip(drawn, sample_ids(model, vocabulary, own, prime, random), strict=True):
            row[:] = ids
            if stopped.is_set():
                break
        return drawn

    with blas_threads(options), ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            parts = list(pool.map(batch, sizes, generators))
        except BaseException:
            stopped.set()  # after Ctrl-C the pool still waits for its threads
            raise
    return np.concatenate(parts, axis=1)


def encode_prime(vocabulary: Vocabulary, prime: str) -> Array:
    """Return the ids of a prime, without characters that the vocabulary cannot express."""
    ids = vocabulary.encode(prime)
    return ids[ids < len(vocabulary)]
