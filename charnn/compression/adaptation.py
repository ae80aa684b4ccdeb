"""What the coder learns of a text while it codes it: logits of n-grams, added to the network's.

    y'_s = a y_s + b sum over n of R_n[c_n, s]        n = 1, 2, 3, 4, 6, 8

c_n stands for the last n symbols of a lane. Each R_n is a table of logits, all zero at first, that
the lanes of a block share, so the sum is a maximum-entropy model of n-grams (Rosenfeld, 1996)
beside the network, as in RNNME (Mikolov et al., 2011), but learnt from what has been coded and from
nothing else: the decoder does the same. After a step with probabilities p and symbols x, each
context goes down the gradient of the code's length, summed over the lanes that are in it, and so do
the scales a and b, both 1 at first:

    R_n[c, s] -= rate(k) sum over lanes in c of (p_s - [s = x]),  rate(k) = max(3 / (k + 8), 1/50)
    a -= 2^-9 sum over lanes and s of (p_s - [s = x]) y_s,        b likewise

where c has been seen k times before, all of these lanes but one included. b falls where the network
knows the text already, and a where it does not.

Contexts are hashed (h_n = sum over j < n of x_{t-j} B^(j+1) mod 2^64, with x counted from 1; its
first bits number the row), and those that meet in a row share it. p are the coder's frequencies.
Everything is an integer, in units of 2^-14 for y and p, 2^-12 for R and 2^-16 for a and b. Sums are
exact in any order, and halves are rounded to even. A rate times a sum is rounded twice, as IEEE 754
says: to float32, which holds it, and then to an integer. Lanes that are in the same context compute
the same row, so it does not matter which of them writes it.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.compression.frequencies import TOTAL_BITS
from charnn.compression.product import PLACES

ORDERS = (1, 2, 3, 4, 6, 8)
LONGEST = max(ORDERS)
LAST = np.array(ORDERS) - 1
BASE = 0x9E3779B97F4A7C15  # odd
FEWEST_BITS, MOST_BITS = 8, 16  # of the number of a row
CELLS = 5_000_000  # of a table at most, 2 bytes each

ROW_PLACES = 12
ROW_LIMIT = (1 << 15) - 1
ERROR_PLACES = 14  # of probabilities
SCALE_PLACES = 16
SCALE_LIMIT = 8 << SCALE_PLACES
SCALE_RATE = 9  # binary places: the rate is 2^-9
LOWEST = -32 << PLACES  # of the network's logits, the largest being 0
EXACT_LANES = 1 << (24 - ERROR_PLACES)  # as many errors of 1 add up to 2^24, float32's limit
RATE_PLACES = 12


def rates() -> Array:
    """Return rate(k) for k = 0 ... 142, its least value, from a probability's units to a row's.

    Rates are rounded down to 12 binary places.
    """
    counts = range(143)
    exact = [max((3 << RATE_PLACES) // (k + 8), (1 << RATE_PLACES) // 50) for k in counts]
    return np.ldexp(np.array(exact, np.float32), ROW_PLACES - ERROR_PLACES - RATE_PLACES)


def row_bits(count: int, vocab_size: int) -> int:
    """Return of how many bits the number of a row is, for a block of some symbols."""
    bits = min(max(count.bit_length(), FEWEST_BITS), MOST_BITS)
    while bits > 1 and vocab_size << bits > CELLS:
        bits -= 1
    return bits


class Adaptation:
    """The tables and the scales of one block: `logits`, then `learn`, for each step."""

    def __init__(self, vocab_size: int, lanes: int, count: int) -> None:
        """Begin a block of `count` symbols (N) in some lanes (L)."""
        bits = row_bits(count, vocab_size)
        self._shift = np.uint64(64 - bits)
        self._first = (np.arange(len(ORDERS)) << bits)[:, None]  # row of each table
        self._rows = np.zeros((len(ORDERS) << bits, vocab_size), np.int16)
        self._counts = np.zeros(len(ORDERS) << bits, np.uint8)
        self._past = np.zeros((LONGEST, lanes), np.uint64)  # the last symbol first; 0: none
        self._powers = powers()
        self._rates = rates()
        self._dtype = np.float32 if lanes < EXACT_LANES else np.float64
        self.scales = [1 << SCALE_PLACES, 1 << SCALE_PLACES]
        self._own = self._learnt = np.empty((0, vocab_size))
        self._contexts = np.empty((len(ORDERS), 0), np.uint16)
        self._found = np.empty((len(ORDERS), 0, vocab_size), self._dtype)

    def logits(self, network: Array) -> Array:
        """Return logits y' (n, V) of the network's y (n, V), those of the first n lanes."""
        n = len(network)
        own: Array = network.astype(np.float64)
        own -= own.max(axis=1, keepdims=True)
        np.maximum(own, LOWEST, out=own)
        self._contexts = self._hashes(n)
        self._found = self._rows.take(self._contexts + self._first, axis=0).astype(self._dtype)
        learnt = np.einsum("knv->nv", self._found).astype(np.float64)
        self._own, self._learnt = own, learnt
        a, b = self.scales
        y: Array = own * (a * 2.0**-SCALE_PLACES)
        y += learnt * (b * 2.0 ** (PLACES - ROW_PLACES - SCALE_PLACES))
        return np.rint(y, out=y)

    def learn(self, symbols: Array, frequencies: Array) -> None:
        """Learn the symbols (n,) that followed, of frequencies (n, V), of the last logits."""
        n = len(symbols)
        error: Array = frequencies * 2.0 ** (ERROR_PLACES - TOTAL_BITS)
        np.rint(error, out=error)
        error[np.arange(n), symbols] -= 1 << ERROR_PLACES
        self._learn_scales(error)
        self._learn_rows(error.astype(self._dtype))
        self._past[1:] = self._past[:-1]
        self._past[0, :n] = symbols + 1

    def _hashes(self, n: int) -> Array:
        """Return the numbers (K, n) of the contexts' rows, each in its own table."""
        sums = (self._past[:, :n] * self._powers).cumsum(axis=0)
        hashes: Array = sums.take(LAST, axis=0) >> self._shift
        return hashes.astype(np.uint16)

    def _learn_scales(self, error: Array) -> None:
        """Move the scales down their gradients."""
        for k, (x, places) in enumerate([(self._own, PLACES), (self._learnt, ROW_PLACES)]):
            gradient = float(np.vdot(error, x))  # exact: far below 2^53
            step = round(gradient * 2.0 ** (SCALE_PLACES - SCALE_RATE - ERROR_PLACES - places))
            self.scales[k] = min(max(self.scales[k] - step, 0), SCALE_LIMIT)

    def _learn_rows(self, error: Array) -> None:
        """Move the contexts' rows down their gradients."""
        at = self._contexts + self._first
        counts: Array = self._counts[at].astype(np.intp)
        change, together = self._summed(error)
        counts += together
        rate = self._rates.take(counts - 1, mode="clip")
        change = change * rate[:, :, None]
        np.rint(change, out=change)
        np.subtract(self._found, change, out=change)
        np.maximum(change, -ROW_LIMIT, out=change)
        np.minimum(change, ROW_LIMIT, out=change)
        self._rows[at] = change
        self._counts[at] = np.minimum(counts, len(self._rates))

    def _summed(self, error: Array) -> tuple[Array, Array | int]:
        """Return the sum of the errors (K, n, V) of the lanes in each lane's contexts, and how many
        these are (K, n).
        """
        K, n = self._contexts.shape
        if n == 1:
            return error[None], 1
        same = self._contexts[:, :, None] == self._contexts[:, None, :]
        weights = same.astype(self._dtype)
        change = (weights.reshape(K * n, n) @ error).reshape(K, n, -1)
        return change, (weights @ np.ones(n, self._dtype)).astype(np.intp)


def powers() -> Array:
    """Return B^1 ... B^8 mod 2^64 as a column (8, 1)."""
    found = [pow(BASE, j + 1, 1 << 64) for j in range(LONGEST)]
    return np.array(found, np.uint64)[:, None]
