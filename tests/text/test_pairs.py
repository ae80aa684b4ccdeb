"""Sequences in two arrays: padding, choosing and joining rows, and datasets of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from charnn.text.pairs import PARTS, Examples, Pairs, Sequences, id_dtype, pairs_in
from charnn.text.symbols import PairVocabulary, Symbols

LISTS = [[1, 2, 3], [4], [], [5, 6, 7, 8, 9], [10, 11]]
SEQUENCES = Sequences.of_lists(LISTS)


def lists_of(sequences: Sequences) -> list[list[int]]:
    """Return sequences as lists."""
    return [sequences[row].tolist() for row in range(len(sequences))]


def test_lists_become_two_arrays() -> None:
    """Ids behind one another, and where each sequence starts."""
    assert SEQUENCES.ids.tolist() == list(range(1, 12))
    assert SEQUENCES.starts.tolist() == [0, 3, 4, 4, 9, 11]
    assert SEQUENCES.lengths.tolist() == [3, 1, 0, 5, 2]
    assert lists_of(SEQUENCES) == LISTS
    assert lists_of(Sequences.of_lists([])) == []


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32)],
)
def test_ids_take_little_memory(size: int, dtype: type) -> None:
    """The smallest unsigned type that holds all ids."""
    assert id_dtype(size) is dtype
    assert Sequences.of_lists([[size - 1]]).ids.dtype == dtype
    assert Sequences.of_lists([[0]], size).ids.dtype == dtype


@pytest.mark.parametrize("rows", [[0], [2], [3, 1, 0], [0, 0, 4], [2, 2], []])
@pytest.mark.parametrize("steps", [None, 7])
def test_padding_equals_a_loop(rows: list[int], steps: int | None) -> None:
    """Each column is a sequence, and what fills it behind its end."""
    T = max([len(LISTS[row]) for row in rows], default=0) if steps is None else steps
    expected = np.full((T, len(rows)), 99)
    for column, row in enumerate(rows):
        for step, symbol in enumerate(LISTS[row]):
            expected[step, column] = symbol
    padded = SEQUENCES.padded(np.array(rows, int), 99, steps)
    assert padded.dtype == np.intp  # models add ids that the sequences' own type may not hold
    assert padded.shape == expected.shape
    assert (padded == expected).all()


def test_rows_are_taken_in_order() -> None:
    """Any rows, also none, also one twice."""
    assert lists_of(SEQUENCES.take(np.array([3, 0, 2, 0]))) == [LISTS[3], LISTS[0], [], LISTS[0]]
    assert lists_of(SEQUENCES.take(np.array([], int))) == []


def test_sequences_follow_each_other_row_by_row() -> None:
    """Row m of one, then row m of the other; either may be empty."""
    other = [[], [20, 21], [22], [23], []]
    joined = SEQUENCES.followed_by(Sequences.of_lists(other))
    assert lists_of(joined) == [a + b for a, b in zip(LISTS, other, strict=True)]


def pairs(*examples: tuple[list[int], list[int]]) -> Pairs:
    """Return examples as a part."""
    sources, targets = zip(*examples, strict=True) if examples else ((), ())
    return Pairs(Sequences.of_lists(sources), Sequences.of_lists(targets))


def dataset() -> Examples:
    """Return a small dataset whose test part is empty."""
    vocabulary = PairVocabulary(Symbols(("a", "b"), unknown=True), Symbols(("x", "y")))
    train, val = pairs(([0, 1], [0]), ([1], [1, 1, 1])), pairs(([0], [1]))
    return Examples("tiny", ["tiny.tsv"], vocabulary, train, val, pairs(), 0, [])


def test_a_dataset_is_rebuilt_from_its_arrays() -> None:
    """All parts, the empty one included."""
    examples = dataset()
    assert examples.parts == {"train": 2, "val": 1, "test": 0}
    assert examples.train.lengths.tolist() == [2, 3]
    arrays = {name: array.copy() for name, array in examples.arrays.items()}
    assert len(arrays) == 12
    for part in PARTS:
        rebuilt, before = pairs_in(arrays, part), getattr(examples, part)
        assert lists_of(rebuilt.sources) == lists_of(before.sources)
        assert lists_of(rebuilt.targets) == lists_of(before.targets)


def test_the_fingerprint_is_of_all_that_training_sees() -> None:
    """Examples, where they begin, their part and the vocabulary; not names or notes."""
    examples = dataset()
    seen = examples.fingerprint
    assert replace(dataset(), name="other", notes=["a note"]).fingerprint == seen
    others = [
        replace(examples, train=pairs(([0, 1], [0]), ([1], [1, 1, 0]))),
        replace(examples, train=pairs(([0], [0]), ([1, 1], [1, 1, 1]))),
        replace(examples, train=examples.train.take(np.array([1, 0]))),
        replace(examples, val=examples.test, test=examples.val),
        replace(examples, vocabulary=replace(examples.vocabulary, target=Symbols(("x", "z")))),
    ]
    assert len({seen, *(other.fingerprint for other in others)}) == 6
