"""How surprising each symbol of a text is to a model, and what kind of symbol surprises it.

    s_t = -log2 y_{t-1}[x_t]    in bits: 1 bit is a chance of 1/2, 8 bits one of 1/256

A symbol is an error where the model gave it a chance below 1/2, s_t > 1. Errors are sorted after
Karpathy, Johnson and Li ("Visualizing and understanding recurrent networks", 2015, their analysis
of errors), who take one class after the other away. Each error is in the first class that fits; the
definitions are those of `charnn.analysis.error_classes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from charnn.analysis.error_classes import KINDS, ErrorSorter
from charnn.analysis.ngrams import ignore
from charnn.arrays import Array
from charnn.models.evaluation import LARGEST_LOGITS, SHORTEST_STREAM, STREAMS, WARM_UP, WINDOW
from charnn.models.language_model import LanguageModel
from charnn.nn.blas import single_thread
from charnn.nn.buffers import Buffers
from charnn.nn.losses import cross_entropy, softmax
from charnn.text.vocabulary import Vocabulary

Columns: TypeAlias = tuple[Array, Array, Array]  # places, bits and classes of symbols (K,)

CHUNK = 1 << 19  # symbols whose surprise is in memory at once
GUESSES = 5
MOST_SURPRISING = 10


@dataclass(frozen=True)
class Surprise:
    """One symbol: its place in the text from 0, its surprise in bits, and its kind of error.

    `guesses` are the likeliest symbols before it with their probabilities, the likeliest first. The
    very first symbol of a text is not predicted: it has no surprise, no kind and no guesses.
    """

    place: int
    symbol: str
    bits: float | None
    kind: str | None
    guesses: list[tuple[str, float]]


@dataclass(frozen=True)
class KindOfError:
    """A class of symbols: how many there are, and the sum of their surprise in bits."""

    name: str
    definition: str
    symbols: int
    bits: float


@dataclass(frozen=True)
class Reading:
    """What a model makes of a text of which it predicts `symbols`, with `bits` in all.

    `shown` are the symbols of a part, `surprising` the most surprising ones of all.
    """

    symbols: int
    bits: float
    kinds: list[KindOfError]
    shown: list[Surprise]
    surprising: list[Surprise]

    @property
    def errors(self) -> int:
        """How many symbols had a chance below 1/2."""
        return self.symbols - self.kinds[0].symbols

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it, with shares."""
        kinds = [
            {
                **asdict(kind),
                "share_of_symbols": kind.symbols / self.symbols,
                "share_of_bits": kind.bits / self.bits if self.bits else 0.0,
            }
            for kind in self.kinds
        ]
        return {
            "symbols": self.symbols,
            "bits_per_symbol": self.bits / self.symbols,
            "errors": self.errors,
            "kinds": kinds,
            "surprising": [asdict(each) for each in self.surprising],
            "shown": [asdict(each) for each in self.shown],
        }


def read(
    model: LanguageModel,
    vocabulary: Vocabulary,
    ids: Array,
    train: Array | None = None,
    *,
    part: tuple[int, int] = (0, 0),
    order: int = 9,
    guess_all: bool = True,
    advance: Callable[[int], None] = ignore,
) -> Reading:
    """Return the surprise of a text, ids (N,) with N >= 2, sorted by kinds of errors.

    `train` are the ids of the training text; without it, there are no classes that need it. Of the
    part from its first to before its last symbol every symbol is returned, with the likeliest ones
    before it if `guess_all`. `order` is how many symbols the n-gram model reads. Memory does not
    grow with N. `advance` is told the predictions made.
    """
    sorter, tally = ErrorSorter(vocabulary, train, order), Tally(part, len(ids))
    for start, bits in surprises(model, ids, advance):
        tally.add(start, bits, sorter.sort(ids, start, bits))
    kinds = [
        KindOfError(name, sorter.definitions[name], int(tally.symbols[at]), float(tally.bits[at]))
        for at, name in enumerate(KINDS)
        if name in sorter.definitions
    ]
    shown, surprising = tally.shown(), tally.surprising
    end = tally.end if guess_all else tally.begin
    guesses = likeliest(model, vocabulary, ids, tally.begin, end)
    described = described_symbols(ids, vocabulary, shown, guesses)
    if part[0] == 0 < part[1]:
        described.insert(0, Surprise(0, names(ids[:1], vocabulary)[0], None, None, []))
    own = (next(likeliest(model, vocabulary, ids, at, at + 1)) for at in surprising[0].tolist())
    hardest = described_symbols(ids, vocabulary, surprising, own)
    return Reading(len(ids) - 1, float(tally.bits.sum()), kinds, described, hardest)


class Tally:
    """Adds up the symbols of a text, class by class, and keeps those of a part and the worst.

    `symbols` and `bits` are the sums by class; `surprising` are the places, the surprise and the
    classes of the most surprising symbols, the worst first.
    """

    def __init__(self, part: tuple[int, int], size: int) -> None:
        """Keep the part from its first to before its last symbol, of a text of some size."""
        self.begin = max(part[0], 1)
        self.end = max(self.begin, min(part[1], size))
        self.symbols, self.bits = np.zeros(len(KINDS), np.int64), np.zeros(len(KINDS))
        self.surprising: Columns = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
        self._shown: list[Columns] = []

    def add(self, start: int, bits: Array, kinds: Array) -> None:
        """Add the symbols (n,) from `start` on."""
        self.symbols += np.bincount(kinds, minlength=len(KINDS))
        self.bits += np.bincount(kinds, bits, len(KINDS))
        places = np.arange(start, start + len(bits))
        own = slice(max(self.begin - start, 0), max(self.end - start, 0))
        self._shown.append((places[own], bits[own], kinds[own]))
        found = (self.surprising, (places, bits, kinds))
        places, bits, kinds = map(np.concatenate, zip(*found, strict=True))
        worst = np.lexsort((places, -bits))[:MOST_SURPRISING]
        self.surprising = places[worst], bits[worst], kinds[worst]

    def shown(self) -> Columns:
        """Return the places, the surprise and the classes of the part's symbols."""
        places, bits, kinds = map(np.concatenate, zip(*self._shown, strict=True))
        return places, bits, kinds


def described_symbols(
    ids: Array,
    vocabulary: Vocabulary,
    columns: Columns,
    guesses: Iterator[list[tuple[str, float]]],
) -> list[Surprise]:
    """Return symbols with what was likeliest before each of them, as far as there are guesses."""
    symbols = names(ids[columns[0]], vocabulary)
    rows = zip(symbols, *(column.tolist() for column in columns), strict=True)
    return [
        Surprise(place, symbol, bits, KINDS[kind], next(guesses, []))
        for symbol, place, bits, kind in rows
    ]


def names(ids: Array, vocabulary: Vocabulary) -> list[str]:
    """Return ids (N,) as symbols; the unknown one is U+FFFD, a byte the character of its number."""
    if vocabulary.tokens == "bytes":
        return [vocabulary.symbols[at] for at in ids.tolist()]
    return [vocabulary.decode([at]) for at in ids.tolist()]


def surprises(
    model: LanguageModel, ids: Array, advance: Callable[[int], None] = ignore
) -> Iterator[tuple[int, Array]]:
    """Yield the surprise in bits of a text's symbols from the second on, in pieces.

    Each piece is the place of its first symbol and the surprise (n,) of it and those after it.
    """
    for begin in range(1, len(ids), CHUNK):
        end = min(begin + CHUNK, len(ids))
        bits = np.empty(0)
        for at, losses, _ in predictions(model, ids, begin, end):
            if not len(bits):
                bits = np.empty((-(-(end - begin) // at.shape[1]), at.shape[1]))
                row = 0
            bits[row : row + len(at)] = losses
            row += len(at)
            advance(int((at < end).sum()))
        yield begin, bits.T.reshape(-1)[: end - begin] / math.log(2)


def likeliest(
    model: LanguageModel, vocabulary: Vocabulary, ids: Array, begin: int, end: int
) -> Iterator[list[tuple[str, float]]]:
    """Yield the likeliest symbols before each of the symbols from `begin` to before `end`."""
    if begin >= end:
        return
    for _, _, y in predictions(model, ids, begin, end, streams=1, distributions=True):
        best = np.argsort(-y, axis=1, kind="stable")[:, :GUESSES]
        for row, probabilities in zip(best, y, strict=True):
            yield list(zip(names(row, vocabulary), map(float, probabilities[row]), strict=True))


def predictions(
    model: LanguageModel,
    ids: Array,
    begin: int,
    end: int,
    *,
    streams: int = STREAMS,
    distributions: bool = False,
) -> Iterator[tuple[Array, Array, Array]]:
    """Predict the symbols from `begin`, 1 or more, to before `end`, in streams side by side.

    Yields windows: the places (T, B) of predicted symbols, some of which may lie behind the end;
    their losses in nats (T, B); and, if asked for, the distributions (T B, V). Each stream reads
    the symbols before its first one to get its state, as `charnn.models.evaluation` does.
    """
    count = end - begin
    B = max(1, min(streams, count // SHORTEST_STREAM))
    length = -(-count // B)
    first = begin - 1 + np.arange(B) * length  # the first symbol that each stream reads
    T = max(1, min(WINDOW, LARGEST_LOGITS // (B * model.vocab_size)))
    states, buffers, last = model.zero_states(B), Buffers(), len(ids) - 2
    depth = WARM_UP if B > 1 else min(WARM_UP, int(first[0]))
    y = np.empty((0, model.vocab_size))
    with single_thread():
        for back in range(-depth, 0, T):
            at = first + np.arange(back, min(back + T, 0))[:, None]
            _, states, _ = model.logits(ids[at.clip(0, last)], states, buffers=buffers)
        for layer in states:
            for state in layer:
                state[first == 0] = 0  # this stream is the text's beginning
        for ahead in range(0, length, T):
            at = first + np.arange(ahead, min(ahead + T, length))[:, None]
            read_at = np.minimum(at, last)
            logits, states, _ = model.logits(ids[read_at], states, buffers=buffers)
            if distributions:
                y = softmax(logits.astype(np.float64))
            losses, _ = cross_entropy(logits, ids[read_at + 1].reshape(-1))
            yield at + 1, losses.reshape(at.shape), y
