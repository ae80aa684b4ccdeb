"""Gated recurrent unit with layer normalisation (Ba et al., 2016, in its supplement).

The input's and the recurrent share of the pre-activations are normalised apart, each over all units
of all gates, as in `charnn.nn.layer_norm_lstm`. The reset gate acts on the normalised product:

    v = gain_x LN(x_t W_xh) + b,    u = gain_h LN(h_{t-1} W_hh)
    r, z = sigma(v_{r,z} + u_{r,z})
    m = u_n + b_hn
    n = tanh(v_n + r m)
    h_t = (1 - z) h_{t-1} + z n

The paper normalises the candidate's shares apart from those of the gates, and gives each share a
bias; those of r and z would only add up, so there is one. The paper's gains start at 1; here the
candidate's start at 0.8, which keeps the first outputs small. The gradient, with `da` that of the
arguments of sigma and tanh, `du` that of u, and dLN as in `charnn.nn.normalization`:

    da_n     = dh_t z (1 - n^2)
    da_z     = dh_t (n - h_{t-1}) z (1 - z)
    da_r     = da_n m r (1 - r)
    dm       = da_n r
    du       = (da_r, da_z, dm)
    dh_{t-1} = dh_t (1 - z) + sum over gates of dLN(gain_h du) W_hh^T
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Starts, StepBackward, StepWeights
from charnn.nn.initializers import by_gate, zeros
from charnn.nn.kernels.gru import RZ
from charnn.nn.kernels.kernel import States
from charnn.nn.normalization import BY_EXAMPLE, layer_norm
from charnn.nn.parameters import Axis, ParameterSpec

GAINS = (1.0, 1.0, 0.8)  # of r, z, n at the start


class LayerNormGRU(Cell):
    """A GRU whose pre-activations are normalised, with learned gains."""

    title = "GRU with layer normalisation"
    gates = ("r", "z", "n")
    equations = (
        "v = gain_x LN(x_t W_xh) + b,    u = gain_h LN(h_{t-1} W_hh)",
        "r, z = sigma(v_{r,z} + u_{r,z})",
        "m = u_n + b_hn",
        "n = tanh(v_n + r m)",
        "h_t = (1 - z) h_{t-1} + z n",
    )
    candidate = "n"

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return the weights, and a gain for each normalisation; `b` is added after them."""
        G, H = self.gate_axis, Axis("H", hidden)
        specs = super().parameters(inputs, hidden, starts)
        return {
            "W_xh": specs["W_xh"],
            "W_hh": specs["W_hh"],
            "gain_x": ParameterSpec(
                (G, H), by_gate(GAINS), "gain of the input's share", decays=False
            ),
            "gain_h": ParameterSpec(
                (G, H), by_gate(GAINS), "gain of the recurrent share", decays=False
            ),
            "b": ParameterSpec((G, H), zeros, "bias", decays=False),
            "b_hn": ParameterSpec((H,), zeros, "bias inside the reset gate", decays=False),
        }

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`; `a` is `x_t W_xh`."""
        (h_prev,) = previous
        gain_x, gain_h, b = W["gain_x"][:, None], W["gain_h"][:, None], W["b"][:, None]
        u, backward_u = W.multiply(h_prev)
        x_norm, backward_x_norm = layer_norm(a, BY_EXAMPLE)
        u_norm, backward_u_norm = layer_norm(u, BY_EXAMPLE)
        x_share = gain_x * x_norm + b
        u_share = gain_h * u_norm
        r, z = sigmoid(x_share[RZ] + u_share[RZ])
        m = u_share[2] + W["b_hn"]
        n = np.tanh(x_share[2] + r * m)
        W.note(r=r, z=z, n=n)
        d, backward_d = W.drop(n)
        h = (1 - z) * h_prev + z * d

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da_n = backward_d(dh * z) * (1 - n**2)
            da_z = dh * (d - h_prev) * z * (1 - z)
            da_r = da_n * m * r * (1 - r)
            dm = da_n * r
            da = np.stack([da_r, da_z, da_n])
            du = np.stack([da_r, da_z, dm])
            W.add_gradient("gain_x", (da * x_norm).sum(axis=1))
            W.add_gradient("gain_h", (du * u_norm).sum(axis=1))
            W.add_gradient("b", da.sum(axis=1))
            W.add_gradient("b_hn", dm.sum(axis=0))
            dh_prev = dh * (1 - z) + backward_u(backward_u_norm(du * gain_h))
            return backward_x_norm(da * gain_x), (dh_prev,)

        return (h,), backward
