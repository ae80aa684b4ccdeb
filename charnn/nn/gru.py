"""Gated recurrent unit, in both forms.

Reset before the recurrent product (Cho et al., 2014), the default:

    r, z = sigma(x_t W_x{r,z} + h_{t-1} W_h{r,z} + b_{r,z})
    n = tanh(x_t W_xn + (r h_{t-1}) W_hn + b_n)
    h_t = (1 - z) h_{t-1} + z n

Reset after it, as cuDNN, PyTorch and Keras compute (there with z and 1 - z exchanged):

    m = h_{t-1} W_hn + b_hn
    n = tanh(x_t W_xn + b_n + r m)

The gradient, with `da` that of the arguments of sigma and tanh:

    da_n     = dh_t z (1 - n^2)
    da_z     = dh_t (n - h_{t-1}) z (1 - z)
    before:  dq = da_n W_hn^T  with q = r h_{t-1}
             da_r     = dq h_{t-1} r (1 - r)
             dh_{t-1} = dh_t (1 - z) + dq r + da_r W_hr^T + da_z W_hz^T
    after:   dm = da_n r
             da_r     = da_n m r (1 - r)
             dh_{t-1} = dh_t (1 - z) + dm W_hn^T + da_r W_hr^T + da_z W_hz^T
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.cell import (
    Cell,
    RecurrentWeights,
    States,
    StepBackward,
    outer_products,
    sigmoid_,
)

RZ, N = slice(0, 2), slice(2, 3)
GATES = "r, z = sigma(x_t W_x{r,z} + h_{t-1} W_h{r,z} + b_{r,z})"
STATE = "h_t = (1 - z) h_{t-1} + z n"


class GRU(Cell):
    """Reset and update gates around a candidate n; the reset gate acts before the product."""

    gates = ("r", "z", "n")
    equations: ClassVar[tuple[str, ...]] = (
        GATES,
        "n = tanh(x_t W_xn + (r h_{t-1}) W_hn + b_n)",
        STATE,
    )
    symbol_gain = 3.0  # the LSTM's value; not tuned for the GRU
    memory: ClassVar[tuple[str, ...]] = ("reset_h",)

    @classmethod
    def forms(cls) -> dict[str, Cell]:
        """Return both forms by the option `gru_reset`."""
        return {"before": GRU(), "after": GRUResetAfter()}

    def __str__(self) -> str:
        return "GRU (reset before)"

    def step(
        self, a: Array, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> StepBackward:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        (h,) = states
        (reset_h,) = memory
        a[RZ] += W.product(h_prev, RZ)
        sigmoid_(a[RZ])
        r, z, n = a
        np.multiply(r, h_prev, out=reset_h)
        a[N] += W.product(reset_h, N)
        np.tanh(n, out=n)
        interpolate(h_prev, z, n, out=h)

        def backward(d_states: States, da: Array) -> States:
            (dh,) = d_states
            interpolate_backward(dh, h_prev, z, n, da)
            d_reset_h = W.product_transposed(da[N], N)
            np.multiply(d_reset_h, h_prev, out=da[0])
            da[RZ] *= a[RZ] * (1 - a[RZ])
            dh_prev = W.product_transposed(da[RZ], RZ)
            dh_prev += dh * (1 - z)
            dh_prev += d_reset_h * r
            return (dh_prev,)

        return backward

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Like `Cell.recurrent_gradients`; what n's weights multiplied is r h_{t-1}."""
        (reset_h,) = memory
        gradients["W_hh"][RZ] += outer_products(h_prev, da[RZ])
        gradients["W_hh"][N] += outer_products(reset_h, da[N])


class GRUResetAfter(GRU):
    """The second form: the reset gate acts on the product, which has a bias `b_hn` (H,)."""

    equations = (
        GATES,
        "m = h_{t-1} W_hn + b_hn",
        "n = tanh(x_t W_xn + b_n + r m)",
        STATE,
    )
    memory = ("m", "dm")

    def __str__(self) -> str:
        return "GRU (reset after)"

    def shapes(self, inputs: int, hidden: int) -> dict[str, Shape]:
        """Return the shapes of the first form, and `b_hn`."""
        return super().shapes(inputs, hidden) | {"b_hn": (hidden,)}

    def step(
        self, a: Array, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> StepBackward:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        (h,) = states
        m, dm = memory
        recurrent = W.product(h_prev)
        a[RZ] += recurrent[RZ]
        sigmoid_(a[RZ])
        r, z, n = a
        np.add(recurrent[2], W.weights["b_hn"], out=m)
        n += r * m
        np.tanh(n, out=n)
        interpolate(h_prev, z, n, out=h)

        def backward(d_states: States, da: Array) -> States:
            (dh,) = d_states
            interpolate_backward(dh, h_prev, z, n, da)
            np.multiply(da[2], r, out=dm)
            np.multiply(da[2], m, out=da[0])
            da[RZ] *= a[RZ] * (1 - a[RZ])
            dh_prev = W.product_transposed(da[RZ], RZ)
            dh_prev += W.product_transposed(dm[None], N)
            dh_prev += dh * (1 - z)
            return (dh_prev,)

        return backward

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Like `Cell.recurrent_gradients`; n's recurrent share has the gradient dm, not da_n."""
        _, dm = memory
        gradients["W_hh"][RZ] += outer_products(h_prev, da[RZ])
        gradients["W_hh"][N] += outer_products(h_prev, dm[None])
        gradients["b_hn"][...] += dm.sum(axis=(0, 1))


def interpolate(h_prev: Array, z: Array, n: Array, out: Array) -> None:
    """`h = (1 - z) h_prev + z n`, written as `h_prev + z (n - h_prev)`."""
    np.subtract(n, h_prev, out=out)
    out *= z
    out += h_prev


def interpolate_backward(dh: Array, h_prev: Array, z: Array, n: Array, da: Array) -> None:
    """Fill `da_n` whole, and `da_z` but for the factor z (1 - z), which it shares with r."""
    _, da_z, da_n = da
    np.multiply(dh, n - h_prev, out=da_z)
    np.multiply(dh, z, out=da_n)
    da_n *= 1 - n * n
