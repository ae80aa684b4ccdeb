"""Streams and windows: what training reads, and how it is made to fit."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from charnn.errors import CorpusError
from charnn.text.batches import BOTH, Batch, Streams, fit_streams

ADAPTABLE = [frozenset(names) for n in range(3) for names in combinations(sorted(BOTH), n)]
careful = settings(derandomize=True, deadline=None, max_examples=100)


def refusal(length: int, batch_size: int, seq_length: int, adaptable: frozenset[str]) -> str:
    """Return the sentence with which a text is refused; it names all three sizes."""
    with pytest.raises(CorpusError) as caught:
        fit_streams(length, batch_size, seq_length, adaptable)
    message = str(caught.value)
    assert f"{length:,} symbols" in message
    assert f"batch_size {batch_size} x seq_length {seq_length}" in message
    return message


def test_a_window_is_inputs_and_the_symbols_after_them() -> None:
    """Two streams of five: the targets are the inputs one step later, (T, B)."""
    streams = Streams(np.arange(12), batch_size=2, seq_length=3)
    assert (streams.length, streams.count) == (5, 2)
    batch = streams.batch(0)
    assert batch.inputs.tolist() == [[0, 5], [1, 6], [2, 7]]
    assert batch.targets.tolist() == [[1, 6], [2, 7], [3, 8]]


def test_the_last_window_is_shorter() -> None:
    """Where T does not divide the streams, the rest is a window of its own."""
    streams = Streams(np.arange(12), batch_size=2, seq_length=3)
    batch = streams.batch(1)
    assert batch.inputs.tolist() == [[3, 8], [4, 9]]
    assert batch.targets.tolist() == [[4, 9], [5, 10]]


def test_windows_that_divide_the_streams_are_all_whole() -> None:
    """There is no empty window at the end."""
    streams = Streams(np.arange(13), batch_size=2, seq_length=3)
    assert (streams.length, streams.count) == (6, 2)
    assert [streams.batch(number).inputs.shape for number in range(2)] == [(3, 2), (3, 2)]


@given(st.integers(2, 400), st.integers(1, 40), st.integers(1, 60))
@careful
@example(2, 1, 1)
@example(400, 1, 500)
@example(41, 40, 1)
def test_an_epoch_reads_every_stream_once(length: int, batch_size: int, seq_length: int) -> None:
    """Windows laid end to end are the streams, and the streams are the text but for its tail."""
    assume(batch_size < length)
    ids = np.random.default_rng(length).permutation(length)
    streams = Streams(ids, batch_size, seq_length)
    windows = [streams.batch(number) for number in range(streams.count)]
    inputs = np.concatenate([window.inputs for window in windows])
    targets = np.concatenate([window.targets for window in windows])
    S = streams.length
    assert inputs.shape == targets.shape == (S, batch_size)
    assert inputs.T.reshape(-1).tolist() == ids[: S * batch_size].tolist()
    assert targets.T.reshape(-1).tolist() == ids[1 : S * batch_size + 1].tolist()
    assert (inputs[1:] == targets[:-1]).all()
    assert [len(window.inputs) for window in windows[:-1]] == [seq_length] * (len(windows) - 1)
    assert 1 <= len(windows[-1].inputs) <= seq_length
    assert 0 <= length - 1 - S * batch_size < batch_size


def test_windows_keep_the_type_of_the_ids() -> None:
    """Ids stay as small as the corpus stores them."""
    batch = Streams(np.arange(9, dtype=np.uint8), 2, 2).batch(0)
    assert batch.inputs.dtype == batch.targets.dtype == np.uint8


def test_a_text_that_fits_is_left_alone() -> None:
    """One window of all streams and one more target are enough."""
    for adaptable in ADAPTABLE:
        assert fit_streams(5 * 7 + 1, 5, 7, adaptable) == (5, 7)


def test_a_text_one_symbol_too_short_is_adapted_or_refused() -> None:
    """The batch is lowered first, so that windows stay long."""
    assert fit_streams(35, 5, 7, BOTH) == (4, 7)
    assert fit_streams(35, 5, 7, frozenset({"batch_size"})) == (4, 7)
    assert fit_streams(35, 5, 7, frozenset({"seq_length"})) == (5, 6)
    message = refusal(35, 5, 7, frozenset())
    assert message == (
        "the training part has 35 symbols; batch_size 5 x seq_length 7 needs 36. "
        "Use --batch-size 4 --seq-length 7, or more text."
    )


def test_a_very_short_text_shortens_the_window_too() -> None:
    """With one stream left, the window becomes as long as the text allows."""
    assert fit_streams(10, 16, 64, BOTH) == (1, 9)
    assert fit_streams(2, 16, 64, BOTH) == (1, 1)
    assert "Use --batch-size 1 --seq-length 9," in refusal(10, 16, 64, frozenset({"batch_size"}))


@pytest.mark.parametrize("adaptable", ADAPTABLE, ids=lambda names: "-".join(sorted(names)))
def test_one_symbol_is_too_short_for_everything(adaptable: frozenset[str]) -> None:
    """A training part of one symbol has nothing to predict, whatever is lowered."""
    message = refusal_of_one(adaptable)
    assert "more text" in message


def refusal_of_one(adaptable: frozenset[str]) -> str:
    """Return the sentence with which a single symbol is refused."""
    with pytest.raises(CorpusError) as caught:
        fit_streams(1, 16, 64, adaptable)
    return str(caught.value)


@given(st.integers(2, 3_000), st.integers(1, 200), st.integers(1, 300), st.sampled_from(ADAPTABLE))
@careful
def test_what_is_adapted_or_suggested_fits(
    length: int, batch_size: int, seq_length: int, adaptable: frozenset[str]
) -> None:
    """Sizes are lowered only where allowed, never raised, and what an error suggests works."""
    try:
        batch, steps = fit_streams(length, batch_size, seq_length, adaptable)
    except CorpusError as error:
        assert batch_size * seq_length >= length
        suggested = re.search(r"Use --batch-size (\d+) --seq-length (\d+),", str(error))
        assert suggested is not None
        batch, steps = int(suggested[1]), int(suggested[2])
    else:
        assert batch == batch_size or "batch_size" in adaptable
        assert steps == seq_length or "seq_length" in adaptable
    assert 1 <= batch <= batch_size
    assert 1 <= steps <= seq_length
    assert fit_streams(length, batch, steps, frozenset()) == (batch, steps)
    assert Streams(np.zeros(length), batch, steps).batch(0).inputs.shape == (steps, batch)
    if batch_size * seq_length < length:
        assert (batch, steps) == (batch_size, seq_length)


@pytest.mark.parametrize("shares", [1, 2, 3, 5])
def test_shares_side_by_side_are_the_window(shares: int) -> None:
    """Share (k, n) has neighbouring streams of the window, and none is in two shares."""
    streams = Streams(np.random.default_rng(shares).permutation(60), batch_size=7, seq_length=3)
    for update in range(2 * streams.count):
        whole = streams.batch(update)
        parts = [streams.batch(update, (k, shares)) for k in range(shares)]
        for name in ("inputs", "targets"):
            joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
            assert np.array_equal(joined, getattr(whole, name))
        assert whole.targets.size == streams.weight(update)


def test_sequences_begin_with_an_epoch() -> None:
    """Only its first window has no states to go on from; the epochs repeat for ever."""
    streams = Streams(np.arange(30), batch_size=2, seq_length=4)
    assert streams.count == 4
    assert [streams.begins(update) for update in range(9)] == [n % 4 == 0 for n in range(9)]
    assert np.array_equal(streams.batch(2).inputs, streams.batch(6).inputs)


grown = pytest.mark.parametrize(
    ("length", "batch_size", "seq_length", "growth"),
    [
        (400, 3, 20, 12),
        (400, 3, 20, 300),  # over many epochs
        (400, 3, 20, 1),
        (60, 2, 8, 5),  # nothing to grow
        (60, 2, 5, 5),  # windows shorter than those that a curriculum begins with
        (50, 1, 49, 7),  # the whole text a window
    ],
)


@grown
def test_growing_windows_follow_each_other(
    length: int, batch_size: int, seq_length: int, growth: int
) -> None:
    """Each begins where the one before ended, epoch after epoch, and no symbol is left out."""
    ids = np.random.default_rng(length).permutation(length)
    streams = Streams(ids, batch_size, seq_length, growth)
    S, rows = streams.length, []
    for update in range(growth + 3 * streams.count + 1):
        batch = streams.batch(update)
        assert streams.begins(update) == (len(rows) % S == 0)
        assert len(rows) % S + len(batch.inputs) <= S  # no window passes a border of epochs
        assert streams.weight(update) == batch.targets.size
        assert np.array_equal(batch.inputs[1:], batch.targets[:-1])
        rows.extend(zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True))
    epoch = [
        (
            [int(ids[b * S + s]) for b in range(batch_size)],
            [int(ids[b * S + s + 1]) for b in range(batch_size)],
        )
        for s in range(S)
    ]
    assert rows == (epoch * (len(rows) // S + 1))[: len(rows)]


@grown
def test_windows_grow_to_their_full_length(
    length: int, batch_size: int, seq_length: int, growth: int
) -> None:
    """From 8 steps in equal parts to T, but for the last ones of an epoch; then all have T."""
    streams = Streams(np.arange(length), batch_size, seq_length, growth)
    place, first = 0, min(8, seq_length)
    for update in range(growth + 3 * streams.count):
        steps = len(streams.batch(update).inputs)
        passed = min(update, growth)
        full = first + (seq_length - first) * passed // growth
        assert steps == min(full, streams.length - place)
        place = (place + steps) % streams.length
    assert full == seq_length


@grown
def test_epochs_of_growing_windows(
    length: int, batch_size: int, seq_length: int, growth: int
) -> None:
    """Epochs count symbols while windows grow, whole windows afterwards; `updates` undoes it."""
    streams = Streams(np.arange(length), batch_size, seq_length, growth)
    read = 0
    for update in range(growth + 2 * streams.count):
        if update <= growth:
            assert streams.epochs(update) == pytest.approx(read / streams.length)
        else:
            step = streams.epochs(update) - streams.epochs(update - 1)
            assert step == pytest.approx(1 / streams.count)
        if update and (update < 20 or update % 25 < 2):
            assert streams.updates(streams.epochs(update)) == update
        read += len(streams.batch(update).inputs)
    assert streams.updates(1e-9) == 1
    plain = Streams(np.arange(length), batch_size, seq_length)
    assert streams.updates(5.0) >= plain.updates(5.0)


def test_an_update_by_itself_is_that_of_a_run() -> None:
    """A run that is resumed at any update reads what a whole one would, in any share."""
    ids = np.random.default_rng(1).permutation(300)
    streams = Streams(ids, 4, 20, 11)
    for update in reversed(range(40)):
        fresh = Streams(ids, 4, 20, 11)
        whole, alone = streams.batch(update), fresh.batch(update)
        assert np.array_equal(whole.inputs, alone.inputs)
        parts = [fresh.batch(update, (k, 3)).targets for k in range(3)]
        assert np.array_equal(np.concatenate(parts, axis=1), whole.targets)
        assert fresh.begins(update) == streams.begins(update)


def test_columns_are_some_of_the_sequences() -> None:
    """Of every array that a batch has; lengths and what is fed keep to their sequences."""
    numbers = np.arange(1000)
    inputs, targets = numbers[:15].reshape(3, 5), numbers[20:40].reshape(4, 5)
    plain = Batch(inputs, targets).columns(slice(1, 4))
    assert plain.inputs.tolist() == inputs[:, 1:4].tolist()
    assert plain.targets.tolist() == targets[:, 1:4].tolist()
    arrays = {
        "lengths": numbers[50:55],
        "weights": numbers[60:80].reshape(4, 5),
        "target_lengths": numbers[90:95],
        "fed": numbers[100:125].reshape(5, 5),
    }
    assert all(getattr(plain, name) is None for name in arrays)
    batch = Batch(inputs, targets, **arrays)
    parts = [batch.columns(slice(a, b)) for a, b in ((0, 2), (2, 2), (2, 5))]
    for name in ("inputs", "targets", *arrays):
        whole, cut = getattr(batch, name), [getattr(part, name) for part in parts]
        assert [part.shape for part in cut] == [(*whole.shape[:-1], n) for n in (2, 0, 3)]
        assert np.array_equal(np.concatenate(cut, axis=-1), whole)
