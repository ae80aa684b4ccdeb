"""Products of integers that floating-point units compute exactly, in any order of additions.

    y = round(2^(14 - e_j - b) sum over i of round(2^(b - 15) x_i) w_ij)

x are integers in units of 2^-15, w_ij those of a matrix with exponents e_j, and y are integers in
units of 2^-14; halves are rounded to even. x is rounded to the most binary places b, up to 15, with

    sum over i of |w_ij| ceil(2^(b - 15) m) < 2^24    and    |y_j| + z + 1 < 2^23    for all j

where m is the largest |x_i| that can occur, at least 2^15, and z the largest number that is added
to y. Then every partial sum is one of the integers that float32 holds. Where b would be less than
7, float64 is used, with b = 15, 2^53 and 2^52. So no kernel, number of threads or fused operation
can change a bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array
from charnn.compression.quantized import QuantizedArray
from charnn.compression.tables import UNIT
from charnn.errors import CompressionError

PLACES = 14  # binary places of products and of all that is added to them
FEWEST = 7  # binary places of x in float32
KINDS: tuple[tuple[npt.DTypeLike, int, int], ...] = (
    (np.float32, 24, FEWEST),
    (np.float64, 53, UNIT),
)


class Product:
    """x (L, D) -> y (L, N) for a matrix (D, N)."""

    def __init__(
        self, matrix: QuantizedArray, largest: int, places: int = PLACES, beside: int = 0
    ) -> None:
        """Give the matrix, the largest |x|, the places of y, and the largest |z| of a later y + z.

        Raises CompressionError where not even float64 can hold the sums.
        """
        self._matrix, self._places = matrix, places
        weights = np.abs(matrix.values.astype(np.float64)).sum(axis=0)
        exponents = matrix.exponents.astype(np.int64)
        largest = max(largest, 1 << UNIT)
        for dtype, exact, fewest in KINDS:
            for kept in range(UNIT, fewest - 1, -1):
                sums = weights * -(-largest >> (UNIT - kept))  # never too small
                results = np.ldexp(sums, places - exponents - kept)
                self.largest = int(results.max(initial=0)) + 1
                if sums.max(initial=0) < 2**exact and self.largest + beside < 2 ** (exact - 1):
                    self._down = 2.0 ** (kept - UNIT)
                    self._up = np.ldexp(1.0, places - exponents - kept).astype(dtype)
                    self._weights = np.ascontiguousarray(matrix.values, dtype)
                    self.dtype, self.kept = dtype, kept
                    self._check()
                    return
        raise CompressionError(
            "the model's weights are too large to be multiplied exactly; use another model."
        )

    def __call__(self, x: Array) -> Array:
        """Return y (L, N) of x (L, D)."""
        y: Array = self.rounded(x) @ self._weights
        y *= self._up
        np.rint(y, out=y)
        return y

    def rounded(self, x: Array) -> Array:
        """Return x with the places that the product can hold."""
        if self.kept == UNIT:
            return x.astype(self.dtype)
        kept = x * self._down
        np.rint(kept, out=kept)
        return kept.astype(self.dtype)

    def _check(self) -> None:
        """Compare a product with that of int64, the largest sum in it. Raises CompressionError."""
        D = len(self._weights)
        x = (np.arange(3 * D).reshape(3, D) * 7919 % 2**self.kept).astype(np.int64)
        x[1, ::2] *= -1
        heaviest = np.abs(self._matrix.values.astype(np.int64)).sum(axis=0).argmax()
        x[2] = np.where(self._matrix.values[:, heaviest] < 0, -1, 1) << self.kept
        with np.errstate(over="raise"):
            sums = x.astype(self.dtype) @ self._weights
        if not np.array_equal(sums.astype(np.int64), x @ self._matrix.values.astype(np.int64)):
            raise CompressionError(
                "this machine's NumPy does not multiply integers exactly, so that it could not "
                "reproduce a text; use another build of NumPy."
            )
