"""Attention: what each state of a decoder looks for among the states of an encoder.

A query q_t, the decoder's state at t, is scored against each key k_s, the encoder's state at s. The
scores become weights, and the keys' mean by these weights is the context (B omitted; rows are
vectors, so a product is written `x W` where the papers have `W x`):

    dot       e_ts = q_t . p_s,    p_s = k_s               (Luong et al., 2015, eq. 8)
    general   e_ts = q_t . p_s,    p_s = k_s W_a^T         (Luong et al., 2015, eq. 8)
    additive  e_ts = v_a . tanh(q_t W_q + p_s),    p_s = k_s W_k    (Bahdanau et al., 2015, A.1.2)

    alpha_ts  = exp(e_ts) / sum_s' exp(e_ts')    over the allowed s'; exactly 0 where not allowed
    context_t = sum_s alpha_ts k_s

What the query meets, p_s, depends on the key alone, so that a decoder that goes step by step
computes it once. Where keys are several times as long as queries, as those of an encoder of two
directions are, `dot` takes the sum of their parts, p_s = ->h_s + <-h_s; the values stay whole. The
three scores are in `charnn.nn.attention_scores`; the rest, which they share, is here.

The gradients, from d_context. A key is a value in the context and a key in the scores:

    d_alpha_ts = d_context_t . k_s
    d_e_ts     = alpha_ts (d_alpha_ts - sum_s' alpha_ts' d_alpha_ts')    the softmax's Jacobian
    d_k_s      = sum_t alpha_ts d_context_t  +  d_p_s (d p_s / d k_s)

    dot, general    d_q_t = sum_s d_e_ts p_s,    d_p_s = sum_t d_e_ts q_t
    general         dW_a  = sum_s d_p_s^T k_s,   the second share of d_k_s is d_p_s W_a
    additive        with u_ts = tanh(q_t W_q + p_s) and d_a_ts = d_e_ts v_a (1 - u_ts^2):
                    d_p_s = sum_t d_a_ts,        d_q_t = (sum_s d_a_ts) W_q^T
                    dv_a  = sum_ts d_e_ts u_ts,  dW_q = sum_t q_t^T (sum_s d_a_ts)
                    dW_k  = sum_s k_s^T d_p_s,   the second share of d_k_s is d_p_s W_k^T

Shapes: queries (T, B, Q), keys (S, B, K), alpha (B, T, S), context (T, B, K). `allowed` is (B, S),
or (B, T, S) where each query has keys of its own, or None for all. Keys that no query may look at
are read as zeros, so whatever stands in them (padding) changes no bit of anything, and their
gradient is exactly 0. A query that may look nowhere has weights and a context of zeros.

What the decoder's output layer sees is the attentional state (Luong et al., 2015, eq. 5), with
da_t = d_h~_t (1 - h~_t^2) and W_c cut into its rows for the context and those for h:

    h~_t = tanh([context_t; h_t] W_c)
    d_context_t = da_t W_c[:K]^T,    d_h_t = da_t W_c[K:]^T,    dW_c = sum_t [context_t; h_t]^T da_t
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.activations import tanh_derivative
from charnn.nn.buffers import Buffers
from charnn.nn.initializers import glorot
from charnn.nn.parameters import Axis, Gradients, ParameterSpec
from charnn.nn.single_use import single_use

PairBackward: TypeAlias = Callable[[Array, Gradients], tuple[Array, Array]]
ProjectBackward: TypeAlias = Callable[[Array, Array, Gradients], None]


class Attention(ABC):
    """A score of queries of Q units against keys of K units, and what follows from the scores."""

    title: ClassVar[str]
    equation: ClassVar[str]

    def __init__(self, query_size: int, key_size: int) -> None:
        self.query_size, self.key_size = query_size, key_size

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return the score's parameters by name."""
        return {}

    @abstractmethod
    def project(
        self, keys: Array, weights: Arrays, buffers: Buffers
    ) -> tuple[Array, ProjectBackward]:
        """Return p (S, B, P), what queries meet, and `backward(d_p, d_keys, gradients)`.

        `backward` adds the keys' gradient to d_keys (S, B, K). It does not write to d_p.
        """

    @abstractmethod
    def score(
        self, queries: Array, projected: Array, weights: Arrays, out: Array, buffers: Buffers
    ) -> PairBackward:
        """Write the scores of queries (T, B, Q) against p (S, B, P) into `out` (B, T, S).

        The `backward(d_scores, gradients)` that is returned returns the gradients of queries and p.
        """

    def attend(
        self,
        queries: Array,
        keys: Array,
        allowed: Array | None,
        weights: Arrays,
        buffers: Buffers,
    ) -> tuple[Array, Array, PairBackward]:
        """Return the contexts (T, B, K), their weights alpha (B, T, S), and `backward`.

        `backward(d_context, gradients)` adds the parameters' gradients and returns d_queries
        (T, B, Q) and d_keys (S, B, K); it can be called once.
        """
        keys = readable(keys, allowed, buffers)
        projected, backward_project = self.project(keys, weights, buffers)
        shape = queries.shape[1], len(queries), len(keys)
        alpha = buffers.array("alpha", shape, keys.dtype)
        backward_score = self.score(queries, projected, weights, alpha, buffers)
        softmax_of_allowed(alpha, allowed)
        values = keys.swapaxes(0, 1)
        context = buffers.array("context", (len(queries), *keys.shape[1:]), keys.dtype)
        np.matmul(alpha, values, out=context.swapaxes(0, 1))

        @single_use
        def backward(d_context: Array, gradients: Gradients) -> tuple[Array, Array]:
            d_rows = d_context.swapaxes(0, 1)
            d_scores = buffers.array("d_scores", alpha.shape, alpha.dtype)
            np.matmul(d_rows, values.swapaxes(1, 2), out=d_scores)  # d_alpha
            d_scores -= np.einsum("bts,bts->bt", alpha, d_scores)[..., None]
            d_scores *= alpha
            d_keys = buffers.array("d_keys", keys.shape, keys.dtype)
            np.matmul(alpha.swapaxes(1, 2), d_rows, out=d_keys.swapaxes(0, 1))
            d_queries, d_projected = backward_score(d_scores, gradients)
            backward_project(d_projected, d_keys, gradients)
            return d_queries, d_keys

        return context, alpha, backward

    def prepared(self, keys: Array, allowed: Array | None, weights: Arrays) -> PreparedKeys:
        """Return attention over these keys (S, B, K) for one step after the other.

        `allowed` is (B, S) or None. The keys must stay as they are while the result is used.
        """
        buffers = Buffers()
        keys = readable(keys, allowed, buffers)
        projected, _ = self.project(keys, weights, buffers)
        return PreparedKeys(self, keys, projected, allowed, weights, buffers.child("step"))


@dataclass(frozen=True)
class PreparedKeys:
    """Attention over fixed keys: all that depends on them alone is computed."""

    attention: Attention
    keys: Array  # (S, B, K)
    projected: Array  # (S, B, P)
    allowed: Array | None  # (B, S)
    weights: Arrays
    buffers: Buffers  # scratch of one step; results are new arrays

    def __call__(self, queries: Array) -> tuple[Array, Array]:
        """Return the contexts (B, K) and weights (B, S) of one step's queries (B, Q)."""
        S, B, _ = self.keys.shape
        alpha = np.empty((B, 1, S), self.keys.dtype)
        self.attention.score(queries[None], self.projected, self.weights, alpha, self.buffers)
        softmax_of_allowed(alpha, self.allowed)
        context: Array = np.matmul(alpha, self.keys.swapaxes(0, 1))
        return context[:, 0], alpha[:, 0]

    def take(self, rows: Array) -> PreparedKeys:
        """Return the same for these rows (N,) of the batch, repeated or left out as a beam asks."""
        return PreparedKeys(
            self.attention,
            self.keys.take(rows, axis=1),
            self.projected.take(rows, axis=1),
            None if self.allowed is None else self.allowed[rows],
            self.weights,
            Buffers(),
        )


def readable(keys: Array, allowed: Array | None, buffers: Buffers) -> Array:
    """Return keys (S, B, K) with zeros where no query may look."""
    if allowed is None:
        return keys
    clean = buffers.array("keys", keys.shape, keys.dtype)
    clean[...] = keys
    clean[~(allowed if allowed.ndim == 2 else allowed.any(axis=1)).T] = 0
    return clean


def softmax_of_allowed(scores: Array, allowed: Array | None) -> None:
    """Softmax of (B, T, S) over S in place, with zeros where not allowed."""
    if allowed is not None:
        by_query = allowed[:, None] if allowed.ndim == 2 else allowed
        np.copyto(scores, -np.inf, where=~by_query)
    scores -= scores.max(axis=-1, keepdims=True, initial=np.finfo(scores.dtype).min)
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)  # at least exp(0) = 1, or 0 where all is forbidden
    scores /= np.maximum(total, 1)


def attentional_parameters(query_size: int, key_size: int) -> dict[str, ParameterSpec]:
    """Return `W_c` (K + Q, Q), which makes a decoder's attentional states."""
    axes = Axis("(K + H)", key_size + query_size), Axis("H", query_size)
    return {"W_c": ParameterSpec(axes, glorot, "from the context and the state")}


def attentional_states(
    context: Array, h: Array, weights: Arrays, buffers: Buffers
) -> tuple[Array, PairBackward]:
    """`h~ = tanh([context; h] W_c)`: context (T, B, K), h (T, B, Q) -> h~ (T, B, Q).

    `backward(d_out, gradients)` adds the gradient of W_c and returns d_context and d_h.
    """
    W_c, K = weights["W_c"], context.shape[-1]
    out = times(context, W_c[:K], "h~", buffers)
    out += times(h, W_c[K:], "h~ by h", buffers)
    np.tanh(out, out=out)

    def backward(d_out: Array, gradients: Gradients) -> tuple[Array, Array]:
        da = buffers.array("da", out.shape, out.dtype)
        tanh_derivative(out, out=da)
        da *= d_out

        def write(dW: Array) -> None:
            np.matmul(rows(context).T, rows(da), out=dW[:K])
            np.matmul(rows(h).T, rows(da), out=dW[K:])

        gradients.add("W_c", write)
        d_context = times(da, W_c[:K].T, "d_context", buffers)
        return d_context, times(da, W_c[K:].T, "d_h", buffers)

    return out, backward


def rows(x: Array) -> Array:
    """View (..., N) as (rows, N)."""
    return x.reshape(-1, x.shape[-1])


def times(x: Array, W: Array, name: str, buffers: Buffers) -> Array:
    """Return `x W` for all steps and sequences: x (T, B, D), W (D, N) -> (T, B, N)."""
    out = buffers.array(name, (*x.shape[:2], W.shape[1]), x.dtype)
    np.matmul(rows(x), W, out=rows(out))
    return out
