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
from charnn.nn.products import BlockedWeights, worth_blocks

AffineBackward: TypeAlias = Callable[[Array, Array, Array], Array]
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
        sums_by_symbol(ids, da.reshape(G, ids.size, H), out=gradients["W_xh"])
        np.sum(gradients["W_xh"], axis=1, out=gradients["b_h"])  # every row of da is in one sum

    return a, backward


def embed(ids: Array, E: Array) -> tuple[Array, InputBackward]:
    """Look up embeddings: ids (T, B), E (V, D) -> x (T, B, D)."""

    def backward(dx: Array, gradients: Arrays) -> None:
        sums_by_symbol(ids, dx.reshape(1, ids.size, -1), out=gradients["E"][None])

    return E[ids], backward


def sums_by_symbol(ids: Array, da: Array, out: Array) -> None:
    """`out[:, v]` = sum of the rows of da where ids is v: da (G, ids.size, H), out (G, V, H).

    The product of the one-hot matrix's transpose and da, without its multiplications by zero.
    """
    places = np.argsort(ids, axis=None, kind="stable")
    symbols, starts = np.unique(ids.reshape(-1)[places], return_index=True)
    out[...] = 0
    for symbol, start, end in zip(symbols, starts, [*starts[1:], ids.size], strict=True):
        np.add.reduce(da.take(places[start:end], axis=1), axis=1, out=out[:, symbol])


def project(
    x: Array, W_xh: Array, b_h: Array, buffers: Buffers, name: str = ""
) -> tuple[Array, DenseBackward]:
    """Dense input times `W_xh` (G, D, H): x (T, B, D) -> a (T, G, B, H).

    The product is cut into blocks where that is faster, or else one over all steps for each gate.
    """
    T, B, D = x.shape
    G, _, H = W_xh.shape
    a = buffers.array(f"{name}a", (T, G, B, H), x.dtype)
    if worth_blocks(W_xh, B):
        BlockedWeights(W_xh, B, buffers, f"{name}W_xh ").product_over_time(x, a)
        for a_t in a:
            a_t += b_h[:, None]
    else:
        product = buffers.array("da", (G, T, B, H), x.dtype)  # in use in the backward pass only
        np.matmul(x.reshape(T * B, D), W_xh, out=product.reshape(G, T * B, H))
        np.add(product.swapaxes(0, 1), b_h[:, None], out=a)

    def backward(da: Array, gradients: Arrays) -> Array:
        outer_products(x, da, out=gradients["W_xh"])
        rows = da.reshape(G, T * B, H)
        np.matmul(np.ones(T * B, da.dtype), rows, out=gradients["b_h"])  # the sum over the rows
        dx, share = (
            buffers.array(f"{name}{what}", (T * B, D), x.dtype) for what in ("dx", "dx of a gate")
        )
        for gate in range(G):
            np.matmul(rows[gate], W_xh[gate].T, out=share if gate else dx)
            if gate:
                dx += share
        return dx.reshape(x.shape)

    return a, backward


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
        return np.multiply(d_out, mask, out=mask)

    return out, backward


def affine(
    x: Array, W: Array, b: Array, buffers: Buffers | None = None
) -> tuple[Array, AffineBackward]:
    """`y = x W + b`: x (N, H), W (H, V), b (V,) -> y (N, V).

    `backward(dy, dW, db)` fills in the gradients of W and b and returns that of x.
    """
    memory = buffers or Buffers()
    y: Array = np.matmul(x, W, out=memory.array("y", (len(x), W.shape[1]), x.dtype))
    y += b

    def backward(dy: Array, dW: Array, db: Array) -> Array:
        np.matmul(x.T, dy, out=dW)
        np.sum(dy, axis=0, out=db)
        transposed = memory.contiguous("W^T", W.T)
        dx: Array = np.matmul(dy, transposed, out=memory.array("dx", x.shape, x.dtype))
        return dx

    return y, backward
