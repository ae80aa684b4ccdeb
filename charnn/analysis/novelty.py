"""What of a sample stands in the training text: shares of n-grams, and the longest copied run.

    known_n = the share of a text's N - n + 1 n-grams that stand in the training text

New text by the same author repeats the training text, too: names, phrases, common words. What a
sample repeats means something only beside what held-out text of equal length repeats (McCoy et al.,
"How much do language models copy from their training data?", TACL 2023, who call this RAVEN).

Only exact copies count: with one symbol changed, a run ends. An n-gram with a symbol that is
unknown to the model is never a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, pairwise, takewhile
from typing import Any

import numpy as np

from charnn.analysis.ngrams import BLOCK, first_places, ignore
from charnn.arrays import Array
from charnn.text.vocabulary import Vocabulary

LENGTHS = (4, 8, 12, 16, 24, 32, 48)  # of n-grams, in symbols
RARE = 0.01  # share of held-out text's n-grams below which an n-gram counts as a copied run
WITHOUT_HELD_OUT = 32  # symbols of a copied run where there is no held-out text to choose by
MOST = 0.5  # share of a sample in copied runs above which it counts as copied
FACTOR = 1.5  # between two shares that differ
CHANCE = 4  # times the square root of the n-grams found: a difference that chance seldom makes
PROBES = 16  # lengths that one reading of the training text tries


@dataclass(frozen=True)
class CopiedRun:
    """A run of a sample that stands in the training text: places and length in symbols.

    `start` is its place in the sample, `place` the first one in the training text, from 0; `line`
    is that place's line, from 1.
    """

    start: int
    length: int
    place: int
    line: int


@dataclass(frozen=True)
class Copied:
    """What of one text stands in the training text.

    `known` has by n the share of its n-grams, None where the text is shorter than n; `runs` are the
    beginnings and ends of what is covered by copied n-grams of `Novelty.run` symbols.
    """

    name: str
    size: int  # symbols
    known: dict[int, float | None]
    longest: CopiedRun | None
    runs: list[tuple[int, int]]

    @property
    def covered(self) -> float:
        """The share of the symbols that are in copied runs."""
        return sum(end - start for start, end in self.runs) / max(self.size, 1)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON can hold them."""
        return {**asdict(self), "covered": self.covered}


@dataclass(frozen=True)
class Novelty:
    """Samples beside held-out text; `run` is how long a copied run is at least, in symbols."""

    run: int
    samples: list[Copied]
    held_out: Copied | None
    training_size: int  # symbols

    def verdict(self, sample: Copied) -> str:
        """Return in a sentence what the figures say of a sample, no more than they can."""
        longest = sample.longest.length if sample.longest is not None else 0
        if longest == sample.size:
            return f"All of it stands in the training text, in one run of {longest:,} symbols."
        if sample.covered > MOST:
            return (
                f"Most of it is copied: runs of {self.run} symbols or more that stand in the "
                f"training text cover {sample.covered:.0%} of it."
            )
        return compared(sample, self.held_out)


def novelty(
    samples: Mapping[str, Array],
    train: Array,
    held_out: Array,
    vocabulary: Vocabulary,
    *,
    run: int | None = None,
    lengths: Sequence[int] = LENGTHS,
    advance: Callable[[int], None] = ignore,
) -> Novelty:
    """Compare samples, ids (N,) by name, with the training text (M,) and held-out text (K,).

    The held-out text is cut to the length of the longest sample. `run` is how many symbols a copied
    run has at least; without it, the fewest of `lengths` that less than 1 % of the held-out text's
    n-grams have. `advance` is told the symbols of the training text that were read, which is three
    times or more. Memory does not grow with the training text.
    """
    size = max(len(ids) for ids in samples.values())
    parts = Parts([*samples.values(), held_out[:size]], vocabulary)
    asked = sorted({*lengths, *([run] if run else [])})
    longer = takewhile(lambda n: n <= size, (max(asked) << k for k in count(1)))
    found = parts.find([*asked, *longer], train, advance)
    known = [parts.shares(part, found, asked) for part in range(len(samples) + 1)]
    run = run or copied_run(known[-1], lengths)
    longest = parts.longest_runs(found, train, advance)
    copies = []
    for part, name in enumerate([*samples, "held-out text"]):
        best = longest[part]
        if best is not None:
            line = line_of(best.place, train, vocabulary)
            best = replace(best, line=line)
        begin, end = parts.ends[part]
        copied = parts.runs(part, found, run)
        copies.append(Copied(name, end - begin, known[part], best, copied))
    held = copies[-1] if copies[-1].size else None
    return Novelty(run, copies[:-1], held, len(train))


def copied_run(held_out: Mapping[int, float | None], lengths: Sequence[int]) -> int:
    """Return the fewest symbols by which held-out text seldom agrees with the training text."""
    rare = [n for n in lengths if (share := held_out[n]) is not None and share < RARE]
    if rare:
        return rare[0]
    return WITHOUT_HELD_OUT if held_out[min(lengths)] is None else max(lengths)


class Parts:
    """Texts one after the other, whose n-grams are searched for together."""

    def __init__(self, texts: Sequence[Array], vocabulary: Vocabulary) -> None:
        """Join ids (N,), which may have ids that are no symbol's."""
        sizes = np.cumsum([0, *map(len, texts)]).tolist()
        self.ends = list(pairwise(sizes))
        self.ids = np.concatenate(texts).astype(vocabulary.id_dtype)
        strange = self.ids >= len(vocabulary.symbols)  # unknown, or missing from the vocabulary
        self._strange = np.concatenate([[0], np.cumsum(strange)])

    def starts(self, part: int, n: int) -> Array:
        """Return where the n-grams of a text begin that have no unknown symbol."""
        begin, end = self.ends[part]
        return self.clean(np.arange(begin, max(begin, end - n + 1)), n)

    def clean(self, places: Array, n: int) -> Array:
        """Return those places whose n-grams have no unknown symbol."""
        known: Array = self._strange[places + n] == self._strange[places]
        return places[known]

    def find(
        self, lengths: Sequence[int], train: Array, advance: Callable[[int], None]
    ) -> dict[int, Array]:
        """Return by n where each place's n-gram stands first in the training text; -1: nowhere."""
        parts = range(len(self.ends))
        starts = {n: np.concatenate([self.starts(part, n) for part in parts]) for n in lengths}
        places = first_places(self.ids, starts, train, advance)
        found = {}
        for n in lengths:
            found[n] = np.full(len(self.ids), -1)
            found[n][starts[n]] = places[n]
        return found

    def shares(
        self, part: int, found: Mapping[int, Array], lengths: Sequence[int]
    ) -> dict[int, float | None]:
        """Return by n the share of a text's n-grams that stand in the training text."""
        begin, end = self.ends[part]
        return {
            n: float((found[n][begin : end - n + 1] >= 0).mean()) if end - begin >= n else None
            for n in lengths
        }

    def runs(self, part: int, found: Mapping[int, Array], n: int) -> list[tuple[int, int]]:
        """Return where a text is covered by copied n-grams: beginnings and ends in the text."""
        begin, end = self.ends[part]
        hits = np.flatnonzero(found[n][begin:end] >= 0)
        depth = np.zeros(end - begin + 1, np.int64)
        np.add.at(depth, hits, 1)
        np.add.at(depth, hits + n, -1)
        inside = np.concatenate([[0], np.cumsum(depth)[:-1] > 0, [0]])
        edges = np.flatnonzero(np.diff(inside))
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

    def longest_runs(
        self, found: Mapping[int, Array], train: Array, advance: Callable[[int], None]
    ) -> list[CopiedRun | None]:
        """Return the longest run of each text that stands in the training text, the first one."""
        searches = [Search(begin, end, found) for begin, end in self.ends]
        while open_ones := [search for search in searches if search.lengths()]:
            starts: dict[int, list[Array]] = {}
            for search in open_ones:
                for n in search.lengths():
                    within = search.places[search.places <= search.end - n]
                    starts.setdefault(n, []).append(self.clean(within, n))
            joined = {n: np.unique(np.concatenate(places)) for n, places in starts.items()}
            places = first_places(self.ids, joined, train, advance)
            for search in open_ones:
                search.narrow(joined, places)
        return [search.result() for search in searches]


class Search:
    """The search for one text's longest run: some run has `low` symbols, none has `high`.

    `places` are those in the text where a run of `low` symbols begins, `there` where it stands.
    """

    def __init__(self, begin: int, end: int, found: Mapping[int, Array]) -> None:
        """Begin with what is known of some lengths."""
        self.begin, self.end = begin, end
        self.low, self.high = 0, end - begin + 1
        self.places = self.there = np.arange(begin, end)
        self.narrow(
            {n: np.arange(begin, end) for n in found}, {n: found[n][begin:end] for n in found}
        )

    def lengths(self) -> list[int]:
        """Return the lengths to try next, none where the longest is known."""
        low, high = self.low, self.high
        if high - low <= 1:
            return []
        return sorted({*np.linspace(low, high, PROBES + 2).astype(int).tolist()} - {low, high})

    def narrow(self, starts: Mapping[int, Array], places: Mapping[int, Array]) -> None:
        """Learn where runs of some lengths stand: their places in the texts, and there or -1."""
        for n in sorted(starts):
            if not self.low < n < self.high:
                continue
            own = (starts[n] >= self.begin) & (starts[n] < self.end) & (places[n] >= 0)
            if own.any():
                self.low, self.places, self.there = n, starts[n][own], places[n][own]
            else:
                self.high = n

    def result(self) -> CopiedRun | None:
        """Return the first of the longest runs, its line still unknown."""
        if not self.low:
            return None
        return CopiedRun(int(self.places[0] - self.begin), self.low, int(self.there[0]), 0)


def line_of(place: int, ids: Array, vocabulary: Vocabulary) -> int:
    """Return the number of the line, from 1, that a place of a text is in."""
    newline = vocabulary.encode("\n")[0]
    if newline >= len(vocabulary.symbols):
        return 1
    blocks = range(0, place, BLOCK)
    ends = (np.count_nonzero(ids[at : min(at + BLOCK, place)] == newline) for at in blocks)
    return 1 + int(sum(ends))


def compared(sample: Copied, held_out: Copied | None) -> str:
    """Return in a sentence what a sample repeats beside what held-out text does.

    They are compared by the longest n-grams of which 1 % or more of the held-out text's stand in
    the training text: of longer ones there are too few to compare. As n-grams overlap, their
    numbers vary more than independent events' would, by about twice as much.
    """
    if held_out is None:
        return (
            "Without held-out text to compare with, its shares do not tell whether the model "
            "copies."
        )
    common = [n for n, share in held_out.known.items() if share is not None and share >= RARE]
    n = max(common, default=min(held_out.known))
    own, other = sample.known[n], held_out.known[n]
    if own is None or other is None:
        return f"It is shorter than {n} symbols, too short for a judgement."
    judgement = "about as much as"
    here, there = own * (sample.size - n + 1), other * (held_out.size - n + 1)
    if abs(own - other) * min(sample.size, held_out.size) > CHANCE * math.sqrt(here + there):
        if own > FACTOR * other:
            judgement = "more than"
        elif own * FACTOR < other:
            judgement = "less than"
    return (
        f"{own:.1%} of its {n}-grams stand in the training text, and {other:.1%} of the held-out "
        f"text's: it repeats the training text {judgement} new text of its kind does."
    )
