"""Reading sequences backwards: the other direction of a bidirectional layer.

A bidirectional layer (Schuster and Paliwal, 1997) runs a second recurrence from each sequence's end
to its beginning. Sequences of a batch have different lengths and are padded at the end, so the
direction is turned for each of them within its own length:

    y[t, b] = x[lengths[b] - 1 - t, b]    for t < lengths[b]
    y[t, b] = x[t, b]                     behind the end

The padding stays behind the end, where it can reach no step of a recurrence that comes before it.
What the ordinary recurrence makes of y is turned once more, so that it stands at its own time.

Turning is a permutation P of the steps, and turning twice changes nothing: P P = I. A permutation's
transpose is its inverse, so P^T = P, and the gradient of x is the gradient of y, turned.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array


def reversed_in_time(x: Array, lengths: Array | None) -> Array:
    """Turn each sequence within its length: x (T, B, ...), lengths (B,) of 0 to T -> (T, B, ...).

    What stands behind an end stays where it is; without lengths every sequence has all T steps. The
    function is its own inverse and its own gradient. The result is a contiguous copy.
    """
    T, B = x.shape[:2]
    t = np.arange(T)[:, None]
    ends = np.full(B, T) if lengths is None else lengths
    source = np.where(t < ends, ends - 1 - t, t)
    rows = x.reshape(T * B, *x.shape[2:])
    turned: Array = rows.take(source * B + np.arange(B), axis=0)
    return turned
