"""Long short-term memory with peepholes (Gers and Schmidhuber, 2000): the gates see the cell state.

    i, f = sigma(x_t W_x{i,f} + h_{t-1} W_h{i,f} + p_{i,f} c_{t-1} + b_{i,f})
    g = tanh(x_t W_xg + h_{t-1} W_hg + b_g)
    c_t = f c_{t-1} + i g
    o = sigma(x_t W_xo + h_{t-1} W_ho + p_o c_t + b_o)
    h_t = o tanh(c_t)

Its gradient, with `da` that of the arguments of sigma and tanh:

    da_o     = dh_t tanh(c_t) o (1 - o)
    dc_t    <- dc_t + dh_t o (1 - tanh(c_t)^2) + da_o p_o
    da_i     = dc_t g i (1 - i)
    da_f     = dc_t c_{t-1} f (1 - f)
    da_g     = dc_t i (1 - g^2)
    dc_{t-1} = dc_t f + da_i p_i + da_f p_f
    dh_{t-1} = sum over gates of da W_hh^T
    dp_i, dp_f, dp_o = the sums over t and b of da_i c_{t-1}, da_f c_{t-1}, da_o c_t
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Starts, StepBackward, StepWeights
from charnn.nn.initializers import zeros
from charnn.nn.kernels.kernel import States
from charnn.nn.parameters import Axis, ParameterSpec


class PeepholeLSTM(Cell):
    """An LSTM whose gates see the cell state, through a weight for each unit."""

    title = "LSTM with peepholes"
    gates = ("i", "f", "o", "g")
    equations = (
        "i, f = sigma(x_t W_x{i,f} + h_{t-1} W_h{i,f} + p_{i,f} c_{t-1} + b_{i,f})",
        "g = tanh(x_t W_xg + h_{t-1} W_hg + b_g)",
        "c_t = f c_{t-1} + i g",
        "o = sigma(x_t W_xo + h_{t-1} W_ho + p_o c_t + b_o)",
        "h_t = o tanh(c_t)",
    )
    states = ("h", "c")
    candidate = "g"
    symbol_gain = 3.0  # as the LSTM's

    def initial_bias(self, gate: str, starts: Starts) -> float:
        """Return `forget_bias` for the forget gate, so that it begins by remembering."""
        return starts.forget_bias if gate == "f" else 0.0

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the LSTM's parameters, and the peepholes, which start closed."""
        H = Axis("H", hidden)
        peepholes = {
            f"p_{gate}": ParameterSpec((H,), zeros, f"from the cell state to the {name} gate")
            for gate, name in (("i", "input"), ("f", "forget"), ("o", "output"))
        }
        return super().parameters(inputs, hidden, starts) | peepholes

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        h_prev, c_prev = previous
        p_i, p_f, p_o = W["p_i"], W["p_f"], W["p_o"]
        u, backward_u = W.multiply(h_prev)
        a_i, a_f, a_o, a_g = a + u
        i, f, g = sigmoid(a_i + p_i * c_prev), sigmoid(a_f + p_f * c_prev), np.tanh(a_g)
        d, backward_d = W.drop(g)
        c = f * c_prev + i * d
        o = sigmoid(a_o + p_o * c)
        W.note(i=i, f=f, o=o, g=g)
        tanh_c = np.tanh(c)
        h = o * tanh_c

        def backward(d_states: States) -> tuple[Array, States]:
            dh, dc_later = d_states
            da_o = dh * tanh_c * o * (1 - o)
            dc = dc_later + dh * o * (1 - tanh_c**2) + da_o * p_o
            W.note_gradients(c=dc)
            da_i = dc * d * i * (1 - i)
            da_f = dc * c_prev * f * (1 - f)
            da_g = backward_d(dc * i) * (1 - g**2)
            W.add_gradient("p_i", (da_i * c_prev).sum(axis=0))
            W.add_gradient("p_f", (da_f * c_prev).sum(axis=0))
            W.add_gradient("p_o", (da_o * c).sum(axis=0))
            da = np.stack([da_i, da_f, da_o, da_g])
            return da, (backward_u(da), dc * f + da_i * p_i + da_f * p_f)

        return (h, c), backward
