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

from charnn.arrays import Array
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Peer, Starts, StepBackward, StepWeights
from charnn.nn.initializers import zeros
from charnn.nn.kernels.gru import RZ, N, ResetAfter, ResetBefore
from charnn.nn.kernels.kernel import Kernel, States
from charnn.nn.parameters import Axis, ParameterSpec

GATES = "r, z = sigma(x_t W_x{r,z} + h_{t-1} W_h{r,z} + b_{r,z})"
STATE = "h_t = (1 - z) h_{t-1} + z n"


class GRU(Cell):
    """Reset and update gates around a candidate n; the reset gate acts before the product."""

    title = "GRU (reset before)"
    gates = ("r", "z", "n")
    equations: ClassVar[tuple[str, ...]] = (
        GATES,
        "n = tanh(x_t W_xn + (r h_{t-1}) W_hn + b_n)",
        STATE,
    )
    candidate = "n"
    symbol_gain = 3.0  # the LSTM's value; not tuned for the GRU
    kernel: ClassVar[Kernel | None] = ResetBefore()
    peer = Peer("GRU", gates=("r", "z", "n"), negated=("z",), same=False)  # it resets after

    @classmethod
    def forms(cls) -> dict[str, Cell]:
        """Return both forms by the option `gru_reset`."""
        return {"before": GRU(), "after": GRUResetAfter()}

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        u, backward_u = W.multiply(h_prev, RZ)
        r, z = sigmoid(a[RZ] + u)
        q = r * h_prev
        v, backward_v = W.multiply(q, N)
        (n,) = np.tanh(a[N] + v)
        W.note(r=r, z=z, n=n)
        d, backward_d = W.drop(n)
        h = (1 - z) * h_prev + z * d

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da_n = backward_d(dh * z) * (1 - n**2)
            da_z = dh * (d - h_prev) * z * (1 - z)
            dq = backward_v(da_n[None])
            da_r = dq * h_prev * r * (1 - r)
            da = np.stack([da_r, da_z, da_n])
            return da, (dh * (1 - z) + dq * r + backward_u(da[RZ]),)

        return (h,), backward


class GRUResetAfter(GRU):
    """The second form: the reset gate acts on the product, which has a bias `b_hn` (H,)."""

    title = "GRU (reset after)"
    equations = (
        GATES,
        "m = h_{t-1} W_hn + b_hn",
        "n = tanh(x_t W_xn + b_n + r m)",
        STATE,
    )
    kernel = ResetAfter()
    peer = Peer("GRU", gates=("r", "z", "n"), negated=("z",))

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the parameters of the first form, and `b_hn`."""
        inside = ParameterSpec(
            (Axis("H", hidden),), zeros, "bias inside the reset gate", decays=False
        )
        return super().parameters(inputs, hidden, starts) | {"b_hn": inside}

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        u, backward_u = W.multiply(h_prev)
        r, z = sigmoid(a[RZ] + u[RZ])
        m = u[2] + W["b_hn"]
        n = np.tanh(a[2] + r * m)
        W.note(r=r, z=z, n=n)
        d, backward_d = W.drop(n)
        h = (1 - z) * h_prev + z * d

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da_n = backward_d(dh * z) * (1 - n**2)
            da_z = dh * (d - h_prev) * z * (1 - z)
            da_r = da_n * m * r * (1 - r)
            dm = da_n * r
            W.add_gradient("b_hn", dm.sum(axis=0))
            du = np.stack([da_r, da_z, dm])
            return np.stack([da_r, da_z, da_n]), (dh * (1 - z) + backward_u(du),)

        return (h,), backward
