"""The search for n-grams: the same as Python's own sets find, whatever the blocks and hashes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from planted_module import planted

from charnn.analysis import ngrams

GROUPS = ((1, 2, 3), (2,), (4, 7), (5,), tuple(range(3, 14)), (8, 40))  # searched for at once
SIZES = (1, 2, 5, 7, 16, 1 << 16)  # of blocks; the text has no border in common with most


def texts(symbols: int, dtype: Any = np.uint8, seed: int = 1) -> tuple[Any, Any]:
    """Return a text and a corpus that holds two pieces of it and repeats itself."""
    random = np.random.default_rng(seed)
    text = random.integers(0, symbols, 70)
    between = [random.integers(0, symbols, size) for size in (61, 17, 29)]
    parts = [between[0], text[10:60], between[1], between[0], text[5:35], between[2]]
    return text.astype(dtype), np.concatenate(parts).astype(dtype)


def all_starts(text: Any, lengths: tuple[int, ...]) -> dict[int, Any]:
    """Return all places at which n-grams begin, and one of them twice."""
    return {n: np.r_[np.arange(len(text) - n + 1), 0] for n in lengths}


def grams(ids: Any, n: int) -> list[tuple[int, ...]]:
    """Return all n-grams of a text."""
    ids = ids.tolist()
    return [tuple(ids[at : at + n]) for at in range(len(ids) - n + 1)]


def naive(text: Any, corpus: Any) -> list[tuple[list[int], list[int]]]:
    """Return the first place of each n-gram of a text in a corpus, and how often it occurs."""
    results = []
    for lengths in GROUPS:
        for n, starts in all_starts(text, lengths).items():
            counted, places = Counter(grams(corpus, n)), {}
            for place, gram in enumerate(grams(corpus, n)):
                places.setdefault(gram, place)
            own = [grams(text, n)[at] for at in starts]
            results.append(([places.get(gram, -1) for gram in own], [counted[g] for g in own]))
    return results


def found(module: ModuleType, text: Any, corpus: Any) -> list[tuple[list[int], list[int]]]:
    """Return the same as `naive` by a module's search."""
    results = []
    for lengths in GROUPS:
        starts = all_starts(text, lengths)
        first = module.first_places(text, starts, corpus)
        often = module.counts(text, starts, corpus)
        results += [(first[n].tolist(), often[n].tolist()) for n in lengths]
    return results


def colliding(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Let all n-grams of the same symbols, in whatever order, have the same hash."""
    ones = np.ones(1 << 18, np.uint64)
    monkeypatch.setattr(module, "powers", lambda count: (ones[:count], ones[:count]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("symbols", [2, 6])
def test_naive_sets_find_the_same(size: int, symbols: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """First places and counts are those of a naive search, at every border of blocks."""
    monkeypatch.setattr(ngrams, "BLOCK", size)
    text, corpus = texts(symbols)
    assert found(ngrams, text, corpus) == naive(text, corpus)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_large_alphabets(dtype: Any) -> None:
    """Ids of more than a byte are searched for, too."""
    text, corpus = texts(60_000, dtype)
    assert found(ngrams, text, corpus) == naive(text, corpus)


@pytest.mark.parametrize("size", [5, 1 << 16])
def test_equal_hashes_do_no_harm(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where different n-grams have equal hashes, the result is the same."""
    monkeypatch.setattr(ngrams, "BLOCK", size)
    colliding(monkeypatch, ngrams)
    text, corpus = texts(3)
    assert found(ngrams, text, corpus) == naive(text, corpus)


def test_long_ngrams_are_compared_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way in which n-grams are compared makes no difference."""
    monkeypatch.setattr(ngrams, "LONG", 4)
    colliding(monkeypatch, ngrams)
    text, corpus = texts(3)
    assert found(ngrams, text, corpus) == naive(text, corpus)


def test_progress_and_nothing_to_search() -> None:
    """All symbols of the corpus are told; without n-grams nothing is found."""
    text, corpus = texts(4)
    told: list[int] = []
    ngrams.counts(text, {3: np.arange(5)}, corpus, told.append)
    assert sum(told) == len(corpus)
    nothing = ngrams.first_places(text, {3: np.arange(0)}, corpus)
    assert nothing[3].tolist() == []
    assert ngrams.counts(text, {3: np.arange(5)}, corpus[:0])[3].tolist() == [0] * 5


def test_what_is_found_is_searched_for_no_more() -> None:
    """When all n-grams have been found, the rest of the corpus is not read."""

    class Corpus:
        """Ids that may be read only at their beginning."""

        def __len__(self) -> int:
            return 1 << 24

        def __getitem__(self, part: slice) -> Any:
            assert part.start < 1 << 18
            return (np.arange(part.start, part.stop) % 7).astype(np.uint8)

    told: list[int] = []
    text = (np.arange(100) % 7).astype(np.uint8)
    first = ngrams.first_places(text, {5: np.arange(96)}, Corpus(), told.append)
    assert first[5].tolist() == [at % 7 for at in range(96)]
    assert sum(told) == 1 << 24


FAULTS = {
    "no comparison of what is found": (
        "same = equal(block, at, self._text, self.places[which], self.n)",
        "same = np.ones(len(at), bool)",
    ),
    "no comparison of what is wanted": (
        "same = equal(text, starts[left], text, place[which], n)",
        "same = np.ones(len(left), bool)",
    ),
    "only the first of equal hashes": ("which[~same] + 1\n", "which[~same] + len(key)\n"),
    "one symbol too few behind a block": (
        "corpus[start : start + size + more]",
        "corpus[start : start + size + more - 1]",
    ),
    "one symbol too many before a border": ("hashes.of(each.n)[:size]", "hashes.of(each.n)"),
    "a place lost at the end": ("at <= len(block) - each.n", "at < len(block) - each.n"),
    "places within the block": ("places + start", "places"),
    "not the first place": (
        "new = first[each.n][found] < 0",
        "new = first[each.n][found] < len(corpus)",
    ),
    "dropped before it was found": (
        "wanted = ~self._done[self._numbers]",
        "wanted = self._done[self._numbers]",
    ),
    "longer n-grams ruled out": (
        "places = np.union1d(places, each.places)",
        "places = each.places",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each typical mistake gives another result, with small blocks or with colliding hashes."""
    module = planted(ngrams, FAULTS[name], tmp_path, monkeypatch)
    monkeypatch.setattr(module, "BLOCK", 5)
    caught = []
    for collide in (False, True):
        if collide:
            colliding(monkeypatch, module)
        text, corpus = texts(3)
        try:
            caught.append(found(module, text, corpus) != naive(text, corpus))
        except (IndexError, ValueError):
            caught.append(True)
    assert any(caught)
