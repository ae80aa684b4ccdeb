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
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Peer, Starts, StepBackward, StepWeights
from charnn.nn.kernels.kernel import States
from charnn.nn.kernels.lstm import LSTMKernel


class LSTM(Cell):
    """Input, forget and output gates around a cell state c; no peepholes."""

    title = "LSTM"
    gates = ("i", "f", "o", "g")
    equations = (
        "i, f, o = sigma(x_t W_x{i,f,o} + h_{t-1} W_h{i,f,o} + b_{i,f,o})",
        "g = tanh(x_t W_xg + h_{t-1} W_hg + b_g)",
        "c_t = f c_{t-1} + i g",
        "h_t = o tanh(c_t)",
    )
    states = ("h", "c")
    candidate = "g"
    symbol_gain = 3.0  # gates half open shrink h: with 1, the first 750 updates learn slower
    kernel = LSTMKernel()
    peer = Peer("LSTM", gates=("i", "f", "g", "o"))

    def initial_bias(self, gate: str, starts: Starts) -> float:
        """Return `forget_bias` for the forget gate, so that it begins by remembering."""
        return starts.forget_bias if gate == "f" else 0.0

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        h_prev, c_prev = previous
        u, backward_u = W.multiply(h_prev)
        a_i, a_f, a_o, a_g = a + u
        i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
        W.note(i=i, f=f, o=o, g=g)
        d, backward_d = W.drop(g)
        c = f * c_prev + i * d
        tanh_c = np.tanh(c)
        h = o * tanh_c

        def backward(d_states: States) -> tuple[Array, States]:
            dh, dc_later = d_states
            dc = dc_later + dh * o * (1 - tanh_c**2)
            W.note_gradients(c=dc)
            da_i = dc * d * i * (1 - i)
            da_f = dc * c_prev * f * (1 - f)
            da_o = dh * tanh_c * o * (1 - o)
            da_g = backward_d(dc * i) * (1 - g**2)
            da = np.stack([da_i, da_f, da_o, da_g])
            return da, (backward_u(da), dc * f)

        return (h, c), backward
