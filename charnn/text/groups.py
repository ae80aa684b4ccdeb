"""Groups of numbered examples, from which different ones are drawn, however many or few there are.

A group that can make each of its examples from a number draws different examples by drawing
different numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Example = tuple[str, str]  # source and target


@dataclass(frozen=True)
class Group:
    """Examples of one length and class: how many may be drawn, and what draws so many of them."""

    count: int
    draw: Callable[[int, np.random.Generator], Iterable[Example]]


def shares(counts: Sequence[int], amount: int, order: Iterable[int]) -> list[int]:
    """Divide an amount, at most the sum of the counts, equally among groups.

    What a group cannot give is divided among the others; a remainder goes to the first ones in
    `order` that can give more.
    """
    level = 0  # what each group gives that has so many
    for place, count in enumerate(sorted(counts)):
        alike = len(counts) - place
        step = min(count - level, amount // alike)
        level += step
        amount -= step * alike
        if level < count:  # the remainder is too small for one more each
            break
    given = [min(count, level) for count in counts]
    for place in order:
        if amount and counts[place] > level:
            given[place] += 1
            amount -= 1
    return given


def distinct(count: int, amount: int, rng: np.random.Generator) -> list[int]:
    """Draw different numbers from 0 to count - 1, which may be larger than 64 bits."""
    if count <= 4 * amount:
        found: list[int] = rng.permutation(count)[:amount].tolist()
        return found
    size = count.bit_length() // 8 + 9  # bytes; 8 more than needed make the remainder uniform
    numbers: dict[int, None] = {}  # in the order in which they were drawn
    while len(numbers) < amount:
        numbers[int.from_bytes(rng.bytes(size), "little") % count] = None
    return list(numbers)


def numbered(space: int, example: Callable[[int], Example], count: int | None = None) -> Group:
    """Return the group of examples 0 to space - 1, of which `count` may be drawn (None: all)."""

    def draw(amount: int, rng: np.random.Generator) -> Iterator[Example]:
        return map(example, distinct(space, amount, rng))

    return Group(space if count is None else count, draw)


def word(number: int, symbols: str, length: int) -> str:
    """Return a number as digits to the base of the number of symbols.

    Halving the word instead of taking digit by digit keeps large numbers cheap.
    """
    if length == 0:
        return ""
    if length == 1:
        return symbols[number]
    high, low = divmod(number, len(symbols) ** (length // 2))
    return word(high, symbols, length - length // 2) + word(low, symbols, length // 2)
