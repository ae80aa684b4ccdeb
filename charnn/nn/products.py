"""Matrix products with few rows, cut into blocks that a BLAS runs at full speed.

One time step multiplies a state `(B, H)` by weights `(G, H, H)`. OpenBLAS packs its operands for a
product, and with so few rows the packing costs as much as the arithmetic. For small products it
has, on some processors, a kernel that packs nothing; it is chosen while rows x inner x columns
<= 1e6. There the products are cut into equal blocks that stay below this bound, and `np.matmul`
runs them as one batch:

- the weights' columns into blocks of at most 64, each copied into a piece of memory of its own,
  which is read from one end to the other (narrower blocks were measured to be slower, and wider
  ones slower or as fast);
- where that is not enough, the rows too; a block of weights meets all of them while it is cached.

Weights larger than a core's own cache are read there and back, in turn, gate by gate: what one
product read last, the next reads first, while it is still cached.

Without that kernel blocks cost more than they save (with OpenBLAS's kernels for AVX2 up to a fifth
in a step, and 10 to 40 % over a window), so nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array
from charnn.nn.blas import has_small_kernel
from charnn.nn.buffers import Buffers

Multiply: TypeAlias = Callable[[Array], object]

ALL_GATES = slice(None)
SMALL_PRODUCT = 1_000_000
WIDEST_BLOCK = 64  # columns
NARROWEST_BLOCK = 16
FEWEST_ROWS = 8
CACHE = 1 << 21  # bytes of weights that a core's own cache may hold


def number_of_blocks(rows: int, inner: int, columns: int) -> tuple[int, int]:
    """Return into how many equal blocks to cut the rows, and the columns, of a product.

    The product is (rows, inner) @ (inner, columns). The widest blocks within `SMALL_PRODUCT`, then
    those of the most rows; (1, 1) where there are none, or BLAS has no kernel for them.
    """
    if rows == 1 or not has_small_kernel():
        return 1, 1  # a matrix-vector product reads its weights once, whatever the blocks
    for column_blocks in divisors(columns):
        width = columns // column_blocks
        if not NARROWEST_BLOCK <= width <= WIDEST_BLOCK:
            continue
        for row_blocks in divisors(rows):
            height = rows // row_blocks
            if height < FEWEST_ROWS and row_blocks > 1:
                break
            if height * inner * width <= SMALL_PRODUCT:
                return row_blocks, column_blocks
    return 1, 1


def worth_blocks(W: Array, rows: int) -> bool:
    """Return whether a product of T x `rows` rows with W (G, D, N) is faster cut than whole.

    So it is where the steps' products are cut, and the weights stay in the cache meanwhile.
    """
    return W.nbytes <= CACHE and number_of_blocks(rows, *W.shape[1:]) != (1, 1)


@cache
def divisors(number: int) -> tuple[int, ...]:
    """Return all divisors of a number, the smallest first."""
    return tuple(divisor for divisor in range(1, number + 1) if number % divisor == 0)


class BlockedWeights:
    """Weights `(G, D, N)`, one matrix a gate, laid out for products with B rows.

    The copy lies in `buffers`. It is as old as this object: make a new one after the weights have
    changed. A product is prepared once and then called for many x.
    """

    def __init__(self, W: Array, batch_size: int, buffers: Buffers) -> None:
        G, D, N = W.shape
        R, self._K = number_of_blocks(batch_size, D, N)
        self._rows = R, batch_size // R
        self._cut = (R, self._K) != (1, 1)
        if self._cut:
            W = W.reshape(G, D, self._K, N // self._K).swapaxes(1, 2)[:, :, None]
        self._blocks = buffers.contiguous("blocks", W)

    def product(self, out: Array, gates: slice = ALL_GATES) -> Multiply:
        """Return a function of x (B, D) that computes `out[g] = x W[g]` for these gates.

        `out` (their number, B, N) is for them alone.
        """
        parts = self._parts(out, gates)

        def multiply(x: Array) -> None:
            rows = x if self._rows[0] == 1 else x.reshape(*self._rows, -1)
            for _, W, part_out in parts:
                np.matmul(rows, W, part_out)
            parts.reverse()

        return multiply

    def products(self, out: Array, gates: slice = ALL_GATES) -> Multiply:
        """The same with an x of its own for each gate, `out[g] = x[g] W[g]`: x (G, B, D)."""
        parts = self._parts(out, gates)

        def multiply(x: Array) -> None:
            rows = x.reshape(len(x), 1, *self._rows, -1) if self._cut else x
            for part, W, part_out in parts:
                np.matmul(rows[part], W, part_out)
            parts.reverse()

        return multiply

    def product_over_time(self, x: Array, out: Array) -> None:
        """`out[t, g] = x[t] W[g]`: x (T, B, D), out (T, G, B, N); each block meets all of x.

        Only for weights that are `worth_blocks`.
        """
        x = x.reshape(len(x), *self._rows, x.shape[-1])
        np.matmul(x, self._blocks[:, :, None], out=self._split(out))

    def _parts(self, out: Array, gates: slice) -> list[tuple[slice, Array, Array]]:
        """Return gates, their weights and their place in `out`: all at once, or each if large."""
        W, out = self._blocks[gates], self._split(out)
        count = 1 if self._blocks.nbytes > CACHE else len(W)
        parts = [slice(first, first + count) for first in range(0, len(W), count)]
        return [(part, W[part], out[part]) for part in parts]

    def _split(self, out: Array) -> Array:
        """View (..., G, B, N) as (G, K, ..., R, B / R, N / K): K blocks of columns, R of rows.

        Where nothing is cut, return it as it is.
        """
        if not self._cut:
            return out
        *times, G, _, N = out.shape
        blocks = out.reshape(*times, G, *self._rows, self._K, N // self._K)
        order = (-5, -2, *range(-blocks.ndim, -5), -4, -3, -1)
        return blocks.transpose(order)


class VectorWeights:
    """Weights `(G, D, N)` laid out for products with one row: one matrix `(D, G N)`.

    A matrix-vector product reads its weights once, whatever the blocks; as one product, all gates'
    weights are read by as many threads as BLAS may use.
    """

    def __init__(self, W: Array, buffers: Buffers) -> None:
        self._G, D, self._N = W.shape
        matrix = buffers.contiguous("vector", W.swapaxes(0, 1))
        self._matrix = matrix.reshape(D, -1)

    def product(self, out: Array, gates: slice = ALL_GATES) -> Multiply:
        """Return a function of x (1, D) that computes `out[g] = x W[g]`: see `BlockedWeights`."""
        start, stop, _ = gates.indices(self._G)
        columns, row = self._matrix[:, start * self._N : stop * self._N], out.reshape(1, -1)
        return lambda x: np.matmul(x, columns, row)


def weights_for(W: Array, batch_size: int, buffers: Buffers) -> BlockedWeights | VectorWeights:
    """Return the layout of weights `(G, D, N)` that suits products with B rows."""
    if batch_size == 1:
        return VectorWeights(W, buffers)
    return BlockedWeights(W, batch_size, buffers)


def outer_products(x: Array, da: Array, out: Array | None = None) -> Array:
    """`sum over t, b of x^T da[g]`: x (T, B, D), da (G, T, B, H), returns (G, D, H).

    Weights are shared by all time steps, so their gradient is one product over T x B.
    """
    D, (G, H) = x.shape[-1], (da.shape[0], da.shape[-1])
    total: Array = np.matmul(x.reshape(-1, D).T, da.reshape(G, -1, H), out=out)
    return total
