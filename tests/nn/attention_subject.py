"""What the tests of attention examine: queries over padded keys, filled at random, and an oracle.

The oracle is the papers' equations, number by number. All sizes differ, and the lengths, one of
which is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from charnn.arrays import Array
from charnn.nn import attention as attention_module
from charnn.nn.attention import Attention
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import Comparison, check_gradients
from charnn.nn.parameters import Gradients, Parameters
from charnn.registry import ATTENTIONS

T, B, S, Q, K = 2, 3, 4, 5, 7
LENGTHS = np.array([4, 1, 2])
BY_LENGTH = np.arange(S) < LENGTHS[:, None]
BY_QUERY = BY_LENGTH[:, None] & (np.arange(S) <= np.arange(T)[:, None] + 1)
BY_QUERY[2, 0] = False  # a query that may look nowhere
ALLOWED = {"all": None, "by length": BY_LENGTH, "by query": BY_QUERY}

KINDS = [("dot", Q), ("dot", 2 * Q), ("dot", 3 * Q), ("general", K), ("additive", K)]


@dataclass
class Subject:
    """Attention whose value is `sum(context d_context)`."""

    attention: Attention
    queries: Array
    keys: Array
    allowed: Array | None
    weights: dict[str, Array]
    d_context: Array

    @classmethod
    def random(
        cls, kind: tuple[str, int], allowed: str = "by length", scores: object = None
    ) -> Subject:
        """Fill all arrays; `scores` is the module whose classes are used, if not charnn's own."""
        random = np.random.default_rng(5)
        name, key_size = kind
        made = ATTENTIONS[name] if scores is None else getattr(scores, ATTENTIONS[name].__name__)
        attention = made(Q, key_size)
        return cls(
            attention,
            queries=random.standard_normal((T, B, Q)),
            keys=random.standard_normal((S, B, key_size)) / 2,
            allowed=ALLOWED[allowed],
            weights={
                name: random.standard_normal(spec.shape) / 2
                for name, spec in attention.parameters().items()
            },
            d_context=random.standard_normal((T, B, key_size)) / 3,
        )

    def run(self) -> tuple[Array, Array, dict[str, Array]]:
        """Return the contexts, the weights alpha, and the gradients of all arrays by name."""
        gradients = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        context, alpha, backward = self.attention.attend(
            self.queries, self.keys, self.allowed, self.weights, Buffers()
        )
        d_queries, d_keys = backward(self.d_context, Gradients(gradients))
        return context, alpha, {"queries": d_queries, "keys": d_keys, **gradients}

    def value(self) -> float:
        """Return the scalar whose gradient is checked."""
        context, _, _ = self.attention.attend(
            self.queries, self.keys, self.allowed, self.weights, Buffers()
        )
        return float((context * self.d_context).sum())

    def comparisons(self) -> list[Comparison]:
        """Compare all coordinates of all gradients."""
        arrays = {"queries": self.queries, "keys": self.keys, **self.weights}
        return check_gradients(self.value, arrays, self.run()[2])

    def readable(self) -> Array:
        """Return (S, B): the keys that some query may look at."""
        allowed = np.ones((B, S), bool) if self.allowed is None else self.allowed
        return (allowed.any(axis=1) if allowed.ndim == 3 else allowed).T

    def with_garbage(self, garbage: float) -> Subject:
        """Return the same with garbage in the keys that no query may look at."""
        keys = self.keys.copy()
        keys[~self.readable()] = garbage
        return replace(self, keys=keys)

    def padded(self, steps: int) -> Subject:
        """Return the same with more keys of padding."""
        allowed = np.ones((B, S), bool) if self.allowed is None else self.allowed
        more = np.zeros((*allowed.shape[:-1], steps), bool)
        padding = np.full((steps, *self.keys.shape[1:]), 3.0)
        return replace(
            self,
            keys=np.concatenate([self.keys, padding]),
            allowed=np.concatenate([allowed, more], axis=-1),
        )

    def in_float32(self) -> Subject:
        """Return the same in float32."""
        names = ("queries", "keys", "d_context")
        arrays = {name: getattr(self, name).astype(np.float32) for name in names}
        weights = {name: weight.astype(np.float32) for name, weight in self.weights.items()}
        return replace(self, **arrays, weights=weights)

    def expected(self) -> tuple[Array, Array]:
        """Return contexts and weights by the papers' equations, number by number."""
        context = np.zeros((T, B, self.keys.shape[-1]))
        alpha = np.zeros((B, T, len(self.keys)))
        for b in range(B):
            for t in range(T):
                places = [s for s in range(len(self.keys)) if self.may_look(b, t, s)]
                weights = [
                    math.exp(self.score(self.queries[t, b], self.keys[s, b])) for s in places
                ]
                for s, weight in zip(places, weights, strict=True):
                    alpha[b, t, s] = weight / sum(weights)
                    context[t, b] += alpha[b, t, s] * self.keys[s, b]
        return context, alpha

    def may_look(self, b: int, t: int, s: int) -> bool:
        """Return whether a query may look at a key."""
        if self.allowed is None:
            return True
        return bool(self.allowed[b, s] if self.allowed.ndim == 2 else self.allowed[b, t, s])

    def score(self, q: Array, k: Array) -> float:
        """Return the score of one query and one key, by the names of the parameters."""
        w = self.weights
        if "W_a" in w:
            return sum(q[i] * w["W_a"][i, j] * k[j] for i in range(len(q)) for j in range(len(k)))
        if "v_a" in w:
            return sum(
                w["v_a"][a]
                * math.tanh(
                    sum(q[i] * w["W_q"][i, a] for i in range(len(q)))
                    + sum(k[j] * w["W_k"][j, a] for j in range(len(k)))
                )
                for a in range(len(w["v_a"]))
            )
        return sum(q[j % len(q)] * k[j] for j in range(len(k)))


@dataclass
class States:
    """Attentional states whose value is `sum(out d_out)`."""

    arrays: dict[str, Array]  # context, h and W_c
    d_out: Array

    @classmethod
    def random(cls) -> States:
        """Fill all arrays."""
        random = np.random.default_rng(6)
        shapes = {"context": (T, B, K), "h": (T, B, Q), "W_c": (K + Q, Q)}
        arrays = {name: random.standard_normal(shape) / 3 for name, shape in shapes.items()}
        return cls(arrays, random.standard_normal((T, B, Q)))

    def run(self, module: object = attention_module) -> tuple[Array, dict[str, Array]]:
        """Return the states and the gradients of all arrays by name."""
        context, h = self.arrays["context"], self.arrays["h"]
        gradients = Parameters({"W_c": (K + Q, Q)}, np.float64)
        out, backward = module.attentional_states(context, h, self.arrays, Buffers())
        d_context, d_h = backward(self.d_out, Gradients(gradients))
        return out, {"context": d_context, "h": d_h, "W_c": gradients["W_c"]}

    def comparisons(self, module: object = attention_module) -> list[Comparison]:
        """Compare all coordinates of all gradients."""
        return check_gradients(
            lambda: float((self.run(module)[0] * self.d_out).sum()),
            self.arrays,
            self.run(module)[1],
        )
