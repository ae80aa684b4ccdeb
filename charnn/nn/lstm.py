"""Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    i, f, o = sigma(x_t W_x{i,f,o} + h_{t-1} W_h{i,f,o} + b_{i,f,o})
    g = tanh(x_t W_xg + h_{t-1} W_hg + b_g)
    c_t = f c_{t-1} + i g
    h_t = o tanh(c_t)

Its gradient, with `da` that of the arguments of sigma and tanh (sigma' = sigma (1 - sigma)); the
local derivatives stand in brackets:

    dc_t    <- dc_t + dh_t [o (1 - tanh(c_t)^2)]
    da_i     = dc_t [g i (1 - i)]
    da_f     = dc_t [c_{t-1} f (1 - f)]
    da_o     = dh_t [tanh(c_t) o (1 - o)]
    da_g     = dc_t [i (1 - g^2)]
    dc_{t-1} = dc_t [f]
    dh_{t-1} = sum over gates of da W_hh^T
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.cell import (
    Cell,
    RecurrentWeights,
    States,
    Views,
    sigmoid_,
    sigmoid_derivative,
    tanh_derivative,
)


class LSTM(Cell):
    """Input, forget and output gates around a cell state c; no peepholes."""

    gates = ("i", "f", "o", "g")
    equations = (
        "i, f, o = sigma(x_t W_x{i,f,o} + h_{t-1} W_h{i,f,o} + b_{i,f,o})",
        "g = tanh(x_t W_xg + h_{t-1} W_hg + b_g)",
        "c_t = f c_{t-1} + i g",
        "h_t = o tanh(c_t)",
    )
    states = ("h", "c")
    symbol_gain = 3.0  # gates half open shrink h: with 1, the first 750 updates learn slower
    memory = ("tanh_c",)

    def initial_bias(self, gate: str, forget_bias: float) -> float:
        """Return `forget_bias` for the forget gate, so that it begins by remembering."""
        return forget_bias if gate == "f" else 0.0

    def views(self, a: Array) -> Views:
        """Return the whole, (i, f, o), and each gate: see `Cell.views`."""
        return a, a[:3], *a

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step: see the module's equations and `Cell.step`."""
        h_prev, c_prev = previous
        h, c = states
        (tanh_c,) = memory
        gates, sigmoids, i, f, o, g = a
        gates += W.product(h_prev)
        sigmoid_(sigmoids)
        np.tanh(g, out=g)
        i_g = np.multiply(i, g, out=tanh_c)
        np.multiply(f, c_prev, out=c)
        c += i_g
        np.tanh(c, out=tanh_c)
        np.multiply(o, tanh_c, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, local: Array
    ) -> None:
        """Derivatives in the module's equations; that of c_t by h_t replaces tanh(c_t)."""
        _, c_prev = previous
        (tanh_c,) = memory
        gates = a.swapaxes(0, 1)
        i, _, o, g = gates
        sigmoid_derivative(gates[:3], out=local[:3])
        local[0] *= g
        local[1] *= c_prev
        local[2] *= tanh_c
        tanh_derivative(g, out=local[3])
        local[3] *= i
        tanh_derivative(tanh_c, out=tanh_c)
        tanh_c *= o

    def step_backward(
        self, d_states: States, a: Views, memory: States, da: Views, W: RecurrentWeights
    ) -> States:
        """One step's gradient: see the module's equations and `Cell.step_backward`."""
        dh, dc = d_states
        (dc_local,) = memory
        f = a[3]
        d_gates, _, d_i, d_f, d_o, d_g = da
        dc_local *= dh
        dc += dc_local
        d_i *= dc
        d_f *= dc
        d_o *= dh
        d_g *= dc
        dc *= f
        return W.product_transposed(d_gates), dc
