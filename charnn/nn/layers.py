"""The layers around the recurrent ones: input, dropout, output.

The input's share of the pre-activations is `a = x W_xh + b_h`, shape (T, G, B, H). For a one-hot x
the product is a row of `W_xh`, and the gradient of `W_xh` is a sum of rows of `da`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.cell import outer_products
from charnn.nn.products import BlockedWeights

AffineBackward: TypeAlias = Callable[[Array], tuple[Array, Array, Array]]
InputBackward: TypeAlias = Callable[[Array, Arrays], None]
DenseBackward: TypeAlias = Callable[[Array, Arrays], Array]


def project_ids(
    ids: Array, weights: Arrays, buffers: Buffers, name: str = ""
) -> tuple[Array, InputBackward]:
    """Symbols' share of the pre-activations: ids (T, B) -> a (T, G, B, H).

    Symbols are embedded where `weights` has an `E` (V, D), and one-hot vectors otherwise.
    """
    W_xh, b_h = weights["W_xh"], weights["b_h"]
    if "E" not in weights:
        return project_one_hot(ids, W_xh, b_h, buffers, name)
    x, backward_embed = embed(ids, weights["E"])
    a, backward_project = project(x, W_xh, b_h, buffers, name)

    def backward(da: Array, gradients: Arrays) -> None:
        backward_embed(backward_project(da, gradients), gradients)

    return a, backward


def project_one_hot(
    ids: Array, W_xh: Array, b_h: Array, buffers: Buffers, name: str = ""
) -> tuple[Array, InputBackward]:
    """One-hot input times `W_xh` (G, V, H): ids (T, B) -> a (T, G, B, H).

    A one-hot vector picks a row, so the bias is added to the table of rows once.
    """
    T, B = ids.shape
    G, _, H = W_xh.shape
    table = np.add(W_xh, b_h[:, None], out=buffers.array(f"{name}table", W_xh.shape, W_xh.dtype))
    a = buffers.array(f"{name}a", (T, G, B, H), W_xh.dtype)
    for t in range(T):
        table.take(ids[t], axis=1, out=a[t], mode="clip")

    def backward(da: Array, gradients: Arrays) -> None:
        symbols, one_hot = one_hot_columns(ids, da.dtype)
        gradients["W_xh"][:, symbols] += outer_products(one_hot, da)
        gradients["b_h"][...] += bias_gradient(da)

    return a, backward


def embed(ids: Array, E: Array) -> tuple[Array, InputBackward]:
    """Look up embeddings: ids (T, B), E (V, D) -> x (T, B, D)."""

    def backward(dx: Array, gradients: Arrays) -> None:
        symbols, one_hot = one_hot_columns(ids, dx.dtype)
        gradients["E"][symbols] += one_hot.T @ dx.reshape(len(one_hot), -1)

    return E[ids], backward


def one_hot_columns(ids: Array, dtype: np.dtype[np.floating]) -> tuple[Array, Array]:
    """Return the distinct symbols of `ids`, (U,), and one-hot rows over them, (ids.size, U)."""
    symbols, columns = np.unique(ids, return_inverse=True)
    one_hot = np.zeros((ids.size, len(symbols)), dtype)
    one_hot[np.arange(ids.size), columns.ravel()] = 1
    return symbols, one_hot


def project(
    x: Array, W_xh: Array, b_h: Array, buffers: Buffers, name: str = ""
) -> tuple[Array, DenseBackward]:
    """Dense input times `W_xh` (G, D, H): x (T, B, D) -> a (T, G, B, H)."""
    T, B, D = x.shape
    G, _, H = W_xh.shape
    a = buffers.array(f"{name}a", (T, G, B, H), x.dtype)
    BlockedWeights(W_xh, B).product(x, a)
    a += b_h[:, None]

    def backward(da: Array, gradients: Arrays) -> Array:
        gradients["W_xh"][...] += outer_products(x, da)
        gradients["b_h"][...] += bias_gradient(da)
        dx = np.zeros((T * B, D), x.dtype)
        for da_gate, W_gate in zip(da, W_xh, strict=True):
            dx += da_gate.reshape(T * B, H) @ W_gate.T
        return dx.reshape(x.shape)

    return a, backward


def bias_gradient(da: Array) -> Array:
    """Return the sum over time and batch: da (G, T, B, H) -> (G, H)."""
    total: Array = da.sum(axis=(1, 2))
    return total


def dropout(
    x: Array, rate: float, random: np.random.Generator, buffers: Buffers, name: str = ""
) -> tuple[Array, Callable[[Array], Array]]:
    """Inverted dropout (Srivastava et al., 2014): x * mask / (1 - rate), and the gradient of x.

    The mask compares 16 random bits with the rate, so the rate is met to 1 / 65,536.
    """
    threshold = min(round(rate * 65_536), 65_535)
    bits = random.integers(0, 65_536, x.shape, np.uint16)
    mask = buffers.array(f"{name}mask", x.shape, x.dtype)
    np.multiply(bits >= threshold, x.dtype.type(65_536 / (65_536 - threshold)), out=mask)
    out = np.multiply(x, mask, out=buffers.array(f"{name}dropped", x.shape, x.dtype))

    def backward(d_out: Array) -> Array:
        dx: Array = d_out * mask
        return dx

    return out, backward


def affine(x: Array, W: Array, b: Array) -> tuple[Array, AffineBackward]:
    """`y = x W + b`: x (N, H), W (H, V), b (V,) -> y (N, V).

    `backward(dy)` returns the gradients of x, W and b.
    """
    y: Array = x @ W
    y += b

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        return dy @ W.T, x.T @ dy, dy.sum(axis=0)

    return y, backward
