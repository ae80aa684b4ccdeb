"""The vanilla recurrent network (Elman, 1990).

    h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)

Its gradient, with `da` that of the argument of tanh:

    da_t     = dh_t (1 - h_t^2)
    dh_{t-1} = da_t W_hh^T
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.cell import Cell, RecurrentWeights, States, Views, tanh_derivative


class RNN(Cell):
    """`h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)`."""

    gates = ("h",)
    equations = ("h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)",)

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step: see the module's equations and `Cell.step`."""
        (h_prev,) = previous
        (h,) = states
        gates, only = a
        gates += W.product(h_prev)
        np.tanh(only, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, local: Array
    ) -> None:
        """Derivatives: see the module's equations and `Cell.local_gradients`."""
        (h,) = states
        tanh_derivative(h, out=local[0])

    def step_backward(
        self, d_states: States, a: Views, memory: States, da: Views, W: RecurrentWeights
    ) -> States:
        """One step's gradient: see the module's equations and `Cell.step_backward`."""
        (dh,) = d_states
        d_gates, only = da
        only *= dh
        return (W.product_transposed(d_gates),)
