"""Which n-grams of a text stand in a larger one, where, and how often: exact, in one pass.

The hash of the n-gram x_i ... x_{i+n-1} is a polynomial with an odd base B (Karp and Rabin, 1987):

    h_n(i) = sum over j < n of r(x_{i+j}) B^j  mod 2^64       r(x): a random number for each symbol

With the prefix sums P_i = sum over j < i of r(x_j) B^j it is (P_{i+n} - P_i) B^-i, for any n; an
odd number has an inverse mod 2^64.

The larger text is read in blocks, so that memory does not grow with it. A table, by the first bits
of a hash, says whether an n-gram may be a wanted one, or may begin a longer one that is wanted:
most places are ruled out by their shortest n-grams. What is left is looked up among the sorted
hashes of those wanted, and at last compared symbol by symbol, so that equal hashes of different
n-grams do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from charnn.arrays import Array

BASE = 0x9E3779B97F4A7C15  # odd
SEED = 20_151_121  # of the symbols' numbers
LARGEST_ID = 0x110000  # that of the unknown symbol beside all code points
BLOCK = 1 << 16  # symbols; the arrays of a block stay in a core's cache
COMPARED = 1 << 21  # symbols compared at once
LONG = 1 << 10  # symbols from which on n-grams are compared pair by pair
FEWEST_BITS, MOST_BITS = 16, 22  # of the table's index
ROOM = 4  # bits of the table's index beyond those that number the n-grams
STALE = 8  # n-grams are dropped from a table when one in so many has been found
FEWER = 0.75  # the share of all n-grams that is left when places are ruled out by these alone


class Readable(Protocol):
    """Ids (M,) that are read in pieces, such as an array that is mapped from a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Array: ...


def ignore(_: int) -> None:
    """Ignore a report of progress."""


@lru_cache(maxsize=4)
def powers(count: int) -> tuple[Array, Array]:
    """Return the powers 0 to count - 1 of the base, and of its inverse mod 2^64, (count,) each."""
    inverse = pow(BASE, -1, 1 << 64)
    found = []
    for factor in (BASE, inverse):
        factors = np.full(count, factor, np.uint64)
        factors[:1] = 1
        found.append(np.cumprod(factors, dtype=np.uint64))
    return found[0], found[1]


@lru_cache(maxsize=2)
def symbol_numbers(count: int) -> Array:
    """Return the random numbers of `count` symbols, (count,) uint64."""
    return np.random.default_rng(SEED).integers(0, 1 << 64, count, np.uint64)


class Hashes:
    """The hashes of all n-grams of ids (N,), for any n."""

    def __init__(self, ids: Array) -> None:
        numbers = symbol_numbers(min(int(np.iinfo(ids.dtype).max), LARGEST_ID) + 1)
        N = len(ids)
        forward, self._backward = powers(1 << max(N, BLOCK).bit_length())
        self._sums = np.zeros(N + 1, np.uint64)
        np.cumsum(numbers[ids] * forward[:N], out=self._sums[1:])

    def of(self, n: int) -> Array:
        """Return the hashes of all n-grams, (N - n + 1,)."""
        count = max(0, len(self._sums) - n)
        hashes: Array = self._sums[n:] - self._sums[:count]
        hashes *= self._backward[:count]
        return hashes

    def at(self, n: int, places: Array) -> Array:
        """Return the hashes of the n-grams at some places (K,)."""
        hashes: Array = self._sums[places + n] - self._sums[places]
        hashes *= self._backward[places]
        return hashes


class Table:
    """Says by the first bits of a hash whether it may be one of some hashes (Q,)."""

    def __init__(self, hashes: Array) -> None:
        bits = min(max(len(hashes).bit_length() + ROOM, FEWEST_BITS), MOST_BITS)
        self._shift = np.uint64(64 - bits)
        self._marks = np.zeros(1 << bits, bool)
        self._marks[hashes >> self._shift] = True

    def may_have(self, hashes: Array) -> Array:
        """Return whether hashes (K,) may be among them, (K,); False is certain."""
        marks: Array = self._marks[(hashes >> self._shift).view(np.int64)]
        return marks


def equal(first: Array, at: Array, second: Array, there: Array, n: int) -> Array:
    """Return whether the n-grams of two texts at some places (K,) are the same, (K,)."""
    same = np.empty(len(at), bool)
    if not len(at):
        return same
    if n > LONG:
        pairs = zip(at.tolist(), there.tolist(), strict=True)
        same[:] = [np.array_equal(first[a : a + n], second[b : b + n]) for a, b in pairs]
        return same
    ours, theirs = (np.lib.stride_tricks.sliding_window_view(ids, n) for ids in (first, second))
    step = max(1, COMPARED // n)
    for begin in range(0, len(at), step):
        part = slice(begin, begin + step)
        same[part] = (ours[at[part]] == theirs[there[part]]).all(axis=1)
    return same


class Grams:
    """The distinct n-grams of a text (N,) that begin at `starts` (S,), numbered from 0 to Q - 1.

    `number` (S,) is that of the n-gram at each start, `places` are where in the text those begin
    that are searched for. `beginnings` tells what may be one of them, or the beginning of a longer
    n-gram that is searched for, too (`rule_out`).
    """

    beginnings: Table

    def __init__(self, text: Array, starts: Array, n: int, hashes: Array) -> None:
        """Number the n-grams; `hashes` are those of all n-grams of the text."""
        self.n, self._text, self.text_hashes = n, text, hashes
        own = hashes[starts]
        self.number = np.empty(len(starts), np.int64)
        left, places, keys, count = np.arange(len(starts)), [starts[:0]], [own[:0]], 0
        while len(left):  # a second time only where n-grams with equal hashes differ
            found, first, which = np.unique(own[left], return_index=True, return_inverse=True)
            place = starts[left][first]
            same = equal(text, starts[left], text, place[which], n)
            self.number[left[same]] = count + which[same]
            places.append(place)
            keys.append(found)
            count, left = count + len(found), left[~same]
        self.count = count
        self._done = np.zeros(count, bool)
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        self._search_for(key[order], np.concatenate(places)[order], order)

    def _search_for(self, hashes: Array, places: Array, numbers: Array) -> None:
        """Search for n-grams from now on: their hashes, sorted, a place and the number of each."""
        self._hashes, self.places, self._numbers = hashes, places, numbers
        self._wanted = Table(hashes)
        self._found = 0

    def forget(self, numbers: Array) -> None:
        """Search no more for some n-grams; those that are still reported can be ignored."""
        fresh = numbers[~self._done[numbers]]
        self._done[fresh] = True
        self._found += len(fresh)
        if self._found * STALE >= len(self._hashes):
            wanted = ~self._done[self._numbers]
            self._search_for(self._hashes[wanted], self.places[wanted], self._numbers[wanted])

    def found_in(self, block: Array, at: Array, hashes: Array) -> tuple[Array, Array]:
        """Return which n-grams stand at some places of a block: numbers and places, (K,) each.

        `hashes` are those of the block's n-grams at these places. The places are in order.
        """
        likely = self._wanted.may_have(hashes)
        at, key = at[likely], hashes[likely]
        which = np.searchsorted(self._hashes, key)
        numbers, places = [], []
        while len(at):  # again only where an n-gram with an equal hash was a different one
            inside = which < len(self._hashes)
            inside[inside] = self._hashes[which[inside]] == key[inside]
            at, key, which = at[inside], key[inside], which[inside]
            same = equal(block, at, self._text, self.places[which], self.n)
            numbers.append(self._numbers[which[same]])
            places.append(at[same])
            at, key, which = at[~same], key[~same], which[~same] + 1
        if not numbers:
            return at, at
        number, place = np.concatenate(numbers), np.concatenate(places)
        order = np.argsort(place, kind="stable")
        return number[order], place[order]


def rule_out(grams: Sequence[Grams]) -> None:
    """Tell n-grams, sorted by n, with what those begin that are still searched for."""
    places = np.empty(0, np.int64)
    for each in reversed(grams):
        places = np.union1d(places, each.places)
        each.beginnings = Table(each.text_hashes[places])


def occurrences(
    grams: Sequence[Grams], corpus: Readable, advance: Callable[[int], None]
) -> Iterator[tuple[Grams, Array, Array]]:
    """Yield n-grams, sorted by n, with their numbers and places (K,) in a corpus, block by block.

    Each n-gram's places come in order.
    """
    more = max((each.n for each in grams), default=1) - 1  # symbols of the next block
    size = max(BLOCK, 4 * more)
    before = 0
    for start in range(0, len(corpus), size):
        left = sum(len(each.places) for each in grams)
        if not left:
            advance(len(corpus) - start)
            return
        if start == 0 or left < FEWER * before:
            grams = [each for each in grams if len(each.places)]
            rule_out(grams)
            before = left
        block = np.asarray(corpus[start : start + size + more])
        hashes = Hashes(block)
        at = None
        for each in grams:
            if at is None:
                key = hashes.of(each.n)[:size]
                at = likely = np.flatnonzero(each.beginnings.may_have(key))
            elif not len(at):
                break
            else:
                at = at[at <= len(block) - each.n]
                key = hashes.at(each.n, at)
                likely = np.flatnonzero(each.beginnings.may_have(key))
                at = at[likely]
            numbers, places = each.found_in(block, at, key[likely])
            if len(numbers):
                yield each, numbers, places + start
        advance(min(size, len(corpus) - start))


def grams_of(text: Array, starts: Mapping[int, Array]) -> list[Grams]:
    """Return the n-grams of a text at some places, sorted by n."""
    hashes = Hashes(text)
    return [Grams(text, starts[n], n, hashes.of(n)) for n in sorted(starts) if len(starts[n])]


def first_places(
    text: Array,
    starts: Mapping[int, Array],
    corpus: Readable,
    advance: Callable[[int], None] = ignore,
) -> dict[int, Array]:
    """Return by n where in a corpus the n-grams of a text stand first, (S,); -1: nowhere.

    `text` and `corpus` are ids (N,) and (M,) of one type; `starts[n]` (S,) are the places in the
    text at which the n-grams begin. `advance` is told the symbols of the corpus that were read.
    """
    grams = grams_of(text, starts)
    first = {each.n: np.full(each.count, -1) for each in grams}
    for each, numbers, places in occurrences(grams, corpus, advance):
        found, earliest = np.unique(numbers, return_index=True)
        new = first[each.n][found] < 0
        first[each.n][found[new]] = places[earliest[new]]
        each.forget(found)
    found_at = {each.n: first[each.n][each.number] for each in grams}
    return {n: found_at.get(n, np.empty(0, np.int64)) for n in starts}


def counts(
    text: Array,
    starts: Mapping[int, Array],
    corpus: Readable,
    advance: Callable[[int], None] = ignore,
) -> dict[int, Array]:
    """Return by n how often the n-grams of a text stand in a corpus, (S,): see `first_places`."""
    grams = grams_of(text, starts)
    often = {each.n: np.zeros(each.count, np.int64) for each in grams}
    for each, numbers, _ in occurrences(grams, corpus, advance):
        often[each.n] += np.bincount(numbers, minlength=each.count)
    counted = {each.n: often[each.n][each.number] for each in grams}
    return {n: counted.get(n, np.empty(0, np.int64)) for n in starts}
