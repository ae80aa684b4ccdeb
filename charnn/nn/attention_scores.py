"""The scores of attention: how well a key answers a query.

The equations and the gradients are those of `charnn.nn.attention`, whose p is made by `project` and
whose e by `score`. To add a score, write a subclass of `Attention` here or in a file of its own and
name it in `charnn.registry`.
"""

from __future__ import annotations

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.errors import ConfigError
from charnn.nn.attention import Attention, PairBackward, ProjectBackward, rows, times
from charnn.nn.buffers import Buffers
from charnn.nn.initializers import glorot
from charnn.nn.parameters import Axis, Gradients, ParameterSpec


class Multiplicative(Attention):
    """A score that is the product of the query and p."""

    def score(
        self, queries: Array, projected: Array, weights: Arrays, out: Array, buffers: Buffers
    ) -> PairBackward:
        """`e = q p^T`; see `Attention.score`."""
        q, p = queries.swapaxes(0, 1), projected.swapaxes(0, 1)
        np.matmul(q, p.swapaxes(1, 2), out=out)

        def backward(d_scores: Array, _: Gradients) -> tuple[Array, Array]:
            d_queries = buffers.array("d_queries", queries.shape, queries.dtype)
            d_projected = buffers.array("d_p", projected.shape, projected.dtype)
            np.matmul(d_scores, p, out=d_queries.swapaxes(0, 1))
            np.matmul(d_scores.swapaxes(1, 2), q, out=d_projected.swapaxes(0, 1))
            return d_queries, d_projected

        return backward


class Dot(Multiplicative):
    """The product of query and key, or of the query and the sum of the key's parts."""

    title = "dot (Luong)"
    equation = "e_ts = q_t . k_s"

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        if key_size % query_size:
            raise ConfigError(
                f"dot attention multiplies a query of {query_size} units by a key of {key_size}, "
                f"which is no multiple of {query_size}; choose general or additive attention, or "
                "states of one size in encoder and decoder."
            )

    def project(
        self, keys: Array, weights: Arrays, buffers: Buffers
    ) -> tuple[Array, ProjectBackward]:
        """Add up the keys' parts; see `Attention.project`."""
        S, B, K = keys.shape
        Q = self.query_size
        projected = keys
        if K > Q:
            projected = buffers.array("p", (S, B, Q), keys.dtype)
            np.sum(keys.reshape(S, B, K // Q, Q), axis=2, out=projected)

        def backward(d_projected: Array, d_keys: Array, _: Gradients) -> None:
            d_parts = d_keys.reshape(S, B, K // Q, Q)
            d_parts += d_projected[:, :, None]

        return projected, backward


class General(Multiplicative):
    """The product of the query and the key's image under a matrix."""

    title = "general (Luong)"
    equation = "e_ts = q_t W_a k_s^T"

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return `W_a` (Q, K)."""
        axes = Axis("H", self.query_size), Axis("K", self.key_size)
        return {"W_a": ParameterSpec(axes, glorot, "score of a query and a key")}

    def project(
        self, keys: Array, weights: Arrays, buffers: Buffers
    ) -> tuple[Array, ProjectBackward]:
        """`p = k W_a^T`; see `Attention.project`."""
        W_a = weights["W_a"]
        projected = times(keys, W_a.T, "p", buffers)

        def backward(d_projected: Array, d_keys: Array, gradients: Gradients) -> None:
            d_p, k = rows(d_projected), rows(keys)
            gradients.add("W_a", lambda out: np.matmul(d_p.T, k, out=out))
            d_keys += times(d_projected, W_a, "d_keys by p", buffers)

        return projected, backward


class Additive(Attention):
    """A layer of tanh that sees query and key, as wide as the query."""

    title = "additive (Bahdanau)"
    equation = "e_ts = v_a . tanh(q_t W_q + k_s W_k)"

    def parameters(self) -> dict[str, ParameterSpec]:
        """Return `W_q` (Q, A), `W_k` (K, A) and `v_a` (A,), where A = Q."""
        H, K = Axis("H", self.query_size), Axis("K", self.key_size)
        return {
            "W_q": ParameterSpec((H, H), glorot, "from the query"),
            "W_k": ParameterSpec((K, H), glorot, "from the key"),
            "v_a": ParameterSpec((H,), glorot_column, "score of a query and a key"),
        }

    def project(
        self, keys: Array, weights: Arrays, buffers: Buffers
    ) -> tuple[Array, ProjectBackward]:
        """`p = k W_k`; see `Attention.project`."""
        W_k = weights["W_k"]
        projected = times(keys, W_k, "p", buffers)

        def backward(d_projected: Array, d_keys: Array, gradients: Gradients) -> None:
            d_p, k = rows(d_projected), rows(keys)
            gradients.add("W_k", lambda out: np.matmul(k.T, d_p, out=out))
            d_keys += times(d_projected, W_k.T, "d_keys by p", buffers)

        return projected, backward

    def score(
        self, queries: Array, projected: Array, weights: Arrays, out: Array, buffers: Buffers
    ) -> PairBackward:
        """`e = v_a . tanh(q W_q + p)`; see `Attention.score`."""
        W_q, v_a = weights["W_q"], weights["v_a"]
        by_query = times(queries, W_q, "q W_q", buffers)
        B, T, S = out.shape
        u = buffers.array("u", (T, S, B, len(v_a)), out.dtype)
        np.add(by_query[:, None], projected, out=u)
        np.tanh(u, out=u)
        scores = np.matmul(u, v_a, out=buffers.array("e", (T, S, B), out.dtype))
        out[...] = scores.transpose(2, 0, 1)

        def backward(d_scores: Array, gradients: Gradients) -> tuple[Array, Array]:
            scores[...] = d_scores.transpose(1, 2, 0)
            d_rows = scores.reshape(-1)
            gradients.add("v_a", lambda dv: np.matmul(d_rows, rows(u), out=dv))
            # sum d_e (1 - u^2) = sum d_e - sum d_e u^2 saves a pass over u, the largest array.
            np.multiply(u, u, out=u)
            d_by_query = by_query  # in the same memory
            d_projected = buffers.array("d_p", projected.shape, projected.dtype)
            weighted_sums(d_scores, u.transpose(2, 0, 1, 3), v_a, d_by_query)
            weighted_sums(d_scores.swapaxes(1, 2), u.transpose(2, 1, 0, 3), v_a, d_projected)
            q, d_q = rows(queries), rows(d_by_query)
            gradients.add("W_q", lambda out: np.matmul(q.T, d_q, out=out))
            return times(d_by_query, W_q.T, "d_queries", buffers), d_projected

        return backward


def glorot_column(out: Array, random: np.random.Generator) -> None:
    """Fill a vector (A,) as the one column of a matrix (A, 1)."""
    glorot(out[:, None], random)


def weighted_sums(d_scores: Array, squares: Array, v_a: Array, out: Array) -> None:
    """`out[m, b] = v_a sum_n d_scores[b, m, n] (1 - squares[b, m, n])`.

    d_scores (B, M, N), squares (B, M, N, A), v_a (A,), out (M, B, A).
    """
    np.matmul(d_scores[:, :, None], squares, out=out.swapaxes(0, 1)[:, :, None])
    np.subtract(d_scores.sum(axis=-1).T[..., None], out, out=out)
    out *= v_a
