"""Data sets for sequence tasks, made by a rule, so that a model can be measured against the truth.

    kind             task       source   target     rule
    addition         transduce  12+345   357        the sum
    copy             transduce  cab      cab        the same again
    reverse          transduce  cab      bac        backwards
    memorise         tag        cabbag   -cabba     y_t = x_{t-lag}, and - before that
    first-plus-last  classify   gabci    positive   whether x_0 + x_last > 0
    brackets         classify   ([]{})   balanced   whether each bracket is closed by its own kind

All examples of a kind that have one length (and one class) are a group (`groups.py`). Lengths occur
equally often as far as the shorter ones last, and classes equally often.

Uniform balanced strings of n pairs follow from the number of ways in which a string with h open
brackets can be completed by k more (ballot numbers): ways(k, h) = ways(k-1, h+1) + ways(k-1, h-1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

import numpy as np

from charnn.config import MakeConfig
from charnn.errors import ConfigError
from charnn.text.groups import Example, Group, numbered, shares, word

BEFORE = "-"  # what memorise writes while there is nothing to remember yet
LETTERS = "abcdefghij"
RISING = "abcdefghi"  # -4 to 4
PAIRS = "()[]{}"


def make_examples(config: MakeConfig) -> list[Example]:
    """Return examples that are all different, in random order.

    Neither sources nor targets have tabs or line ends. Raises ConfigError if fewer examples exist,
    or if options contradict each other.
    """
    rng = np.random.default_rng(config.seed)
    classes = BUILDERS[config.kind](config)
    exist = len(classes) * min(sum(group.count for group in groups) for groups in classes)
    if config.examples > exist:
        more = "--digits" if config.kind == "addition" else "--max-length"
        raise ConfigError(
            f"examples is {config.examples:,}, but {config.kind} has only {exist:,} different ones "
            f"with these options; lower --examples or raise {more}."
        )
    made: list[Example] = []
    order = rng.permutation(len(classes[0])).tolist()  # one for all, so that classes are alike
    for number, groups in enumerate(classes):
        amount = (config.examples + number) // len(classes)
        amounts = shares([group.count for group in groups], amount, order)
        for group, share in zip(groups, amounts, strict=True):
            made += group.draw(share, rng)
    return [made[place] for place in rng.permutation(len(made)).tolist()]


def lengths(config: MakeConfig, shortest: int, longest: int, least: int = 1) -> range:
    """Return the lengths that the options allow; where one bound is given, the other gives way.

    Raises ConfigError for an empty range, or for lengths below what the kind needs.
    """
    low, high = config.min_length, config.max_length
    if low is None:
        low = shortest if high is None else min(shortest, high)
    if high is None:
        high = max(longest, low)
    if low > high:
        raise ConfigError(
            f"min_length is {low} and max_length is {high}; give a maximum of at least {low}."
        )
    if low < least:
        name = "min_length" if config.min_length is not None else "max_length"
        raise ConfigError(f"{name} is {low}, but {config.kind} needs at least {least}.")
    return range(low, high + 1)


def alphabet(config: MakeConfig, default: str) -> str:
    """Return the symbols. Raises ConfigError for symbols that cannot be used or occur twice."""
    symbols = default if config.symbols is None else config.symbols
    twice = next((symbol for symbol in symbols if symbols.count(symbol) > 1), None)
    if twice is not None:
        raise ConfigError(f"symbols is {symbols!r}, which has {twice!r} twice; give each once.")
    if len(symbols) < 2:
        raise ConfigError(f"symbols is {symbols!r}; give at least two characters.")
    blank = next((each for each in symbols if not each.isprintable() or each.isspace()), None)
    if blank is not None:
        raise ConfigError(f"symbols has {blank!r}; give characters that can be seen.")
    return symbols


def addition(config: MakeConfig) -> list[list[Group]]:
    """Group sums by the numbers of digits of both numbers."""
    digits = range(1, 1 + (3 if config.digits is None else config.digits))

    def group(first: int, second: int) -> Group:
        # Numbers of one digit begin at 0, those of more digits at 10, 100, ...
        low_a, low_b = (0 if n == 1 else 10 ** (n - 1) for n in (first, second))
        size_a, size_b = 10**first - low_a, 10**second - low_b

        def example(number: int) -> Example:
            a, b = divmod(number, size_b)
            source = f"{low_a + a}+{low_b + b}"
            return source[::-1] if config.reverse else source, str(low_a + a + low_b + b)

        return numbered(size_a * size_b, example)

    return [[group(first, second) for first in digits for second in digits]]


def words(symbols: str, allowed: Iterable[int], target: Callable[[str], str]) -> list[list[Group]]:
    """Group all words over an alphabet by length, each with a target made from it."""

    def group(length: int) -> Group:
        def example(number: int) -> Example:
            source = word(number, symbols, length)
            return source, target(source)

        return numbered(len(symbols) ** length, example)

    return [[group(length) for length in allowed]]


def copied(config: MakeConfig) -> list[list[Group]]:
    """Group words that are repeated."""
    return words(alphabet(config, LETTERS), lengths(config, 1, 10), str)


def reversed_words(config: MakeConfig) -> list[list[Group]]:
    """Group words that are written backwards."""
    return words(alphabet(config, LETTERS), lengths(config, 1, 10), lambda source: source[::-1])


def memorise(config: MakeConfig) -> list[list[Group]]:
    """Group words whose symbols return after a lag. Raises ConfigError if none could."""
    symbols = alphabet(config, LETTERS)
    if BEFORE in symbols:
        raise ConfigError(
            f"symbols has {BEFORE!r}, which memorise writes before the first symbol; leave it out."
        )
    lag = 1 if config.lag is None else config.lag
    allowed = lengths(config, lag + 10, lag + 20)
    if allowed[0] <= lag:
        raise ConfigError(
            f"lag is {lag}, but there are lines of {allowed[0]} symbols; allow longer lines "
            "only, or lower --lag."
        )
    return words(symbols, allowed, lambda source: BEFORE * lag + source[:-lag])


def first_plus_last(config: MakeConfig) -> list[list[Group]]:
    """Group words by the sign of the sum of their ends.

    The symbols stand for equally spaced numbers around 0, in their order.
    """
    symbols = alphabet(config, RISING)
    allowed = lengths(config, 5, 5, least=2)
    ends: dict[str, list[tuple[str, str]]] = {"negative": [], "positive": []}
    for i, first in enumerate(symbols):
        for j, last in enumerate(symbols):
            above = i + j > len(symbols) - 1
            ends["positive" if above else "negative"].append((first, last))

    def group(label: str, length: int) -> Group:
        inside = len(symbols) ** (length - 2)

        def example(number: int) -> Example:
            pair, middle = divmod(number, inside)
            first, last = ends[label][pair]
            return first + word(middle, symbols, length - 2) + last, label

        # The smaller class bounds both, at every length, so that the length gives nothing away.
        fewest = min(map(len, ends.values()))
        return numbered(len(ends[label]) * inside, example, fewest * inside)

    return [[group(label, length) for length in allowed] for label in ends]


def brackets(config: MakeConfig) -> list[list[Group]]:
    """Group balanced strings, and strings that two exchanged brackets have spoilt."""
    pairs = alphabet(config, PAIRS)
    if len(pairs) % 2:
        raise ConfigError(f"symbols is {pairs!r}; give pairs of brackets, such as '()[]'.")
    allowed = lengths(config, 2, 20)
    even = [length for length in allowed if length % 2 == 0]
    if not even:
        raise ConfigError(
            f"the only length is {allowed[0]}, but balanced strings have even lengths; raise "
            "--max-length."
        )
    ways = ballot_numbers(even[-1])

    def group(length: int, spoilt: bool) -> Group:
        types = (len(pairs) // 2) ** (length // 2)

        def example(number: int) -> Example:
            shape, kinds = divmod(number, types)
            return balanced(shape, kinds, length, pairs, ways), "balanced"

        whole = numbered(ways[length][0] * types, example)
        return Group(whole.count, partial(unbalanced, whole, pairs)) if spoilt else whole

    return [[group(length, spoilt) for length in even] for spoilt in (False, True)]


def ballot_numbers(most: int) -> list[list[int]]:
    """Return ways[k][h], in how many ways k brackets close h open ones and all that they open."""
    ways = [[1] + [0] * (most + 1)]
    for _ in range(most):
        last = ways[-1]
        inner = [last[h + 1] + last[h - 1] for h in range(1, most + 1)]
        ways.append([last[1], *inner, 0])
    return ways


def balanced(shape: int, kinds: int, length: int, pairs: str, ways: list[list[int]]) -> str:
    """Return the balanced string with a number for its shape and one for its kinds of brackets."""
    kind = iter(word(kinds, pairs[::2], length // 2))
    closing = dict(zip(pairs[::2], pairs[1::2], strict=True))
    text: list[str] = []
    still_open: list[str] = []
    for left in range(length - 1, -1, -1):
        if shape < ways[left][len(still_open) + 1]:
            still_open.append(next(kind))
            text.append(still_open[-1])
        else:
            shape -= ways[left][len(still_open) + 1]
            text.append(closing[still_open.pop()])
    return "".join(text)


def unbalanced(
    whole: Group, pairs: str, amount: int, rng: np.random.Generator
) -> Iterator[Example]:
    """Spoil balanced strings by exchanging two brackets, which no count of brackets shows.

    There are at least as many results as balanced strings: exchanging the first and the last
    bracket never leaves a string balanced, and the same exchange leads back.
    """
    made: set[str] = set()
    while len(made) < amount:
        for text, _ in whole.draw(amount - len(made), rng):
            spoilt = exchanged(text, pairs, made, rng)
            if spoilt is not None:
                made.add(spoilt)
                yield spoilt, "unbalanced"


def exchanged(text: str, pairs: str, made: set[str], rng: np.random.Generator) -> str | None:
    """Exchange two brackets so that the result is new and not balanced; None if there is no way."""
    tries: list[list[int]] = rng.integers(len(text), size=(8, 2)).tolist()
    for source in (tries, combinations(range(len(text)), 2)):
        for a, b in source:
            signs = list(text)
            signs[a], signs[b] = signs[b], signs[a]
            result = "".join(signs)
            if text[a] != text[b] and result not in made and not is_balanced(result, pairs):
                return result
    return None


def is_balanced(text: str, pairs: str) -> bool:
    """Return whether each bracket is closed by its own kind, the last one opened first."""
    opening = dict(zip(pairs[1::2], pairs[::2], strict=True))
    still_open: list[str] = []
    for sign in text:
        if sign not in opening:
            still_open.append(sign)
        elif not still_open or still_open.pop() != opening[sign]:
            return False
    return not still_open


BUILDERS: dict[str, Callable[[MakeConfig], list[list[Group]]]] = {
    "addition": addition,
    "copy": copied,
    "reverse": reversed_words,
    "memorise": memorise,
    "first-plus-last": first_plus_last,
    "brackets": brackets,
}
