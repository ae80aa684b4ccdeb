"""The vanilla recurrent network with layer normalisation (Ba et al., 2016, equation 4).

The sum of the input's and the recurrent share is normalised over all units:

    h_t = tanh(gain LN(x_t W_xh + h_{t-1} W_hh) + b)

The paper's gain starts at 1; here it starts at 0.5, which keeps the first outputs small and was
measured to learn a little faster at first. The gradient, with `da` that of the argument of tanh,
and dLN as in `charnn.nn.normalization`:

    da_t     = dh_t (1 - h_t^2)
    du_t     = dLN(gain da_t)
    dh_{t-1} = du_t W_hh^T
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.cell import Cell, Starts, StepBackward, StepWeights
from charnn.nn.initializers import by_gate, zeros
from charnn.nn.kernels.kernel import States
from charnn.nn.normalization import BY_EXAMPLE, layer_norm
from charnn.nn.parameters import Axis, ParameterSpec

GAIN = 0.5  # at the start


class LayerNormRNN(Cell):
    """An RNN whose pre-activations are normalised, with a learned gain."""

    title = "RNN with layer normalisation"
    gates = ("h",)
    equations = ("h_t = tanh(gain LN(x_t W_xh + h_{t-1} W_hh) + b)",)

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the weights, and the gain of the normalisation; `b` is added after it."""
        G, H = self.gate_axis, Axis("H", hidden)
        specs = super().parameters(inputs, hidden, starts)
        return {
            "W_xh": specs["W_xh"],
            "W_hh": specs["W_hh"],
            "gain": ParameterSpec((G, H), by_gate([GAIN]), "gain of the sum", decays=False),
            "b": ParameterSpec((G, H), zeros, "bias", decays=False),
        }

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`; `a` is `x_t W_xh`."""
        (h_prev,) = previous
        gain = W["gain"][:, None]
        u, backward_u = W.multiply(h_prev)
        normed, backward_norm = layer_norm(a + u, BY_EXAMPLE)
        (h,) = np.tanh(gain * normed + W["b"][:, None])
        W.note(h=h)

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da = (dh * (1 - h**2))[None]
            W.add_gradient("gain", (da * normed).sum(axis=1))
            W.add_gradient("b", da.sum(axis=1))
            du = backward_norm(da * gain)
            return du, (backward_u(du),)

        return (h,), backward
