"""Dividing examples at random into parts, and what the parts have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from charnn.arrays import Array
from charnn.text.pairs import Pairs


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
