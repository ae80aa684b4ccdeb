"""Dividing examples at random into parts, and what the user should know of the parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from charnn.arrays import Array
from charnn.text.pairs import Pairs
from charnn.text.symbols import PairVocabulary

PART_NAMES = {"train": "training", "val": "validation", "test": "test"}


def random_parts(
    labels: Array, seed: int, val_fraction: float, test_fraction: float
) -> tuple[Array, Array, Array]:
    """Divide examples with labels (M,) into rows of training, validation and test.

    Each label gives each part its share: within a label, examples in random order lie at random
    distances below 1, 2, ... n, divided by n; the parts are cut from all examples sorted by that.
    Parts have exactly the size asked for, and one example of each label comes first of all, so that
    training has it. The order within a part is the file's.
    """
    M = len(labels)
    rng = np.random.default_rng(seed)
    order = rng.permutation(M)
    order = order[np.argsort(labels[order], kind="stable")]  # grouped by label, random within
    counts = np.bincount(labels)
    rank = np.arange(M) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + rng.random(M)) / np.repeat(counts, counts)
    place[rank == 0] = -1.0
    order = order[np.argsort(place, kind="stable")]
    test_start = M - int(M * test_fraction)
    val_start = test_start - int(M * val_fraction)
    train, val, test = np.split(order, [val_start, test_start])
    return np.sort(train), np.sort(val), np.sort(test)


def shared(part: Pairs, train: Pairs) -> int:
    """Return how many examples of a part are in the training part, too."""
    keys = list(contents(part))
    found = set(keys).intersection(contents(train))
    return sum(key in found for key in keys)


def contents(pairs: Pairs) -> Iterator[tuple[bytes, bytes]]:
    """Yield the ids of each source and target, in a form that can be compared."""
    sides = []
    for sequences in (pairs.sources, pairs.targets):
        raw = sequences.ids.tobytes()
        ends = (sequences.starts * sequences.ids.itemsize).tolist()
        sides.append(map(raw.__getitem__, map(slice, ends, ends[1:])))
    return zip(*sides, strict=True)


def notes_on(part: str, pairs: Pairs, train: Pairs, vocabulary: PairVocabulary) -> list[str]:
    """Return what the user should know of a part."""
    name, notes = PART_NAMES[part], unknown_notes(pairs, vocabulary, PART_NAMES[part])
    count = 0 if part == "train" else shared(pairs, train)
    if count:
        verb = "is" if count == 1 else "are"
        notes.append(
            f"{count:,} of {len(pairs):,} {name} examples {verb} also in the training part."
        )
    return notes


def unknown_in(pairs: Pairs, vocabulary: PairVocabulary) -> tuple[int, int]:
    """Return how many symbols of sources and of targets are unknown."""
    counts = [
        0 if unknown is None else int((sequences.ids == unknown).sum())
        for sequences, unknown in (
            (pairs.sources, vocabulary.unknown_source_id),
            (pairs.targets, vocabulary.target.unknown_id),
        )
    ]
    return counts[0], counts[1]


def unknown_notes(pairs: Pairs, vocabulary: PairVocabulary, part: str = "") -> list[str]:
    """Return what the user should know of unknown symbols in a part."""
    sources, targets = unknown_in(pairs, vocabulary)
    notes, where = [], f" of the {part} part" if part else ""
    if sources:
        verb = "is" if sources == 1 else "are"
        notes.append(
            f"{sources:,} of {len(pairs.sources.ids):,} source symbols{where} {verb} unknown."
        )
    if targets:
        verb, size = "is" if targets == 1 else "are", len(pairs.targets.ids)
        notes.append(
            f"{targets:,} of {size:,} target symbols{where} {verb} unknown, which a model never "
            "writes."
        )
    return notes
