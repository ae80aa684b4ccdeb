"""Batches of similar length: epochs, shares, weights, order and the curriculum."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.text.batches import Batch
from charnn.text.buckets import Buckets, in_order
from charnn.text.pairs import Pairs, Sequences

M, B = 500, 7
rng = np.random.default_rng(1)
LONG = rng.integers(1, 30, M)
PAIRS = Pairs(  # the first symbol of an example is its number
    Sequences.of_lists([[row, *[600] * (length - 1)] for row, length in enumerate(LONG)]),
    Sequences.of_lists([[row, *[601] * extra] for row, extra in enumerate(rng.integers(0, 40, M))]),
)


def numbers(batch: Batch) -> list[int]:
    """Return the numbers of a batch's examples."""
    return [int(number) for number in batch.inputs[0]]


def epoch(buckets: Buckets, number: int) -> list[list[int]]:
    """Return the examples of an epoch's batches."""
    first = number * buckets.count
    return [numbers(buckets.batch(first + at)) for at in range(buckets.count)]


def test_an_epoch_visits_each_example_once() -> None:
    """In batches of the size asked for, but one."""
    buckets = Buckets(PAIRS, B, seed=3)
    assert all(buckets.begins(update) for update in range(3 * buckets.count))
    assert buckets.count == 72
    for number in (0, 1, 5):
        batches = epoch(buckets, number)
        assert sorted(chain(*batches)) == list(range(M))
        assert sorted(map(len, batches)) == [M % B] + [B] * (M // B)


def test_the_order_is_of_the_seed_and_the_epoch() -> None:
    """And of nothing else, such as the batches that were made before."""
    buckets = Buckets(PAIRS, B, seed=3)
    first, second = epoch(buckets, 0), epoch(buckets, 1)
    assert first != second
    assert epoch(Buckets(PAIRS, B, seed=3), 1) == second
    assert epoch(buckets, 0) == first
    assert epoch(Buckets(PAIRS, B, seed=4), 0) != first
    flat = np.array([max(LONG[batch]) for batch in first])
    assert (np.diff(flat) < 0).sum() > 20  # batches are shuffled, not in order of length


def test_a_batch_holds_its_examples_padded() -> None:
    """Sources and targets, their lengths, and zeros behind their ends."""
    batch = Buckets(PAIRS, B, seed=3).batch(5)
    assert batch.lengths is not None
    assert batch.target_lengths is not None
    for column, row in enumerate(numbers(batch)):
        for padded, lengths, sequences in (
            (batch.inputs, batch.lengths, PAIRS.sources),
            (batch.targets, batch.target_lengths, PAIRS.targets),
        ):
            expected = sequences[row].tolist()
            assert lengths[column] == len(expected)
            assert padded[:, column].tolist() == expected + [0] * (len(padded) - len(expected))


def test_the_padding_is_a_small_part() -> None:
    """Sources in a batch have similar lengths."""
    batches = [Buckets(PAIRS, B, seed=3).batch(number) for number in range(72)]
    assert sum(LONG) / sum(batch.inputs.size for batch in batches) > 0.85


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("growth", [None, 100])
def test_shares_divide_the_batch(n: int, growth: int | None) -> None:
    """Every row is in one share; shares may be empty; their work is similar."""
    buckets = Buckets(PAIRS, B, seed=3, growth=growth)
    shares = [buckets.batch(20, (k, n)) for k in range(n)]
    whole = buckets.batch(20)
    assert sorted(chain(*map(numbers, shares))) == sorted(numbers(whole))
    for k, share in enumerate(shares):
        assert numbers(share) == numbers(whole)[k::n]
        assert share.inputs.shape[1] == share.targets.shape[1] == len(numbers(share))
        assert share.inputs.shape[0] > 0


@pytest.mark.parametrize("ends", [0, 1])
@pytest.mark.parametrize("growth", [None, 100])
def test_weights_add_up(ends: int, growth: int | None) -> None:
    """A batch weighs its targets and, where they are scored, their ends."""
    buckets = Buckets(PAIRS, B, seed=3, ends=ends, growth=growth)
    for update in (0, 30, 71, 500):
        shares = [buckets.batch(update, (k, 3)) for k in range(3)]
        weights = [share.target_weights for share in shares]
        scored = sum(int(w.sum()) + ends * w.shape[1] for w in weights if w is not None)
        assert buckets.weight(update) == scored
    if growth is None:
        total = len(PAIRS.targets.ids) + ends * M
        assert sum(buckets.weight(update) for update in range(72, 144)) == total


def test_target_weights_follow_the_targets_lengths() -> None:
    """Where targets have lengths of their own; otherwise the inputs' lengths count."""
    targets = np.zeros((4, 2), int)
    own = Batch(targets, targets, np.array([2, 1]), target_lengths=np.array([1, 3]))
    weights: list[Array | None] = [own.target_weights]
    weights.append(Batch(targets, targets, np.array([1, 3])).target_weights)
    for found in weights:
        assert found is not None
        assert found.T.tolist() == [[True, False, False, False], [True, True, True, False]]
    assert Batch(targets, targets).target_weights is None


def test_a_curriculum_grows() -> None:
    """Lengths stay within a cap that rises to the longest; batches are full."""
    buckets = Buckets(PAIRS, B, seed=3, growth=100)
    caps = [buckets.cap(update) for update in range(101)]
    lengths = np.sort(PAIRS.lengths)
    assert caps[0] == lengths[49]
    assert caps[100] == lengths[-1]
    assert caps == sorted(caps)
    seen = [PAIRS.lengths[numbers(buckets.batch(update))] for update in range(100)]
    for cap, batch in zip(caps, seen, strict=False):
        assert len(batch) == B
        assert max(batch) <= cap
    assert np.mean(seen[-20:]) > np.mean(seen[:20]) + 5
    assert any(max(batch) < max(later) for batch, later in zip(seen, seen[90:], strict=False))


def test_a_curriculum_is_of_the_seed_and_the_update() -> None:
    """Its batches differ from one another; after it, epochs are as without it."""
    buckets = Buckets(PAIRS, B, seed=3, growth=100)
    later = Buckets(PAIRS, B, seed=3, growth=100)
    assert numbers(later.batch(60)) == numbers(buckets.batch(60))
    assert numbers(buckets.batch(60)) != numbers(buckets.batch(61))
    assert numbers(buckets.batch(60)) != numbers(Buckets(PAIRS, B, 4, growth=100).batch(60))
    for update in (100, 300):
        assert numbers(buckets.batch(update)) == numbers(Buckets(PAIRS, B, 3).batch(update))


def test_a_curriculum_of_few_examples_has_small_batches() -> None:
    """As many as are within the cap, each once."""
    few = Pairs(Sequences.of_lists([[1], [2] * 9]), Sequences.of_lists([[1], [1]]))
    buckets = Buckets(few, B, seed=3, growth=10)
    assert numbers(buckets.batch(0)) == [1]
    assert numbers(buckets.batch(10)) == [1, 2]
    assert buckets.weight(0) == 1


def test_evaluation_goes_from_short_to_long() -> None:
    """Each example once, with its number."""
    batches = list(in_order(PAIRS, B))
    assert sorted(np.concatenate([rows for rows, _ in batches]).tolist()) == list(range(M))
    assert all(numbers(batch) == rows.tolist() for rows, batch in batches)
    lengths = np.concatenate([batch.lengths for _, batch in batches if batch.lengths is not None])
    assert (np.diff(lengths) >= 0).all()
    assert list(in_order(PAIRS.take(np.array([], int)), B)) == []


def test_no_batch_has_more_steps_than_its_longest_sequences() -> None:
    """Each side is padded to its own longest, so that no step is computed for nobody."""
    for _, batch in in_order(PAIRS, B):
        assert len(batch.inputs) == batch.ends.max()
        assert len(batch.targets) == batch.target_ends.max()
    empty = Sequences.of_lists([[], []], 1)
    assert Buckets(Pairs(empty, empty), 2, seed=1).batch(0).inputs.shape == (1, 2)


def test_the_work_of_a_batch_is_that_of_its_longer_side() -> None:
    """Shards are chosen by it: a classifier scores one target a sequence, but reads all of it."""
    sources = Sequences.of_lists([[0] * n for n in (3, 5, 4)], 1)
    targets = Sequences.of_lists([[0], [0], [0]], 1)
    assert Buckets(Pairs(sources, targets), 2, seed=1).mean_symbols == 6
    assert Buckets(Pairs(targets, sources), 2, seed=1).mean_symbols == 6
