"""Gated recurrent unit, in both forms.

Reset before the recurrent product (Cho et al., 2014), the default:

    r, z = sigma(x_t W_x{r,z} + h_{t-1} W_h{r,z} + b_{r,z})
    n = tanh(x_t W_xn + (r h_{t-1}) W_hn + b_n)
    h_t = (1 - z) h_{t-1} + z n

Reset after it, as cuDNN, PyTorch and Keras compute (there with z and 1 - z exchanged):

    m = h_{t-1} W_hn + b_hn
    n = tanh(x_t W_xn + b_n + r m)

The gradient, with `da` that of the arguments of sigma and tanh; the local derivatives stand in
brackets:

    da_n     = dh_t [z (1 - n^2)]
    da_z     = dh_t [(n - h_{t-1}) z (1 - z)]
    before:  dq = da_n W_hn^T  with q = r h_{t-1}
             da_r     = dq [h_{t-1} r (1 - r)]
             dh_{t-1} = dh_t [1 - z] + dq [r] + da_r W_hr^T + da_z W_hz^T
    after:   dm       = dh_t [z (1 - n^2) r]
             da_r     = dh_t [z (1 - n^2) m r (1 - r)]
             dh_{t-1} = dh_t [1 - z] + dm W_hn^T + da_r W_hr^T + da_z W_hz^T
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from charnn.arrays import Array, Arrays, Shape
from charnn.nn.cell import (
    Cell,
    RecurrentWeights,
    States,
    Views,
    outer_products,
    sigmoid_,
    sigmoid_derivative,
    tanh_derivative,
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
    joinable = False  # the reset gate acts between h and the candidate

    @classmethod
    def forms(cls) -> dict[str, Cell]:
        """Return both forms by the option `gru_reset`."""
        return {"before": GRU(), "after": GRUResetAfter()}

    def __str__(self) -> str:
        return "GRU (reset before)"

    def views(self, a: Array) -> Views:
        """Return the whole, (r, z), and each gate: see `Cell.views`."""
        return a, a[RZ], *a

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        (h,) = states
        (reset_h,) = memory
        _, sigmoids, r, z, n = a
        sigmoids += W.product(h_prev, RZ)
        sigmoid_(sigmoids)
        np.multiply(r, h_prev, out=reset_h)
        n += W.product(reset_h, N)[0]
        np.tanh(n, out=n)
        interpolate(h_prev, z, n, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, local: Array
    ) -> None:
        """Derivatives in the module's equations; that of h_{t-1} by h_t, 1 - z, replaces z."""
        (h_prev,) = previous
        update_derivatives(a, h_prev, local)
        local[0] *= h_prev

    def step_backward(
        self, d_states: States, a: Views, memory: States, da: Views, W: RecurrentWeights
    ) -> States:
        """One step's gradient: see the module's equations and `Cell.step_backward`."""
        (dh,) = d_states
        _, _, r, keep, _ = a
        _, d_rz, d_r, d_z, d_n = da
        d_z *= dh
        d_n *= dh
        dh *= keep
        dq = W.product_transposed(d_n[None], N)
        d_r *= dq
        dq *= r
        dh += dq
        dh += W.product_transposed(d_rz, RZ)
        return (dh,)

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Like `Cell.recurrent_gradients`; what n's weights multiplied is r h_{t-1}."""
        (reset_h,) = memory
        outer_products(h_prev, da[RZ], out=gradients["W_hh"][RZ])
        outer_products(reset_h, da[N], out=gradients["W_hh"][N])


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
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        (h,) = states
        m, _ = memory
        recurrent = W.product(h_prev)
        _, sigmoids, r, z, n = a
        sigmoids += recurrent[RZ]
        sigmoid_(sigmoids)
        np.add(recurrent[2], W.weights["b_hn"], out=m)
        n += r * m
        np.tanh(n, out=n)
        interpolate(h_prev, z, n, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, local: Array
    ) -> None:
        """Derivatives in the module's equations; 1 - z replaces z, and dm's has its place."""
        (h_prev,) = previous
        m, dm_local = memory
        update_derivatives(a, h_prev, local)
        local[0] *= m
        local[0] *= local[2]
        np.multiply(local[2], a[:, 0], out=dm_local)

    def step_backward(
        self, d_states: States, a: Views, memory: States, da: Views, W: RecurrentWeights
    ) -> States:
        """One step's gradient: see the module's equations and `Cell.step_backward`."""
        (dh,) = d_states
        _, dm = memory
        _, _, _, keep, _ = a
        d_gates, d_rz, *_ = da
        d_gates *= dh
        dm *= dh
        dh *= keep
        dh += W.product_transposed(d_rz, RZ)
        dh += W.product_transposed(dm[None], N)
        return (dh,)

    def recurrent_gradients(
        self, h_prev: Array, da: Array, memory: States, gradients: Arrays
    ) -> None:
        """Like `Cell.recurrent_gradients`; n's recurrent share has the gradient dm, not da_n."""
        _, dm = memory
        outer_products(h_prev, da[RZ], out=gradients["W_hh"][RZ])
        outer_products(h_prev, dm[None], out=gradients["W_hh"][N])
        np.sum(dm, axis=(0, 1), out=gradients["b_hn"])


def interpolate(h_prev: Array, z: Array, n: Array, out: Array) -> None:
    """`h = (1 - z) h_prev + z n`, written as `h_prev + z (n - h_prev)`."""
    np.subtract(n, h_prev, out=out)
    out *= z
    out += h_prev


def update_derivatives(a: Array, h_prev: Array, local: Array) -> None:
    """Fill what both forms share: da_z's and da_n's derivatives, r (1 - r), and 1 - z over z."""
    gates = a.swapaxes(0, 1)
    _, z, n = gates
    sigmoid_derivative(gates[RZ], out=local[RZ])
    local[1] *= n - h_prev
    tanh_derivative(n, out=local[2])
    local[2] *= z
    np.subtract(1, z, out=z)
