"""Data sets that are made by a rule: each kind against a judge of its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from charnn.config import MADE, MakeConfig
from charnn.errors import ConfigError
from charnn.text.groups import distinct, shares, word
from charnn.text.synthetic import BUILDERS, ballot_numbers, make_examples

every_kind = pytest.mark.parametrize("kind", MADE)


def made(kind: str, examples: int = 300, **options: Any) -> list[tuple[str, str]]:
    """Return the examples of a kind."""
    return make_examples(MakeConfig(kind=kind, examples=examples, **options))


def refusal(kind: str, **options: Any) -> str:
    """Return the sentence with which options are refused."""
    with pytest.raises(ConfigError) as caught:
        made(kind, **options)
    return str(caught.value)


def reduces(text: str) -> bool:
    """Judge brackets by deleting what is closed: nothing stays of a balanced string."""
    while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", text)) != text:
        text = shorter
    return not text


@every_kind
def test_every_kind_has_a_builder(kind: str) -> None:
    """What the command offers can be made, and every line can be read back from TSV."""
    examples = made(kind)
    assert list(BUILDERS) == list(MADE)
    assert len(examples) == 300
    for source, target in examples:
        assert source
        assert target
        assert source.isprintable()
        assert target.isprintable()


@every_kind
def test_no_line_stands_twice(kind: str) -> None:
    """All sources are different."""
    assert len({source for source, _ in made(kind, 2000)}) == 2000


@every_kind
def test_the_seed_decides(kind: str) -> None:
    """The same seed gives the same lines, another one gives others."""
    assert made(kind, seed=2) == made(kind, seed=2)
    assert made(kind, seed=2) != made(kind, seed=3)


@pytest.mark.parametrize("digits", [1, 2, 3, 20])
def test_sums_add_up(digits: int) -> None:
    """Each target is the sum, without leading zeros; all lengths up to the digits occur."""
    examples = made("addition", 100, digits=digits)
    seen = set()
    for source, target in examples:
        a, b = source.split("+")
        assert str(int(a) + int(b)) == target
        assert (str(int(a)), str(int(b))) == (a, b)
        seen |= {len(a), len(b)}
    assert seen == set(range(1, digits + 1))


def test_sums_backwards() -> None:
    """--reverse turns the source round and leaves the target."""
    forwards = made("addition", reverse=False)
    assert made("addition", reverse=True) == [(s[::-1], target) for s, target in forwards]


def test_all_sums_that_exist() -> None:
    """When as many are asked for as there are, each occurs once."""
    sums = {(f"{a}+{b}", str(a + b)) for a in range(100) for b in range(100)}
    assert set(made("addition", 10_000, digits=2)) == sums


def test_copies_and_reversals() -> None:
    """The target is the source, or the source from its end, letter by letter."""
    for source, target in made("copy"):
        assert source == target
    for source, target in made("reverse"):
        assert [source[-1 - t] for t in range(len(source))] == list(target)


@pytest.mark.parametrize("lag", [1, 2, 5, 20])
def test_what_is_memorised(lag: int) -> None:
    """y_t = x_{t-lag}, and a hyphen for each step before that."""
    for source, target in made("memorise", lag=lag):
        assert len(source) == len(target)
        assert len(source) > lag
        for t, symbol in enumerate(target):
            assert symbol == (source[t - lag] if t >= lag else "-")


@pytest.mark.parametrize("symbols", [None, "edcba", "xy", "abcd"])
@pytest.mark.parametrize("length", [None, 2, 9])
def test_first_plus_last(symbols: str | None, length: int | None) -> None:
    """The label is the sign of the sum of both ends; half of the lines have each."""
    values = symbols or "abcdefghi"
    number = dict(zip(values, np.arange(len(values)) - (len(values) - 1) / 2, strict=True))
    amount = 2 if symbols == "xy" and length == 2 else 12
    examples = made(
        "first-plus-last", amount, symbols=symbols, min_length=length, max_length=length
    )
    for source, label in examples:
        assert label == ("positive" if number[source[0]] + number[source[-1]] > 0 else "negative")
        assert len(source) == (length or 5)
    assert set(Counter(label for _, label in examples).values()) == {amount // 2}


def test_ends_of_every_kind_occur() -> None:
    """No pair of ends is left out, although there are more negative ones than are drawn."""
    examples = made("first-plus-last", 4000)
    assert len({source[0] + source[-1] for source, _ in examples}) == 81


@pytest.mark.parametrize("symbols", ["()", "[]()", "()[]{}"])
def test_brackets(symbols: str) -> None:
    """Another judge agrees; each length has as many of each class, and counts give none away."""
    examples = made("brackets", 600, symbols=symbols, min_length=8, max_length=19)
    by_length: dict[int, Counter[str]] = {}
    for source, label in examples:
        assert label == ("balanced" if reduces(source) else "unbalanced")
        assert set(source) <= set(symbols)
        by_length.setdefault(len(source), Counter())[label] += 1
        for opening, closing in zip(symbols[::2], symbols[1::2], strict=True):
            assert source.count(opening) == source.count(closing)
    assert set(by_length) <= set(range(8, 20, 2))
    assert all(n["balanced"] == n["unbalanced"] for n in by_length.values())


def test_brackets_that_only_their_kinds_spoil() -> None:
    """Some strings would be balanced if all brackets were alike, so a counter is not enough."""
    alike = str.maketrans("[]{}", "()()")
    spoilt = [source for source, label in made("brackets") if label == "unbalanced"]
    share = sum(reduces(source.translate(alike)) for source in spoilt) / len(spoilt)
    assert 0.2 < share < 0.8


@pytest.mark.parametrize(("symbols", "count"), [("()", 1 + 2 + 5), ("()[]", 2 + 8 + 40)])
def test_all_balanced_strings(symbols: str, count: int) -> None:
    """As many as the Catalan numbers say, to the last one, and as many spoilt ones."""
    examples = made("brackets", 2 * count, symbols=symbols, max_length=6)
    assert len(set(examples)) == 2 * count
    assert sum(reduces(source) for source, _ in examples) == count
    assert f"only {2 * count} different" in refusal(
        "brackets", examples=2 * count + 1, symbols=symbols, max_length=6
    )


def test_ballot_numbers() -> None:
    """The ways from nothing to nothing are the Catalan numbers."""
    ways = ballot_numbers(12)
    assert [ways[k][0] for k in range(0, 13, 2)] == [1, 1, 2, 5, 14, 42, 132]
    assert [ways[k][0] for k in range(1, 12, 2)] == [0] * 6
    assert ways[3][1] == 2  # )() and ())


@pytest.mark.parametrize("examples", [1, 7, 301])
@pytest.mark.parametrize("kind", ["first-plus-last", "brackets"])
def test_classes_are_equally_frequent(kind: str, examples: int) -> None:
    """An odd number leaves one class with one more."""
    counts = Counter(label for _, label in made(kind, examples))
    labels = ("positive", "negative") if kind == "first-plus-last" else ("balanced", "unbalanced")
    assert sorted(counts[label] for label in labels) == [examples // 2, (examples + 1) // 2]


@pytest.mark.parametrize("kind", ["copy", "reverse", "memorise", "first-plus-last"])
def test_lengths(kind: str) -> None:
    """All lengths that are allowed occur equally often."""
    counts = Counter(len(source) for source, _ in made(kind, 70, min_length=4, max_length=10))
    assert counts.keys() == set(range(4, 11))
    assert set(counts.values()) <= {9, 10, 11}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"min_length": 30}, {30}),
        ({"max_length": 3}, {1, 2, 3}),
        ({"min_length": 9}, {9, 10}),
        ({}, set(range(1, 11))),
    ],
)
def test_the_other_bound_gives_way(given: dict[str, int], found: set[int]) -> None:
    """A bound alone never contradicts the default of the other."""
    assert {len(source) for source, _ in made("copy", **given)} == found


def test_long_lines() -> None:
    """Lines of a thousand symbols use the whole alphabet, from the first symbol to the last."""
    examples = made("copy", 40, min_length=1000, max_length=1000)
    counts = Counter(symbol for source, _ in examples for symbol in source)
    assert len(counts) == 10
    assert max(counts.values()) < 1.1 * min(counts.values())
    assert len({source[0] for source, _ in examples}) > 5


@pytest.mark.parametrize(
    ("kind", "options", "part"),
    [
        ("addition", {"examples": 101, "digits": 1}, "only 100 different"),
        ("copy", {"examples": 7, "symbols": "ab", "max_length": 2}, "only 6 different"),
        ("copy", {"min_length": 5, "max_length": 4}, "at least 5"),
        ("copy", {"symbols": "aba"}, "'a' twice"),
        ("copy", {"symbols": "a"}, "at least two"),
        ("copy", {"symbols": ""}, "at least two"),
        ("copy", {"symbols": "a\tb"}, "'\\t'"),
        ("copy", {"symbols": "a b"}, "' '"),
        ("copy", {"symbols": "a\u2028b"}, "'\\u2028'"),
        ("copy", {"symbols": "a\udc80b"}, "'\\udc80'"),
        ("memorise", {"symbols": "ab-"}, "'-'"),
        ("memorise", {"lag": 10, "max_length": 10}, "lag is 10"),
        ("first-plus-last", {"min_length": 1}, "min_length is 1"),
        ("first-plus-last", {"max_length": 1}, "max_length is 1"),
        ("brackets", {"min_length": 3, "max_length": 3}, "even lengths"),
        ("brackets", {"symbols": "()["}, "pairs"),
        ("copy", {"digits": 3}, "--digits is for addition"),
        ("copy", {"reverse": True}, "--reverse is for addition"),
        ("copy", {"lag": 1}, "--lag is for memorise"),
        ("addition", {"symbols": "01"}, "leave it out for addition"),
        ("addition", {"min_length": 1}, "--min-length"),
        ("sums", {}, "first-plus-last"),
    ],
)
def test_what_is_refused(kind: str, options: dict[str, Any], part: str) -> None:
    """Options that do not apply, contradict each other or ask for too much; one sentence each."""
    sentence = refusal(kind, **options)
    assert part in sentence
    assert sentence.endswith((".", "?"))


def test_shares() -> None:
    """Equal, but for what the small ones lack; never more than there is, never less than asked."""
    assert shares([100, 100, 100], 9, [2, 0, 1]) == [3, 3, 3]
    assert shares([1, 100, 2], 9, [2, 0, 1]) == [1, 6, 2]
    assert shares([3, 3, 4], 10, [0, 1, 2]) == [3, 3, 4]
    assert shares([1, 9, 9, 9], 9, [2, 0, 1, 3]) == [1, 3, 3, 2]
    assert shares([10, 100, 1000], 2, [0, 2, 1]) == [1, 0, 1]
    rng = np.random.default_rng(1)
    for _ in range(50):
        counts = rng.integers(0, 20, 5).tolist()
        amount = int(rng.integers(0, sum(counts) + 1))
        given = shares(counts, amount, rng.permutation(5).tolist())
        assert sum(given) == amount
        assert all(0 <= g <= count for g, count in zip(given, counts, strict=True))
        unused = [g for g, count in zip(given, counts, strict=True) if g < count]
        assert not unused or max(given) - min(unused) <= 1


@pytest.mark.parametrize(("count", "amount"), [(1, 1), (10, 10), (10, 3), (100, 20), (2**200, 50)])
def test_distinct_numbers(count: int, amount: int) -> None:
    """All different, all in range, and large ones reach the upper half."""
    numbers = distinct(count, amount, np.random.default_rng(1))
    assert len(set(numbers)) == amount
    assert all(0 <= number < count for number in numbers)
    assert amount < 20 or max(numbers) >= count // 2


def test_words_are_numbers() -> None:
    """Base ten reads as one is used to; the numbers below n ** length give every word once."""
    assert word(30_714, "0123456789", 7) == "0030714"
    assert word(0, "ab", 0) == ""
    assert len({word(number, "abc", 5) for number in range(3**5)}) == 3**5
