"""A time step of each cell in integers; `charnn.nn` has the equations.

States and gates are in units of 2^-15, pre-activations in units of 2^-14. All are integers in
floating-point arrays of L lanes. A product of two is exact in float64; it is brought back to its
units by a power of two and rounded, halves to even. Tables are looked up with halves rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from charnn.arrays import Array
from charnn.compression.normalization import NORMAL_PLACES, largest_normalized, normalized
from charnn.compression.product import PLACES
from charnn.compression.tables import UNIT, sigma, tanh
from charnn.nn.kernels.kernel import States

ONE = 2.0**UNIT
DOWN = 2.0**-UNIT


class Weights(Protocol):
    """The weights of one layer."""

    def multiply(self, h: Array, group: int = 0) -> Array:
        """Return `h W_hh` of a group of gates: h (L, H) -> (L, N)."""

    def plus(self, name: str) -> Array:
        """Return a vector (N,) in units of 2^-14."""

    def times(self, name: str, x: Array, places: int) -> Array:
        """Return a vector times x (L, N), which has some places, in units of 2^-14."""


def scaled(product: Array) -> Array:
    """Bring the product of a gate and something else back to the units of that; in place."""
    product *= DOWN
    return np.rint(product, out=product)


class IntegerCell:
    """What the cells share."""

    states = 1
    groups: Sequence[slice] = (slice(None),)  # of gates, whose products are computed apart
    places = PLACES  # of the products
    bounded = True  # whether |h| <= 1

    def share(self, a: Array, W: Weights) -> Array:
        """Return the input's share (L, G H), of its product `a = x W_xh`."""
        shared: Array = a + W.plus("b_h")
        return shared

    def step(self, a: Array, states: States, W: Weights) -> States:
        """Return the states (L, H) after a step, of the input's share and the states before."""
        raise NotImplementedError


class IntegerRNN(IntegerCell):
    """See `charnn.nn.rnn`."""

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        return (tanh()(a + W.multiply(h), PLACES),)


class IntegerLSTM(IntegerCell):
    """See `charnn.nn.lstm`."""

    states = 2

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        h, c = states
        H = h.shape[1]
        u = W.multiply(h)
        u += a
        gates = sigma()(u[:, : 3 * H], PLACES)
        i, f, o = gates[:, :H], gates[:, H : 2 * H], gates[:, 2 * H :]
        i *= tanh()(u[:, 3 * H :], PLACES)
        c = f * c
        c += i
        scaled(c)
        h = tanh()(c, UNIT)
        h *= o
        return scaled(h), c


class IntegerPeepholeLSTM(IntegerCell):
    """See `charnn.nn.peephole_lstm`."""

    states = 2

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        h, c = states
        a_i, a_f, a_o, a_g = np.split(a + W.multiply(h), 4, axis=1)
        i = sigma()(a_i + W.times("p_i", c, UNIT), PLACES)
        f = sigma()(a_f + W.times("p_f", c, UNIT), PLACES)
        c = scaled(f * c + i * tanh()(a_g, PLACES))
        o = sigma()(a_o + W.times("p_o", c, UNIT), PLACES)
        return scaled(o * tanh()(c, UNIT)), c


class IntegerGRU(IntegerCell):
    """See `charnn.nn.gru`: reset before the product."""

    groups = slice(0, 2), slice(2, 3)

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        H = h.shape[1]
        u = W.multiply(h)
        u += a[:, : 2 * H]
        gates = sigma()(u, PLACES)
        q = scaled(gates[:, :H] * h)
        v = W.multiply(q, 1)
        v += a[:, 2 * H :]
        return (mixed(h, tanh()(v, PLACES), gates[:, H:]),)


class IntegerGRUResetAfter(IntegerCell):
    """See `charnn.nn.gru`: reset after the product."""

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        return (reset_after(a, W.multiply(h), h, W),)


class IntegerMinGRU(IntegerCell):
    """See `charnn.nn.min_gru`."""

    groups = ()
    bounded = False

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        H = h.shape[1]
        return (mixed(h, a[:, H:] * 2.0 ** (UNIT - PLACES), sigma()(a[:, :H], PLACES)),)


class IntegerLayerNormLSTM(IntegerCell):
    """See `charnn.nn.layer_norm_lstm`."""

    states = 2
    places = NORMAL_PLACES

    def share(self, a: Array, W: Weights) -> Array:
        """See `IntegerCell.share`."""
        return normalized_share(a, W)

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        h, c = states
        u = W.times("gain_h", normalized(W.multiply(h), NORMAL_PLACES), PLACES)
        a_i, a_f, a_o, a_g = np.split(a + u, 4, axis=1)
        c = scaled(sigma()(a_f, PLACES) * c + sigma()(a_i, PLACES) * tanh()(a_g, PLACES))
        limit = largest_normalized(c.shape[1])
        y = W.times("gain_c", normalized(c.clip(-limit, limit), UNIT), PLACES) + W.plus("b_c")
        return scaled(sigma()(a_o, PLACES) * tanh()(y, PLACES)), c


class IntegerLayerNormGRU(IntegerCell):
    """See `charnn.nn.layer_norm_gru`."""

    places = NORMAL_PLACES

    def share(self, a: Array, W: Weights) -> Array:
        """See `IntegerCell.share`."""
        return normalized_share(a, W)

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        u = W.times("gain_h", normalized(W.multiply(h), NORMAL_PLACES), PLACES)
        return (reset_after(a, u, h, W),)


class IntegerLayerNormRNN(IntegerCell):
    """See `charnn.nn.layer_norm_rnn`."""

    places = NORMAL_PLACES

    def share(self, a: Array, W: Weights) -> Array:
        """See `IntegerCell.share`: what is normalised is the sum."""
        return a

    def step(self, a: Array, states: States, W: Weights) -> States:
        """One step."""
        (h,) = states
        u = W.times("gain", normalized(a + W.multiply(h), NORMAL_PLACES), PLACES)
        return (tanh()(u + W.plus("b"), PLACES),)


def normalized_share(a: Array, W: Weights) -> Array:
    """Return `gain_x LN(a) + b`."""
    share: Array = W.times("gain_x", normalized(a, NORMAL_PLACES), PLACES) + W.plus("b")
    return share


def reset_after(a: Array, u: Array, h: Array, W: Weights) -> Array:
    """Return the state of a GRU whose reset gate acts on a product: of both shares (L, 3 H)."""
    H = h.shape[1]
    gates = sigma()(a[:, : 2 * H] + u[:, : 2 * H], PLACES)
    m = scaled(gates[:, :H] * (u[:, 2 * H :] + W.plus("b_hn")))
    return mixed(h, tanh()(a[:, 2 * H :] + m, PLACES), gates[:, H:])


def mixed(h: Array, n: Array, z: Array) -> Array:
    """Return `(1 - z) h + z n`."""
    return scaled((ONE - z) * h + z * n)


CELLS: dict[str, IntegerCell] = {
    "RNN": IntegerRNN(),
    "LSTM": IntegerLSTM(),
    "PeepholeLSTM": IntegerPeepholeLSTM(),
    "GRU": IntegerGRU(),
    "GRUResetAfter": IntegerGRUResetAfter(),
    "MinGRU": IntegerMinGRU(),
    "LayerNormLSTM": IntegerLayerNormLSTM(),
    "LayerNormGRU": IntegerLayerNormGRU(),
    "LayerNormRNN": IntegerLayerNormRNN(),
}
