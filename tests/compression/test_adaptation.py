"""What is learnt while coding: the same integers as a naive oracle's, whatever the lanes."""

from __future__ import annotations

import hashlib
from typing import Any

import naive_adaptation
import numpy as np
import pytest
from naive_adaptation import NaiveAdaptation, in_float32
from naive_parts import half_even

from charnn.compression import adaptation
from charnn.compression.adaptation import Adaptation, row_bits
from charnn.compression.frequencies import TOTAL, frequencies

V = 7
GOLDEN = [20369, 77859], "2da3ecec4900e016"  # the scales at the end, and a digest of all logits


def text(steps: int, lanes: int) -> tuple[Any, Any]:
    """Return symbols (T, L) that repeat themselves, and logits (T, L, V) that know little."""
    random = np.random.default_rng(1)
    pattern = random.integers(0, V, 11)
    at = np.arange(steps)[:, None] + random.integers(0, 11, lanes)
    ids = np.where(random.random((steps, lanes)) < 0.1, 0, pattern[at % 11])
    y = random.integers(-3 << 14, 3 << 14, (steps, lanes, V)).astype(float)
    return ids, y


def integers(x: Any) -> list[list[int]]:
    """Return an array as Python's integers."""
    found: list[list[int]] = x.astype(int).tolist()
    return found


def run(learner: Adaptation, ids: Any, y: Any) -> tuple[list[Any], float]:
    """Return the logits of all steps, and the bits of the code."""
    found, bits = [], 0.0
    for symbols, own in zip(ids, y, strict=True):
        found.append(learner.logits(own))
        f = frequencies(found[-1])
        bits -= np.log2(f[np.arange(len(symbols)), symbols] / TOTAL).sum()
        learner.learn(symbols, f)
    return found, bits


@pytest.mark.parametrize(("lanes", "count"), [(1, 40), (5, 300), (5, 100_000)])
def test_equals_the_oracle(lanes: int, count: int) -> None:
    """Every logit and both scales are those of the equations."""
    ids, y = text(40, lanes)
    learner, naive = Adaptation(V, lanes, count), NaiveAdaptation(V, lanes, count)
    for symbols, own in zip(ids, y, strict=True):
        found = learner.logits(own)
        assert found.tolist() == naive.logits(integers(own))
        assert learner.scales == [naive.a, naive.b]
        f = frequencies(found)
        learner.learn(symbols, f)
        naive.learn(symbols.tolist(), integers(f))
    assert naive.a != 1 << 16 != naive.b


def test_rows_that_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts that meet in a row are learnt together: here there are four rows in a table."""
    monkeypatch.setattr(adaptation, "CELLS", 4 * V)
    ids, y = text(30, 6)
    learner, naive = Adaptation(V, 6, 180), NaiveAdaptation(V, 6, 180, bits=2)
    for symbols, own in zip(ids, y, strict=True):
        found = learner.logits(own)
        assert found.tolist() == naive.logits(integers(own))
        f = frequencies(found)
        learner.learn(symbols, f)
        naive.learn(symbols.tolist(), integers(f))


def test_products_are_those_of_float32() -> None:
    """A product of more than 24 bits is rounded to these, and then to an integer: here to another
    one than if it were rounded once.
    """
    lanes = 8  # in the context of the beginning, so that rate(7) counts
    rate = 3 * 2**12 // 15
    error = next(
        e
        for e in range(lanes << 12, lanes << 14)
        if half_even(in_float32(rate * e), 14) != half_even(rate * e, 14)
    )
    f = np.zeros((lanes, V))
    f[:, 0] = (error // lanes) << 10
    f[0, 0] += error % lanes << 10
    learner, twice = Adaptation(V, lanes, 99), NaiveAdaptation(V, lanes, 99)
    once = NaiveAdaptation(V, lanes, 99, exact=True)
    for one in (twice, once):
        one.logits([[0] * V] * lanes)
        one.learn([1] * lanes, integers(f))
    learner.logits(np.zeros((lanes, V)))
    learner.learn(np.ones(lanes, int), f)
    (row,) = np.unique(learner._rows[learner._rows.any(axis=1)], axis=0).tolist()
    assert [row] * 6 == list(twice.rows.values())
    assert row not in once.rows.values()


def test_float32_gives_the_same_as_float64() -> None:
    """What is exact does not depend on the type that holds it, where errors are few."""
    ids, y = text(50, 9)
    results = []
    for dtype in (np.float32, np.float64):
        learner = Adaptation(V, 9, 450)
        learner._dtype = dtype
        results.append(np.array(run(learner, ids, y)[0]))
    assert np.array_equal(*results)


def test_the_order_of_the_lanes_does_not_matter() -> None:
    """Lanes in the same context write the same row."""
    ids, y = text(50, 9)
    there = np.array(run(Adaptation(V, 9, 450), ids, y)[0])
    back = np.array(run(Adaptation(V, 9, 450), ids[:, ::-1], y[:, ::-1])[0])
    assert np.array_equal(there, back[:, ::-1])


def test_golden() -> None:
    """These integers are part of the format: a change of them needs another version."""
    ids, y = text(200, 4)
    learner = Adaptation(V, 4, 800)
    found = np.array(run(learner, ids, y)[0]).astype("<i8")
    assert (learner.scales, hashlib.sha256(found.tobytes()).hexdigest()[:16]) == GOLDEN


def test_learns_what_the_network_does_not_know() -> None:
    """A text that repeats itself costs far less, and the network that knows nothing is left out."""
    ids, y = text(300, 8)
    plain = sum(
        -np.log2(frequencies(own)[np.arange(8), symbols] / TOTAL).sum()
        for symbols, own in zip(ids, y, strict=True)
    )
    learner = Adaptation(V, 8, 2400)
    bits = run(learner, ids, y)[1]
    assert bits < plain / 2
    assert learner.scales[0] < 1 << 15


def test_harms_little_where_the_network_knows_all() -> None:
    """A network that is right costs hardly more."""
    random = np.random.default_rng(2)
    y = np.rint(random.normal(0, 1 << 14, (300, 8, V)))
    p = np.array([frequencies(own) / TOTAL for own in y])
    ids = (p.cumsum(axis=2) < random.random((300, 8, 1))).sum(axis=2).clip(max=V - 1)
    plain = -np.log2(np.take_along_axis(p, ids[:, :, None], 2)).sum()
    assert run(Adaptation(V, 8, 2400), ids, y)[1] < 1.05 * plain


def test_fewer_lanes_at_the_end() -> None:
    """The last step may have a symbol in the first lanes alone."""
    ids, y = text(20, 5)
    learner, naive = Adaptation(V, 5, 98), NaiveAdaptation(V, 5, 98)
    for t in range(20):
        n = 3 if t == 19 else 5
        found = learner.logits(y[t, :n])
        assert found.tolist() == naive.logits(integers(y[t, :n]))
        f = frequencies(found)
        learner.learn(ids[t, :n], f)
        naive.learn(ids[t, :n].tolist(), integers(f))


def differs_at_the_limits() -> bool:
    """Return whether logits or scales differ from the oracle's where the limits are reached.

    Wrong frequencies drive them there: first all of one symbol, and always another one follows, and
    then the other way about.
    """
    lanes, steps = 3, 160
    random = np.random.default_rng(3)
    y = random.integers(-1 << 14, 1 << 14, (steps, lanes, V)).astype(float)
    y[:, :, 0] += 20 << 14
    y[:, :, 2] -= 20 << 14
    learner, naive = adaptation.Adaptation(V, lanes, 180), NaiveAdaptation(V, lanes, 180)
    cells, scales = set(), set()
    for t in range(steps):
        expected, follows = (0, 1) if t < steps // 2 else (1, 0)
        if learner.logits(y[t]).tolist() != naive.logits(integers(y[t])):
            return True
        f = np.zeros((lanes, V))
        f[:, expected] = TOTAL
        learner.learn(np.full(lanes, follows), f)
        naive.learn([follows] * lanes, integers(f))
        cells.update(abs(cell) for row in naive.rows.values() for cell in row)
        scales.update([("a", naive.a), ("b", naive.b)])
        if learner.scales != [naive.a, naive.b]:
            return True
    assert max(cells) == 32767
    assert scales >= {("a", 0), ("a", 8 << 16), ("b", 8 << 16)}
    return False


def test_limits() -> None:
    """Logits, rows and scales are held to them as the oracle's are."""
    assert not differs_at_the_limits()


def test_extreme_logits_stay_in_bounds() -> None:
    """Logits of any size and symbols that are never expected keep rows and scales in bounds."""
    y = np.zeros((400, 3, V))
    y[:, :, 0] = 2.0**44
    ids = np.full((400, 3), V - 1)
    learner = Adaptation(V, 3, 1200)
    found, _ = run(learner, ids, y)
    assert np.isfinite(found).all()
    assert np.abs(learner._rows.astype(int)).max() <= adaptation.ROW_LIMIT
    assert all(0 <= scale <= adaptation.SCALE_LIMIT for scale in learner.scales)


@pytest.mark.parametrize(
    ("count", "vocab_size", "bits"),
    [(0, 65, 8), (255, 65, 8), (256, 65, 9), (10**6, 65, 16), (10**6, 256, 14), (9, 10**6, 2)],
)
def test_row_bits(count: int, vocab_size: int, bits: int) -> None:
    """Tables are as large as the block needs, and bounded."""
    assert row_bits(count, vocab_size) == bits
    assert naive_adaptation.row_bits(count, vocab_size) == bits


def test_rates_are_those_of_their_formula() -> None:
    """They fall from 3/8 to 1/50."""
    rates = adaptation.rates() * 4  # of a row's units and a probability's
    assert (rates[0], rates[-1]) == (0.375, 81 / 4096)
    assert (np.diff(rates) <= 0).all()
    assert rates[-2] > rates[-1]
