"""What is learnt while coding, written a second time, naively: the equations of
`charnn.compression.adaptation`, number by number, with Python's integers and dictionaries.

The one thing that is not exact is the product of a rate and a sum of errors, which float32 holds
before it is rounded to an integer; `in_float32` does that with integers.
"""

from __future__ import annotations

from naive_parts import half_even

B = 0x9E3779B97F4A7C15
ORDERS = (1, 2, 3, 4, 6, 8)
ONE = 1 << 16  # of the scales


def in_float32(number: int) -> int:
    """Return an integer rounded to 24 significant bits, halves to even."""
    places = max(abs(number).bit_length() - 24, 0)
    return half_even(number, places) << places


def row_bits(count: int, vocab_size: int) -> int:
    """Return of how many bits the number of a row is."""
    wanted = min(max(count.bit_length(), 8), 16)
    return max(n for n in range(1, wanted + 1) if n == 1 or vocab_size * 2**n <= 5_000_000)


class NaiveAdaptation:
    """The tables and the scales of one block."""

    def __init__(
        self, vocab_size: int, lanes: int, count: int, bits: int | None = None, exact: bool = False
    ) -> None:
        """`bits` are those of the numbers of rows; `exact`: without float32."""
        self.bits = row_bits(count, vocab_size) if bits is None else bits
        self.vocab_size, self.exact = vocab_size, exact
        self.rows: dict[tuple[int, int], list[int]] = {}
        self.counts: dict[tuple[int, int], int] = {}
        self.past: list[list[int]] = [[] for _ in range(lanes)]
        self.a = self.b = ONE

    def context(self, lane: int, order: int) -> tuple[int, int]:
        """Return the order, and the number of the row."""
        last = self.past[lane][::-1][:order]
        total = sum((x + 1) * B ** (j + 1) for j, x in enumerate(last)) % 2**64
        return order, total >> (64 - self.bits)

    def logits(self, y: list[list[int]]) -> list[list[int]]:
        """Return the logits of the first lanes, of the network's."""
        self.own, self.learnt, adjusted = [], [], []
        zeros = [0] * self.vocab_size
        for lane, row in enumerate(y):
            own = [max(value - max(row), -32 * 2**14) for value in row]
            found = [self.rows.get(self.context(lane, n), zeros) for n in ORDERS]
            learnt = [sum(column) for column in zip(*found, strict=True)]
            self.own.append(own)
            self.learnt.append(learnt)
            adjusted.append(
                [
                    half_even(self.a * u + 4 * self.b * v, 16)
                    for u, v in zip(own, learnt, strict=True)
                ]
            )
        return adjusted

    def learn(self, symbols: list[int], f: list[list[int]]) -> None:
        """Learn the symbols that followed in the first lanes, of frequencies f."""
        errors = [[half_even(value, 10) for value in row] for row in f]
        for error, x in zip(errors, symbols, strict=True):
            error[x] -= 2**14
        self.learn_scales(errors)
        for n in ORDERS:
            self.learn_rows(errors, [self.context(lane, n) for lane in range(len(errors))])
        for lane, x in enumerate(symbols):
            self.past[lane].append(x)

    def learn_scales(self, errors: list[list[int]]) -> None:
        """Move the scales."""
        of_a, of_b = (
            sum(
                e * v
                for error, own in zip(errors, x, strict=True)
                for e, v in zip(error, own, strict=True)
            )
            for x in (self.own, self.learnt)
        )
        self.a = min(max(self.a - half_even(of_a, 21), 0), 8 * ONE)
        self.b = min(max(self.b - half_even(of_b, 19), 0), 8 * ONE)

    def learn_rows(self, errors: list[list[int]], contexts: list[tuple[int, int]]) -> None:
        """Move the rows of an order's contexts, one for each lane."""
        for c in set(contexts):
            own = [error for error, other in zip(errors, contexts, strict=True) if other == c]
            seen = self.counts.get(c, 0) + len(own)
            rate = max(3 * 2**12 // (min(seen - 1, 142) + 8), 2**12 // 50)
            products = [rate * sum(column) for column in zip(*own, strict=True)]
            if not self.exact:
                products = [in_float32(product) for product in products]
            row = self.rows.get(c, [0] * self.vocab_size)
            self.rows[c] = [
                min(max(r - half_even(product, 14), -32767), 32767)
                for r, product in zip(row, products, strict=True)
            ]
            self.counts[c] = min(seen, 143)
