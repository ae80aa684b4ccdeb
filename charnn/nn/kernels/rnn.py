"""The vanilla recurrent network's kernel; the equations are in `charnn.nn.rnn`."""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array
from charnn.nn.activations import tanh_derivative
from charnn.nn.kernels.kernel import Kernel, RecurrentWeights, States, Views


class RNNKernel(Kernel):
    """`h_t = tanh(a_t + h_{t-1} W_hh)`."""

    completes = True

    def step(
        self, a: Views, previous: States, states: States, memory: States, W: RecurrentWeights
    ) -> None:
        """One step; the pre-activations stay what they are, and h_t is the gate."""
        (h_prev,) = previous
        (h,) = states
        gates, only = a
        W.complete(gates, h_prev)
        np.tanh(only, out=h)

    def local_gradients(
        self, a: Array, previous: States, states: States, memory: States, da: Array, local: States
    ) -> None:
        """`[1 - h_t^2]`."""
        (h,) = states
        tanh_derivative(h, out=da[0])

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
        (dh,) = d_states
        d_gates, only = da
        only *= dh
        return (W.product_transposed(d_gates),)
