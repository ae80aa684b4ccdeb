"""Where a predicted sequence begins and ends: symbols that no text contains.

Of V symbols, V is what a model reads before the first one (begin), and what it predicts after the
last one (end). Both are ids alone, so no character or string is reserved for them.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array


def delimited(symbols: Array, lengths: Array, delimiter: int) -> tuple[Array, Array]:
    """Return what is read and what is predicted: symbols (T, B), lengths (B,) -> (T + 1, B) each.

    The inputs are the symbols after the begin symbol, the targets the symbols up to the end symbol;
    teacher forcing reads at t + 1 what was to be predicted at t.
    """
    T, B = symbols.shape
    inputs = np.full((T + 1, B), delimiter, np.intp)
    inputs[1:] = symbols
    targets = np.zeros((T + 1, B), np.intp)
    targets[:-1] = symbols
    targets[lengths, np.arange(B)] = delimiter
    return inputs, targets
