"""Long short-term memory's kernel; the equations are in `charnn.nn.lstm`."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid_, sigmoid_derivative, tanh_derivative
from charnn.nn.kernels.kernel import (
    Kernel,
    RecurrentWeights,
    States,
    Views,
    candidate_derivative,
)


class LSTMKernel(Kernel):
    """Gates i, f, o, g in place of their pre-activations; tanh(c_t) is kept."""

    memory = ("tanh_c",)
    local = ("dc_dh",)  # the derivative of h_t by c_t, o (1 - tanh(c_t)^2)
    completes = True

    def views(self, a: Array) -> Views:
        """Return the whole, (i, f, o), and each gate: see `Kernel.views`."""
        return a, a[:3], *a

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step."""
        h_prev, c_prev = previous
        h, c = states
        tanh_c = memory[0]
        gates, sigmoids, i, f, o, g = a
        W.complete(gates, h_prev)
        sigmoid_(sigmoids)
        W.tanh(g, g)
        np.multiply(f, c_prev, out=c)
        i_g = np.multiply(i, g, out=h)  # h is filled last
        c += i_g
        np.tanh(c, out=tanh_c)
        np.multiply(o, tanh_c, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, da: Array, local: States
    ) -> None:
        """What stands in brackets in the equations."""
        _, c_prev = previous
        tanh_c = memory[0]
        (dc_dh,) = local
        gates = a.swapaxes(0, 1)
        i, _, o, g = gates
        sigmoid_derivative(gates[:3], out=da[:3])
        da[0] *= g
        da[1] *= c_prev
        da[2] *= tanh_c
        candidate_derivative(g, memory[1:], out=da[3])
        da[3] *= i
        tanh_derivative(tanh_c, out=dc_dh)
        dc_dh *= o

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
        dh, dc = d_states
        (dc_dh,) = local
        f = a[3]
        d_gates, _, d_i, d_f, d_o, d_g = da
        dc_dh *= dh
        dc += dc_dh
        d_i *= dc
        d_f *= dc
        d_o *= dh
        d_g *= dc
        dc *= f
        return W.product_transposed(d_gates), dc
