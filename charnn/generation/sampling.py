"""Sampling: the model's own output, symbol by symbol, fed back as its input.

y_t = softmax(logits_t / temperature), cut to the top k or the top p, then x_{t+1} ~ y_t
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from charnn.arrays import Array
from charnn.config import SamplingConfig
from charnn.errors import ConfigError
from charnn.models.language_model import LanguageModel
from charnn.models.stepper import Stepper
from charnn.nn.blas import single_thread
from charnn.text.vocabulary import Vocabulary


def distribution(
    logits: Array, temperature: float, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """Return the distribution to draw from: logits (B, V), -inf where forbidden -> (B, V) float64.

    `temperature` 0 puts all on the likeliest symbol. `top_k` keeps the k likeliest; `top_p` keeps
    the smallest set of likeliest symbols that holds at least that share (Holtzman et al., 2020).
    """
    y = logits.astype(np.float64)
    y -= y.max(axis=1, keepdims=True)
    if temperature == 0:
        top_k = 1
    elif temperature != 1:
        with np.errstate(over="ignore"):
            y /= temperature
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y if top_k is None and top_p is None else truncated(y, top_k, top_p)


def truncated(y: Array, top_k: int | None, top_p: float | None) -> Array:
    """Cut distributions (B, V) to their top k, then to their top p."""
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
    cumulative = np.cumsum(y, axis=1)
    last = np.nextafter(cumulative[:, -1], 0)
    target = np.minimum(uniform * cumulative[:, -1], last)
    chosen: Array = (cumulative > target[:, None]).argmax(axis=1)
    return chosen


def sample_ids(
    model: LanguageModel,
    vocabulary: Vocabulary,
    options: SamplingConfig,
    prime: Array,
) -> Iterator[Array]:
    """Yield the ids of one symbol after the other for `options.num` samples, (num,) each.

    `prime` (P,) is read first; without one the text starts as after a newline, or, where the
    vocabulary has none, after a symbol drawn evenly. The unknown symbol is never drawn.
    """
    random = np.random.default_rng(options.seed)
    stepper = Stepper(model, options.num)
    if not len(prime):
        prime = first_symbol(vocabulary, random)
    made = 0
    with single_thread():
        logits = stepper.read(np.repeat(prime[:, None], options.num, axis=1))
        while options.length is None or made < options.length:
            if vocabulary.unknown_id is not None:
                logits[:, vocabulary.unknown_id] = -np.inf
            y = distribution(logits, options.temperature, options.top_k, options.top_p)
            ids = draw(y, random.random(options.num))
            yield ids
            made += 1
            logits = stepper.step(ids)


def first_symbol(vocabulary: Vocabulary, random: np.random.Generator) -> Array:
    """Return the id of what a text without a prime starts after, (1,)."""
    newline = vocabulary.encode("\n")
    if newline[0] != vocabulary.missing_id:
        return newline
    return random.integers(0, len(vocabulary.symbols), 1)


def until(stop: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass pieces of text on until `stop` appears, which is left out.

    What could be the beginning of `stop` is held back until the next pieces tell.
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
    """Yield one sample's text as it is made, encoded in UTF-8 (a byte model's bytes as they are).

    The prime is not repeated. Its characters that the vocabulary lacks become the unknown symbol,
    or are left out where there is none.
    """
    columns = sample_ids(model, vocabulary, options, encode_prime(vocabulary, options.prime))
    pieces = (vocabulary.to_bytes(ids[:1]) for ids in columns)
    return until(options.stop.encode(), pieces) if options.stop else pieces


def sample(model: LanguageModel, vocabulary: Vocabulary, options: SamplingConfig) -> list[bytes]:
    """Return `options.num` whole samples, computed as one batch, each as `stream` gives it.

    Raises ConfigError for an endless length.
    """
    if options.length is None:
        raise ConfigError("length is none, but whole samples need an end; give a number.")
    columns = sample_ids(model, vocabulary, options, encode_prime(vocabulary, options.prime))
    drawn = np.array(list(columns), np.int64).reshape(options.length, options.num)
    samples = []
    for row in drawn.T:
        pieces = (vocabulary.to_bytes([symbol]) for symbol in row)
        samples.append(b"".join(until(options.stop.encode(), pieces) if options.stop else pieces))
    return samples


def encode_prime(vocabulary: Vocabulary, prime: str) -> Array:
    """Return the ids of a prime, without what the vocabulary cannot express."""
    ids = vocabulary.encode(prime)
    return ids[ids < len(vocabulary)]
