"""Matrix products with few rows, cut into blocks that a BLAS runs at full speed.

One time step multiplies a state `(B, H)` by weights `(G, H, H)`. OpenBLAS packs its operands for a
product, and with so few rows the packing costs as much as the arithmetic. For small products it
has a kernel that packs nothing; it is chosen while rows x inner x columns <= 1e6. So the columns
of each gate are cut into equal blocks that stay below this bound, and `np.matmul` runs them as one
batch. On a BLAS without such a kernel the blocks are still wide enough to cost next to nothing.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array

SMALL_PRODUCT = 1_000_000
NARROWEST_BLOCK = 32


def number_of_blocks(rows: int, inner: int, columns: int) -> int:
    """Return into how many equal blocks to cut the columns of a (rows, inner) @ (inner, columns).

    The fewest that keep rows x inner x block within `SMALL_PRODUCT`, or 1 where none does.
    """
    if rows == 1:
        return 1  # a matrix-vector product reads its weights once, whatever the blocks
    for blocks in range(1, columns // NARROWEST_BLOCK + 1):
        if columns % blocks == 0 and rows * inner * (columns // blocks) <= SMALL_PRODUCT:
            return blocks
    return 1


class BlockedWeights:
    """Weights `(G, D, N)`, one matrix a gate, laid out for products with `rows` rows."""

    def __init__(self, W: Array, rows: int) -> None:
        G, D, N = W.shape
        blocks = number_of_blocks(rows, D, N)
        self.blocks = np.ascontiguousarray(W.reshape(G, D, blocks, N // blocks).swapaxes(1, 2))

    def split(self, out: Array) -> Array:
        """View `(..., B, N)` as `(..., K, B, N / K)`, one block of columns after the other."""
        K, width = self.blocks.shape[1], self.blocks.shape[3]
        return out.reshape(*out.shape[:-1], K, width).swapaxes(-2, -3)

    def product(self, x: Array, out: Array, gates: slice = slice(None)) -> Array:
        """`out[..., g] = x W[g]` for each gate: x (..., B, D), out (..., G, B, N)."""
        np.matmul(x[..., None, None, :, :], self.blocks[gates], out=self.split(out))
        return out

    def product_of_gates(self, x: Array, out: Array, gates: slice = slice(None)) -> Array:
        """`sum over g of x[g] W[g]`: x (G, B, D), out (G, B, N) as scratch; returns (B, N)."""
        np.matmul(x[:, None], self.blocks[gates], out=self.split(out))
        total: Array = np.add.reduce(out, axis=0)
        return total
