"""Long short-term memory with layer normalisation (Ba et al., 2016).

The input's and the recurrent share of the pre-activations are normalised apart, each over all units
of all gates, and the cell state over its units before it leaves the cell:

    a = gain_x LN(x_t W_xh) + gain_h LN(h_{t-1} W_hh) + b
    i, f, o = sigma(a_i, a_f, a_o),    g = tanh(a_g)
    c_t = f c_{t-1} + i g
    h_t = o tanh(gain_c LN(c_t) + b_c)

The gains start at 1. The gradient is the LSTM's but for that of LN: see `charnn.nn.normalization`.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Starts, StepBackward, StepWeights
from charnn.nn.initializers import by_gate, ones, zeros
from charnn.nn.kernels.kernel import States
from charnn.nn.normalization import BY_EXAMPLE, layer_norm
from charnn.nn.parameters import Axis, ParameterSpec


class LayerNormLSTM(Cell):
    """An LSTM whose pre-activations and cell state are normalised, with learned gains."""

    title = "LSTM with layer normalisation"
    gates = ("i", "f", "o", "g")
    equations = (
        "a = gain_x LN(x_t W_xh) + gain_h LN(h_{t-1} W_hh) + b",
        "i, f, o = sigma(a_i, a_f, a_o),    g = tanh(a_g)",
        "c_t = f c_{t-1} + i g",
        "h_t = o tanh(gain_c LN(c_t) + b_c)",
    )
    states = ("h", "c")
    candidate = "g"

    def initial_bias(self, gate: str, starts: Starts) -> float:
        """Return `forget_bias` for the forget gate, so that it begins by remembering."""
        return starts.forget_bias if gate == "f" else 0.0

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the weights, and a gain for each normalisation; `b` is added after them."""
        G, H = self.gate_axis, Axis("H", hidden)
        biases = by_gate([self.initial_bias(gate, starts or Starts()) for gate in self.gates])
        specs = super().parameters(inputs, hidden, starts)
        return {
            "W_xh": specs["W_xh"],
            "W_hh": specs["W_hh"],
            "gain_x": ParameterSpec((G, H), ones, "gain of the input's share", decays=False),
            "gain_h": ParameterSpec((G, H), ones, "gain of the recurrent share", decays=False),
            "b": ParameterSpec((G, H), biases, "bias", decays=False),
            "gain_c": ParameterSpec((H,), ones, "gain of the cell state", decays=False),
            "b_c": ParameterSpec((H,), zeros, "bias of the cell state", decays=False),
        }

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`; `a` is `x_t W_xh`."""
        h_prev, c_prev = previous
        gain_x, gain_h, gain_c = W["gain_x"][:, None], W["gain_h"][:, None], W["gain_c"]
        u, backward_u = W.multiply(h_prev)
        x_norm, backward_x_norm = layer_norm(a, BY_EXAMPLE)
        u_norm, backward_u_norm = layer_norm(u, BY_EXAMPLE)
        a_i, a_f, a_o, a_g = gain_x * x_norm + gain_h * u_norm + W["b"][:, None]
        i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
        W.note(i=i, f=f, o=o, g=g)
        d, backward_d = W.drop(g)
        c = f * c_prev + i * d
        c_norm, backward_c_norm = layer_norm(c, (1,))
        y = np.tanh(gain_c * c_norm + W["b_c"])
        h = o * y

        def backward(d_states: States) -> tuple[Array, States]:
            dh, dc_later = d_states
            d_normed = dh * o * (1 - y**2)
            dc = dc_later + backward_c_norm(d_normed * gain_c)
            W.note_gradients(c=dc)
            da_i = dc * d * i * (1 - i)
            da_f = dc * c_prev * f * (1 - f)
            da_o = dh * y * o * (1 - o)
            da_g = backward_d(dc * i) * (1 - g**2)
            da = np.stack([da_i, da_f, da_o, da_g])
            W.add_gradient("gain_x", (da * x_norm).sum(axis=1))
            W.add_gradient("gain_h", (da * u_norm).sum(axis=1))
            W.add_gradient("b", da.sum(axis=1))
            W.add_gradient("gain_c", (d_normed * c_norm).sum(axis=0))
            W.add_gradient("b_c", d_normed.sum(axis=0))
            dh_prev = backward_u(backward_u_norm(da * gain_h))
            return backward_x_norm(da * gain_x), (dh_prev, dc * f)

        return (h, c), backward
