"""The vanilla recurrent network (Elman, 1990).

    h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)

Its gradient, with `da` that of the argument of tanh; the local derivative stands in brackets:

    da_t     = dh_t [1 - h_t^2]
    dh_{t-1} = da_t W_hh^T
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.cell import Cell, Peer, StepBackward, StepWeights
from charnn.nn.kernels.kernel import States
from charnn.nn.kernels.rnn import RNNKernel


class RNN(Cell):
    """`h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)`."""

    title = "RNN"
    gates = ("h",)
    equations = ("h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)",)
    kernel = RNNKernel()
    peer = Peer("RNN", gates=("h",))

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        u, backward_u = W.multiply(h_prev)
        (h,) = np.tanh(a + u)
        W.note(h=h)

        def backward(d_states: States) -> tuple[Array, States]:
            (dh,) = d_states
            da = (dh * (1 - h**2))[None]
            return da, (backward_u(da),)

        return (h,), backward
