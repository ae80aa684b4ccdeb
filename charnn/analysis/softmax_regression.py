"""Softmax regression with a ridge, fitted by L-BFGS: states in, a distribution over symbols out.

    minimise   sum over n of -log softmax(x_n W + b)[y_n]  +  ridge/2 ||W||^2

The bias starts at the logarithm of the symbols' shares and W at 0, so that nothing is claimed to
be known. The ridge is lowered from a large one step by step, each fit beginning at the last, and
the one is kept that is best on examples set aside, as is the start if nothing beats it. L-BFGS is
Nocedal and Wright's two-loop recursion (Numerical Optimization, 7.4) with steps halved until the
value falls enough. It uses no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array

Objective: TypeAlias = Callable[[Array], tuple[float, Array]]

RIDGES = (3000.0, 500.0, 100.0, 10.0, 1.0, 0.1)
STEPS = 5  # of L-BFGS for each ridge
MEMORY = 8  # pairs that L-BFGS remembers
ENOUGH = 1e-4  # of the fall that the slope promises
SHORTEST_STEP = 1e-6


@dataclass(frozen=True)
class SoftmaxRegression:
    """Weights (D + 1, V) of which the last row is the bias, and the ridge; None where W is 0."""

    weights: Array
    ridge: float | None

    def losses(self, x: Array, y: Array) -> Array:
        """Return -log of the probabilities of symbols y (N,), given x (N, D), in nats."""
        logits = x @ self.weights[:-1] + self.weights[-1]
        logits -= logits.max(axis=1, keepdims=True)
        found: Array = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
        return found


def fitted(x: Array, y: Array, aside: tuple[Array, Array], V: int) -> SoftmaxRegression:
    """Return the regression from x (N, D) to symbols y (N,) below V, in the precision of x.

    `aside` are the examples that choose the ridge. The columns of x should have similar spreads.
    """
    shares = (np.bincount(y, minlength=V) + 0.5) / (len(y) + 0.5 * V)
    weights = np.zeros((x.shape[1] + 1, V), x.dtype)
    weights[-1] = np.log(shares)
    best = SoftmaxRegression(weights, None)
    least = best.losses(*aside).mean()
    for ridge in RIDGES:
        weights = descended(penalised(x, y, ridge), weights, STEPS)
        found = SoftmaxRegression(weights, ridge)
        loss = found.losses(*aside).mean()
        if loss >= least:
            break
        best, least = found, loss
    return best


def penalised(x: Array, y: Array, ridge: float) -> Objective:
    """Return what is minimised, divided by N: weights (D + 1, V) -> its value and gradient."""
    N = len(y)
    rows = np.arange(N)

    def objective(weights: Array) -> tuple[float, Array]:
        W = weights[:-1]
        p = x @ W
        p += weights[-1]
        p -= p.max(axis=1, keepdims=True)
        picked = p[rows, y]
        np.exp(p, out=p)
        sums = p.sum(axis=1, keepdims=True)
        value = float((np.log(sums[:, 0]) - picked).sum(dtype=np.float64)) / N
        value += ridge / (2 * N) * float(np.vdot(W, W))
        p /= sums
        p[rows, y] -= 1
        p /= N
        gradient = np.empty_like(weights)
        np.matmul(x.T, p, out=gradient[:-1])
        gradient[:-1] += ridge / N * W
        gradient[-1] = p.sum(axis=0)
        return value, gradient

    return objective


def descended(objective: Objective, weights: Array, steps: int) -> Array:
    """Return weights after some steps of L-BFGS."""
    value, gradient = objective(weights)
    pairs: list[tuple[Array, Array, float]] = []
    for _ in range(steps):
        direction = downhill(gradient, pairs)
        slope = float(np.vdot(gradient, direction))
        size = 1.0
        while True:
            new = weights + size * direction
            new_value, new_gradient = objective(new)
            if new_value <= value + ENOUGH * size * slope:
                break
            size /= 2
            if size < SHORTEST_STEP:  # rounding hides what is left to gain
                return weights
        moved, change = new - weights, new_gradient - gradient
        curvature = float(np.vdot(moved, change))
        if curvature > 0:
            pairs = [*pairs[1 - MEMORY :], (moved, change, 1 / curvature)]
        weights, value, gradient = new, new_value, new_gradient
    return weights


def downhill(gradient: Array, pairs: list[tuple[Array, Array, float]]) -> Array:
    """Return minus the gradient times what the pairs say of the Hessian's inverse."""
    q = gradient.copy()
    shares = []
    for moved, change, inverse in reversed(pairs):
        share = inverse * float(np.vdot(moved, q))
        q -= share * change
        shares.append(share)
    if pairs:
        _, change, inverse = pairs[-1]
        q /= inverse * float(np.vdot(change, change))
    for (moved, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        q += (share - inverse * float(np.vdot(change, q))) * moved
    return -q
