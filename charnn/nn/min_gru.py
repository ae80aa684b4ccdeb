"""The minimal gated recurrent unit (Feng et al., 2024, "Were RNNs All We Needed?").

Gate and candidate read the input alone, so there is no recurrent product and no W_hh:

    z = sigma(x_t W_xz + b_z)
    n = x_t W_xn + b_n
    h_t = (1 - z) h_{t-1} + z n

Its gradient:

    da_z     = dh_t (n - h_{t-1}) z (1 - z)
    da_n     = dh_t z
    dh_{t-1} = dh_t (1 - z)
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import sigmoid
from charnn.nn.cell import Cell, Starts, StepBackward, StepWeights
from charnn.nn.kernels.kernel import States
from charnn.nn.parameters import Axis, ParameterSpec


class MinGRU(Cell):
    """An update gate and a candidate that read the input only."""

    title = "minGRU"
    gates = ("z", "n")
    equations = (
        "z = sigma(x_t W_xz + b_z)",
        "n = x_t W_xn + b_n",
        "h_t = (1 - z) h_{t-1} + z n",
    )
    candidate = "n"

    def parameters(
        self, inputs: Axis, hidden: int, starts: Starts | None = None
    ) -> dict[str, ParameterSpec]:
        """Return `W_xh` and `b_h`; nothing multiplies the state."""
        specs = super().parameters(inputs, hidden, starts)
        return {name: spec for name, spec in specs.items() if name != "W_hh"}

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        z, n = sigmoid(a[0]), a[1]
        W.note(z=z, n=n)
        d, backward_d = W.drop(n)
        h = (1 - z) * h_prev + z * d

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da_z = dh * (d - h_prev) * z * (1 - z)
            da_n = backward_d(dh * z)
            return np.stack([da_z, da_n]), (dh * (1 - z),)

        return (h,), backward
