"""The coder against constriction's (Bamler, 2022), an implementation in Rust.

Its default coder of a stack has the same words of 32 bits, states of 64 and frequencies of 24 bits,
and keeps its states one bit higher: from 2^32 where charnn's are from 2^31. With that one constant
changed the states and words of one lane must be the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import constriction  # its submodules cannot be imported by name
import numpy as np
import pytest

from charnn.arrays import Array
from charnn.compression import rans

AnsCoder = constriction.stream.stack.AnsCoder
CustomModel = constriction.stream.model.CustomModel

pytestmark = pytest.mark.parity

TOTAL = 1 << 24
LOW = 1 << 32  # constriction's least state


@pytest.fixture(autouse=True)
def states_from_2_32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let charnn's states be those of constriction; two constants say it."""
    monkeypatch.setattr(rans, "LOW", LOW)
    monkeypatch.setattr(rans, "ROOM", rans.ROOM + np.uint64(1))


def model_of(f: Array) -> Any:
    """Return a model with exactly some frequencies (V,), each at least 1.

    Constriction gives each symbol 1 and shares the rest out by a cumulative distribution, which it
    asks for between two symbols: floor(cdf(s - 1/2) (2^24 - V)) + s.
    """
    rest = TOTAL - len(f)
    below = [*(f.cumsum() - f).tolist(), TOTAL]

    def cdf(x: float) -> float:
        s = round(x + 0.5)
        return min((below[s] - s + 0.5) / rest, 1.0)

    return CustomModel(cdf, lambda _: 0.0, 0, len(f) - 1)


def even(random: np.random.Generator, V: int) -> Array:
    """All symbols are about as likely."""
    return np.full(V, TOTAL // V)


def uneven(random: np.random.Generator, V: int) -> Array:
    """A few symbols are likely, most are not."""
    weights = random.random(V) ** 8
    return 1 + (weights / weights.sum() * (TOTAL - V)).astype(np.int64)


def certain(random: np.random.Generator, V: int) -> Array:
    """One symbol has nearly all, all others 1."""
    return np.ones(V, np.int64)


@pytest.mark.parametrize("kind", [even, uneven, certain])
@pytest.mark.parametrize("V", [2, 7, 300])
def test_same_words(kind: Callable[[np.random.Generator, int], Array], V: int) -> None:
    """Of symbols whose frequencies change from one to the next, both ways."""
    random = np.random.default_rng(V)
    symbols = random.integers(0, V, 200).tolist()
    models, steps = [], []
    for symbol in symbols:
        f = kind(random, V)
        f[random.integers(V)] += TOTAL - f.sum()
        models.append(model_of(f))
        steps.append((f.cumsum()[[symbol]] - f[[symbol]], f[[symbol]]))
    coder = AnsCoder(np.array([0, LOW >> 32], np.uint32))
    for symbol, model in zip(reversed(symbols), reversed(models), strict=True):
        coder.encode_reverse(symbol, model)
    content = encode(steps)
    assert (in_constrictions_order(content) == coder.get_compressed()).all()
    other = AnsCoder(in_constrictions_order(content))
    assert [other.decode(model) for model in models] == symbols


def encode(steps: list[tuple[Array, Array]]) -> bytes:
    """Encode symbols that are given step by step, in one lane."""
    below, f = (np.concatenate(part) for part in zip(*steps, strict=True))
    return rans.encode(below, f, 1)


def in_constrictions_order(content: bytes) -> Array:
    """Return the words as constriction has them: those that are read first come last."""
    return np.concatenate([np.frombuffer(content, "<u4", offset=8)[::-1], words_of_state(content)])


def words_of_state(content: bytes) -> Array:
    """Return the first state's lower word and its upper one."""
    return np.frombuffer(content, "<u4", 2)


def test_constriction_notices() -> None:
    """A negative control: with charnn's own constants the words are others."""
    f = np.array([TOTAL - 3, 3])
    steps = [(np.array([TOTAL - 3]), np.array([3]))] * 20
    coder = AnsCoder(np.array([0, LOW >> 32], np.uint32))
    coder.encode_reverse(np.ones(20, np.int32), model_of(f))
    same = in_constrictions_order(encode(steps))
    assert np.array_equal(same, coder.get_compressed())
    with pytest.MonkeyPatch.context() as own:
        own.setattr(rans, "LOW", LOW >> 1)
        own.setattr(rans, "ROOM", rans.ROOM - np.uint64(1))
        assert not np.array_equal(in_constrictions_order(encode(steps)), same)
