"""The gated recurrent unit's kernels, one for each form; the equations are in `charnn.nn.gru`."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid_, sigmoid_derivative
from charnn.nn.kernels.kernel import (
    Kernel,
    RecurrentWeights,
    States,
    Views,
    candidate_derivative,
)
from charnn.nn.parameters import Gradients

RZ, N = slice(0, 2), slice(2, 3)


class ResetBefore(Kernel):
    """Gates r, z, n in place of their pre-activations; `reset_h = r h_{t-1}` is kept."""

    memory = ("reset_h",)
    local = ("keep",)  # the direct derivative of h_t by h_{t-1}, 1 - z

    def views(self, a: Array) -> Views:
        """Return (r, z) and each gate: see `Kernel.views`."""
        return a, a[RZ], *a

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step."""
        (h_prev,) = previous
        (h,) = states
        reset_h = memory[0]
        _, sigmoids, r, z, n = a
        sigmoids += W.product(h_prev, RZ)
        sigmoid_(sigmoids)
        np.multiply(r, h_prev, out=reset_h)
        n += W.product(reset_h, N)[0]
        W.tanh(n, n)
        interpolate(h_prev, z, n, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, da: Array, local: States
    ) -> None:
        """What stands in brackets in the equations."""
        (h_prev,) = previous
        (keep,) = local
        update_derivatives(a, h_prev, memory[1:], da, keep)
        da[0] *= h_prev

    def step_backward(
        self,
        d_states: States,
        a: Views,
        memory: States,
        da: Views,
        local: States,
        W: RecurrentWeights,
    ) -> States:
        """One step's gradient."""
        (dh,) = d_states
        (keep,) = local
        r = a[2]
        _, d_rz, d_r, d_z, d_n = da
        d_z *= dh
        d_n *= dh
        dh *= keep
        dq = W.product_transposed(d_n[None], N)
        d_r *= dq
        dh_through_r = np.multiply(dq, r, out=dq)
        dh += dh_through_r
        dh += W.product_transposed(d_rz, RZ)
        return (dh,)

    def weight_gradients(
        self, h_prev: Array, da: Array, memory: States, W: RecurrentWeights, gradients: Gradients
    ) -> None:
        """See `Kernel.weight_gradients`; what W_hn multiplied is r h_{t-1}."""
        reset_h = memory[0]

        def write(out: Array) -> None:
            W.outer_products(h_prev, da[RZ], out=out[RZ])
            W.outer_products(reset_h, da[N], out=out[N])

        gradients.add("W_hh", write)


class ResetAfter(Kernel):
    """Gates r, z, n in place of their pre-activations; `m` is kept, and its gradient `dm`."""

    memory = ("m", "dm")
    local = ("keep", "dm_dh")  # the derivatives by h_{t-1} and of h_t by m, 1 - z and z (1 - n^2) r

    def views(self, a: Array) -> Views:
        """Return (r, z) and each gate: see `Kernel.views`."""
        return a, a[RZ], *a

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step."""
        (h_prev,) = previous
        (h,) = states
        m = memory[0]
        recurrent = W.product(h_prev)
        _, sigmoids, r, z, n = a
        sigmoids += recurrent[RZ]
        sigmoid_(sigmoids)
        np.add(recurrent[2], W["b_hn"], out=m)
        n += r * m
        W.tanh(n, n)
        interpolate(h_prev, z, n, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, da: Array, local: States
    ) -> None:
        """What stands in brackets in the equations."""
        (h_prev,) = previous
        m = memory[0]
        keep, dm_dh = local
        update_derivatives(a, h_prev, memory[2:], da, keep)
        da[0] *= m
        da[0] *= da[2]
        np.multiply(da[2], a[:, 0], out=dm_dh)

    def step_backward(
        self,
        d_states: States,
        a: Views,
        memory: States,
        da: Views,
        local: States,
        W: RecurrentWeights,
    ) -> States:
        """One step's gradient."""
        (dh,) = d_states
        dm = memory[1]
        keep, dm_dh = local
        d_gates, d_rz, *_ = da
        d_gates *= dh
        np.multiply(dm_dh, dh, out=dm)
        dh *= keep
        dh += W.product_transposed(d_rz, RZ)
        dh += W.product_transposed(dm[None], N)
        return (dh,)

    def weight_gradients(
        self, h_prev: Array, da: Array, memory: States, W: RecurrentWeights, gradients: Gradients
    ) -> None:
        """See `Kernel.weight_gradients`; n's recurrent share has the gradient dm, not da_n."""
        dm = memory[1]

        def write(out: Array) -> None:
            W.outer_products(h_prev, da[RZ], out=out[RZ])
            W.outer_products(h_prev, dm[None], out=out[N])

        gradients.add("W_hh", write)
        gradients.add("b_hn", lambda out: np.sum(dm, axis=(0, 1), out=out))


def interpolate(h_prev: Array, z: Array, n: Array, out: Array) -> None:
    """`h = (1 - z) h_prev + z n`, written as `h_prev + z (n - h_prev)`."""
    np.subtract(n, h_prev, out=out)
    out *= z
    out += h_prev


def update_derivatives(a: Array, h_prev: Array, mask: States, da: Array, keep: Array) -> None:
    """Fill what both forms share: da_z's and da_n's derivatives, r (1 - r), and `keep`, 1 - z."""
    gates = a.swapaxes(0, 1)
    _, z, n = gates
    sigmoid_derivative(gates[RZ], out=da[RZ])
    da[1] *= n - h_prev
    candidate_derivative(n, mask, out=da[2])
    da[2] *= z
    np.subtract(1, z, out=keep)
