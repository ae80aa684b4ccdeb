"""A stack whose outputs look back: attention over the past states of a language model.

    keys   = h_{t-M} ... h_{t-1}              the last M states, before t
    c_t    = sum over i of alpha_ti h_i       attention (`charnn.nn.attention`), the query is h_t
    out_t  = tanh([c_t; h_t] W_c)

The last M states are carried from window to window beside the recurrent ones, so a text's windows
compute what the whole text would. Before its beginning they are zero, as h_0 is. Gradients do not
pass a window's beginning.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from charnn.arrays import Array, Arrays, Shape
from charnn.config import ModelConfig
from charnn.models.stack import LayerStates, Stack, StackBackward
from charnn.nn.attention import Attention, attentional_parameters, attentional_states
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Gradients, ParameterSpec, group, prefixed
from charnn.registry import ATTENTIONS

SCOPE = "attention"


class AttentiveStack(Stack):
    """A stack with attention over its own past states; the weights are passed in."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__(config, vocab_size)
        H = self.hidden_size
        self.span = config.attention_span
        self.attention: Attention = ATTENTIONS[str(config.attention)](H, H)

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the parameters of the input, the layers and the attention."""
        H = self.hidden_size
        own = self.attention.parameters() | attentional_parameters(H, H)
        return super().parameters() | prefixed(SCOPE, own)

    def state_shapes(self, batch_size: int) -> dict[str, Shape]:
        """Return the names and shapes of the recurrent states and of the past ones."""
        memory = {f"{SCOPE}/memory": (batch_size, self.span, self.hidden_size)}
        return super().state_shapes(batch_size) | memory

    def zero_states(self, batch_size: int, dtype: npt.DTypeLike) -> LayerStates:
        """Return the states at the beginning of a text; the past ones are the last, (B, M, H)."""
        memory = np.zeros((batch_size, self.span, self.hidden_size), dtype)
        return [*super().zero_states(batch_size, dtype), (memory,)]

    def run(
        self,
        parameters: Arrays,
        ids: Array,
        states: LayerStates,
        *,
        lengths: Array | None = None,
        random: np.random.Generator | None = None,
        buffers: Buffers | None = None,
    ) -> tuple[Array, LayerStates, StackBackward]:
        """Run a window: see `Stack.run`. Sequences that are padded begin and end with it."""
        buffers = buffers or Buffers()
        *recurrent, (memory,) = states
        h, final, backward_layers = super().run(
            parameters, ids, recurrent, lengths=lengths, random=random, buffers=buffers
        )
        scope, weights, M = buffers.child(SCOPE), group(parameters, SCOPE), self.span
        T, B, H = h.shape
        keys = scope.array("past and present", (M + T, B, H), h.dtype)
        keys[:M], keys[M:] = memory.swapaxes(0, 1), h
        context, _, backward_attend = self.attention.attend(
            h, keys, band(T, B, M), weights, scope.child("attend")
        )
        out, backward_out = attentional_states(context, h, weights, scope.child("states"))
        after = keys[T:].swapaxes(0, 1).copy()

        def backward(
            d_out: Array, gradients: Gradients, d_final: LayerStates | None
        ) -> LayerStates:
            own = gradients.group(SCOPE)
            d_context, dh = backward_out(d_out, own)
            d_queries, d_keys = backward_attend(d_context, own)
            d_recurrent = None
            if d_final is not None:
                *d_recurrent, (d_after,) = d_final
                d_keys[T:] += d_after.swapaxes(0, 1)
            dh += d_queries
            dh += d_keys[M:]
            d_initial = backward_layers(dh, gradients, d_recurrent)
            return [*d_initial, (d_keys[:M].swapaxes(0, 1),)]

        return out, [*final, (after,)], backward


def band(T: int, B: int, M: int) -> Array:
    """Return which of M past and T present states each of T queries may look at, (B, T, M + T).

    Those are the M states before it.
    """
    ahead = np.arange(M + T) - np.arange(T)[:, None]
    return np.broadcast_to((ahead >= 0) & (ahead < M), (B, T, M + T))
