"""The code length of the network alone, for the report: nothing is coded by it."""

from __future__ import annotations

import math

import numpy as np

from charnn.arrays import Array
from charnn.compression.product import PLACES

ROWS = 256  # of logits whose lengths are computed together: one step has too few


class NetworkLength:
    """Adds up -log2 p of symbols by the network's logits, in floating point."""

    def __init__(self) -> None:
        self._logits: list[Array] = []
        self._symbols: list[Array] = []
        self._rows = 0
        self._nats = 0.0

    def add(self, logits: Array, symbols: Array) -> None:
        """Add the symbols (n,) that followed logits (n, V), which nobody may change afterwards."""
        self._logits.append(logits)
        self._symbols.append(symbols)
        self._rows += len(symbols)
        if self._rows >= ROWS:
            self._count()

    def bits(self) -> float:
        """Return the length of all symbols."""
        if self._rows:
            self._count()
        return self._nats / math.log(2)

    def _count(self) -> None:
        """Count what has gathered."""
        y = np.concatenate(self._logits)
        y -= y.max(axis=1, keepdims=True)
        y *= 2.0**-PLACES
        own = y[np.arange(self._rows), np.concatenate(self._symbols)]
        total = np.exp(y, out=y) @ np.ones(y.shape[1], y.dtype)
        self._nats += float((np.log(total) - own).sum(dtype=np.float64))
        self._logits, self._symbols, self._rows = [], [], 0
