"""What is learnt while coding: the same integers as a naive oracle's, whatever the lanes."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from charnn.compression import adaptation
from charnn.compression.adaptation import ORDERS, Adaptation, row_bits
from charnn.compression.frequencies import TOTAL, frequencies

V = 7
GOLDEN = [20369, 77859], "2da3ecec4900e016"  # the scales at the end, and a digest of all logits
B = 0x9E3779B97F4A7C15


def nearest(x: Fraction) -> int:
    """Return the nearest integer, the even one of two."""
    return round(x)


class Naive:
    """The equations of the module, number by number."""

    def __init__(self, bits: int, vocab_size: int, lanes: int) -> None:
        self.bits, self.vocab_size = bits, vocab_size
        self.rows: dict[tuple[int, int], list[int]] = {}
        self.counts: dict[tuple[int, int], int] = {}
        self.past: list[list[int]] = [[] for _ in range(lanes)]
        self.a = self.b = 1 << 16

    def context(self, lane: int, order: int) -> tuple[int, int]:
        """Return the order, and the number of the row."""
        last = self.past[lane][::-1][:order]
        total = sum((x + 1) * B ** (j + 1) for j, x in enumerate(last)) % 2**64
        return order, total >> (64 - self.bits)

    def logits(self, y: Any) -> list[list[int]]:
        """See `Adaptation.logits`."""
        self.own, self.learnt, adjusted = [], [], []
        zeros = [0] * self.vocab_size
        for lane, row in enumerate(y.astype(int).tolist()):
            own = [max(value - max(row), -32 * 2**14) for value in row]
            found = [self.rows.get(self.context(lane, n), zeros) for n in ORDERS]
            learnt = [sum(column) for column in zip(*found, strict=True)]
            self.own.append(own)
            self.learnt.append(learnt)
            adjusted.append(
                [
                    nearest(Fraction(self.a * u + 4 * self.b * v, 2**16))
                    for u, v in zip(own, learnt, strict=True)
                ]
            )
        return adjusted

    def learn(self, symbols: Any, f: Any) -> None:
        """See `Adaptation.learn`."""
        errors = [[nearest(Fraction(int(value), 2**10)) for value in row] for row in f]
        for error, x in zip(errors, symbols.tolist(), strict=True):
            error[x] -= 2**14
        lanes = range(len(errors))
        of_a, of_b = (
            sum(e * v for lane in lanes for e, v in zip(errors[lane], x[lane], strict=True))
            for x in (self.own, self.learnt)
        )
        self.a = min(max(self.a - nearest(Fraction(of_a, 2**21)), 0), 8 * 2**16)
        self.b = min(max(self.b - nearest(Fraction(of_b, 2**19)), 0), 8 * 2**16)
        for n in ORDERS:
            contexts = [self.context(lane, n) for lane in lanes]
            for c in set(contexts):
                own = [errors[lane] for lane in lanes if contexts[lane] == c]
                k = min(self.counts.get(c, 0) + len(own) - 1, 142)
                rate = max(3 * 2**12 // (k + 8), 2**12 // 50)
                change = [sum(column) for column in zip(*own, strict=True)]
                row = self.rows.get(c, [0] * self.vocab_size)
                self.rows[c] = [
                    min(max(r - nearest(Fraction(rate * d, 2**14)), -32767), 32767)
                    for r, d in zip(row, change, strict=True)
                ]
                self.counts[c] = min(self.counts.get(c, 0) + len(own), 143)
        for lane, x in zip(lanes, symbols.tolist(), strict=True):
            self.past[lane].append(x)


def text(steps: int, lanes: int) -> tuple[Any, Any]:
    """Return symbols (T, L) that repeat themselves, and logits (T, L, V) that know little."""
    random = np.random.default_rng(1)
    pattern = random.integers(0, V, 11)
    at = np.arange(steps)[:, None] + random.integers(0, 11, lanes)
    ids = np.where(random.random((steps, lanes)) < 0.1, 0, pattern[at % 11])
    y = random.integers(-3 << 14, 3 << 14, (steps, lanes, V)).astype(float)
    return ids, y


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
    learner, naive = Adaptation(V, lanes, count), Naive(row_bits(count, V), V, lanes)
    for symbols, own in zip(ids, y, strict=True):
        found = learner.logits(own)
        assert found.tolist() == naive.logits(own)
        assert learner.scales == [naive.a, naive.b]
        f = frequencies(found)
        learner.learn(symbols, f)
        naive.learn(symbols, f)
    assert naive.a != 1 << 16 != naive.b


def test_rows_that_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts that meet in a row are learnt together: here there are four rows in a table."""
    monkeypatch.setattr(adaptation, "CELLS", 4 * V)
    ids, y = text(30, 6)
    learner, naive = Adaptation(V, 6, 180), Naive(2, V, 6)
    for symbols, own in zip(ids, y, strict=True):
        found = learner.logits(own)
        assert found.tolist() == naive.logits(own)
        f = frequencies(found)
        learner.learn(symbols, f)
        naive.learn(symbols, f)


def test_float32_gives_the_same_as_float64() -> None:
    """What is exact does not depend on the type that holds it."""
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
    learner, naive = Adaptation(V, 5, 98), Naive(row_bits(98, V), V, 5)
    for t in range(20):
        n = 3 if t == 19 else 5
        found = learner.logits(y[t, :n])
        assert found.tolist() == naive.logits(y[t, :n])
        f = frequencies(found)
        learner.learn(ids[t, :n], f)
        naive.learn(ids[t, :n], f)


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


def test_rates_are_those_of_their_formula() -> None:
    """They fall from 3/8 to 1/50."""
    rates = adaptation.rates() * 4  # of a row's units and a probability's
    assert (rates[0], rates[-1]) == (0.375, 81 / 4096)
    assert (np.diff(rates) <= 0).all()
    assert rates[-2] > rates[-1]
