"""The layers around the recurrent ones: input, dropout, output.

The input's share of the pre-activations is `a = x W_xh + b_h`, shape (T, G, B, H); a cell that adds
its bias elsewhere has no `b_h`. For a one-hot x the product is a row of `W_xh`, and the gradient of
`W_xh` is a sum of rows of `da`.

`buffers` are the scope of one layer, valid until its next forward pass; `scratch` is valid for one
call only, so that layers which run one after the other can share it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from charnn.arrays import Array, Arrays
from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Gradients
from charnn.nn.products import BlockedWeights, outer_products, worth_blocks
from charnn.nn.single_use import single_use

CACHED = 1 << 20  # bytes of rows that are copied as a whole

AffineBackward: TypeAlias = Callable[[Array, Gradients], Array]
InputBackward: TypeAlias = Callable[[Array, Gradients], None]
DenseBackward: TypeAlias = Callable[[Array, Gradients], Array]


def project_one_hot(ids: Array, weights: Arrays, buffers: Buffers) -> tuple[Array, InputBackward]:
    """One-hot input times `W_xh` (G, V, H): ids (T, B) -> a (T, G, B, H).

    A one-hot vector picks a row, so the bias is added to the table of rows once.
    """
    W_xh, b_h = weights["W_xh"], weights.get("b_h")
    T, B = ids.shape
    G, _, H = W_xh.shape
    table = W_xh
    if b_h is not None:
        table = np.add(W_xh, b_h[:, None], out=buffers.array("table", W_xh.shape, W_xh.dtype))
    a = buffers.array("a", (T, G, B, H), W_xh.dtype)
    for t in range(T):
        table.take(ids[t], axis=1, out=a[t], mode="clip")

    def backward(da: Array, gradients: Gradients) -> None:
        rows = da.reshape(G, ids.size, H)

        def write(sums: Array) -> None:
            sums_by_symbol(ids, rows, out=sums)
            if b_h is not None:  # every row of da is in one of the sums
                gradients.add("b_h", lambda out: np.sum(sums, axis=1, out=out))

        gradients.add("W_xh", write)

    return a, backward


def embed(ids: Array, E: Array) -> tuple[Array, InputBackward]:
    """Look up embeddings: ids (T, B), E (V, D) -> x (T, B, D)."""

    def backward(dx: Array, gradients: Gradients) -> None:
        rows = dx.reshape(1, ids.size, -1)
        gradients.add("E", lambda out: sums_by_symbol(ids, rows, out=out[None]))

    return E[ids], backward


def sums_by_symbol(ids: Array, da: Array, out: Array) -> None:
    """`out[:, v]` = sum of the rows of da where ids is v: da (G, ids.size, H), out (G, V, H).

    The product of the one-hot matrix's transpose and da, without its multiplications by zero. Where
    that is faster, all symbols are added up side by side, or else each by itself; either way the
    rows of a symbol are added in their order, so that the sums are the same bits.
    """
    flat = ids.reshape(-1)
    places = np.argsort(flat, kind="stable")
    counts = np.bincount(flat)
    symbols = np.flatnonzero(counts)
    counts = counts[symbols]
    ends = np.cumsum(counts)
    out[...] = 0
    if da.nbytes < CACHED and counts.max(initial=0) < len(symbols):
        sums_side_by_side(places, symbols, counts, da, out)
        return
    for symbol, start, end in zip(symbols, ends - counts, ends, strict=True):
        np.add.reduce(da.take(places[start:end], axis=1), axis=1, out=out[:, symbol])


def sums_side_by_side(places: Array, symbols: Array, counts: Array, da: Array, out: Array) -> None:
    """Add up first the first rows of all symbols, then the second rows of those that have one, ...

    `places` are the rows, symbol by symbol. The most frequent symbols come first, so the n-th rows
    of all that have one are added to the beginning of the sums.
    """
    by_count = np.argsort(-counts, kind="stable")
    rank = np.empty_like(by_count)
    rank[by_count] = np.arange(len(by_count))
    nth = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = da.take(places[np.lexsort((np.repeat(rank, counts), nth))], axis=1)
    end, *others = np.bincount(nth).tolist()
    sums = rows[:, :end]
    for size in others:
        sums[:, :size] += rows[:, end : end + size]
        end += size
    out[:, symbols[by_count]] = sums


def project(
    x: Array, weights: Arrays, buffers: Buffers, scratch: Buffers
) -> tuple[Array, DenseBackward]:
    """Dense input times `W_xh` (G, D, H): x (T, B, D) -> a (T, G, B, H).

    The product is cut into blocks where that is faster, or else one over all steps for each gate.
    """
    W_xh, b_h = weights["W_xh"], weights.get("b_h")
    T, B, D = x.shape
    G, _, H = W_xh.shape
    a = buffers.array("a", (T, G, B, H), x.dtype)
    if worth_blocks(W_xh, B):
        BlockedWeights(W_xh, B, buffers.child("W_xh")).product_over_time(x, a)
        if b_h is not None:
            for a_t in a:
                a_t += b_h[:, None]
    else:
        product = scratch.array("product", (G, T, B, H), x.dtype)
        np.matmul(x.reshape(T * B, D), W_xh, out=product.reshape(G, T * B, H))
        np.add(product.swapaxes(0, 1), 0 if b_h is None else b_h[:, None], out=a)

    def backward(da: Array, gradients: Gradients) -> Array:
        gradients.add("W_xh", lambda out: outer_products(x, da, out=out))
        rows = da.reshape(G, T * B, H)
        if b_h is not None:  # the sum over the rows
            gradients.add("b_h", lambda out: np.matmul(np.ones(T * B, da.dtype), rows, out=out))
        dx = buffers.array("dx", (T * B, D), x.dtype)
        share = scratch.array("dx of a gate", (T * B, D), x.dtype)
        for gate in range(G):
            np.matmul(rows[gate], W_xh[gate].T, out=share if gate else dx)
            if gate:
                dx += share
        return dx.reshape(x.shape)

    return a, backward


def dropout(
    x: Array, rate: float, random: np.random.Generator, buffers: Buffers
) -> tuple[Array, Callable[[Array], Array]]:
    """Inverted dropout (Srivastava et al., 2014): x * mask / (1 - rate), and the gradient of x.

    The mask compares 16 random bits with the rate, so the rate is met to 1 / 65,536. The gradient
    can be computed once.
    """
    threshold = min(round(rate * 65_536), 65_535)
    bits = random.integers(0, 65_536, x.shape, np.uint16)
    mask = buffers.array("mask", x.shape, x.dtype)
    np.multiply(bits >= threshold, x.dtype.type(65_536 / (65_536 - threshold)), out=mask)
    out = np.multiply(x, mask, out=buffers.array("dropped", x.shape, x.dtype))

    @single_use
    def backward(d_out: Array) -> Array:
        return np.multiply(d_out, mask, out=mask)

    return out, backward


def affine(x: Array, weights: Arrays, buffers: Buffers) -> tuple[Array, AffineBackward]:
    """`y = x W_hy + b_y`: x (N, H), W_hy (H, V), b_y (V,) -> y (N, V).

    `backward(dy, gradients)` adds the gradients of W_hy and b_y and returns that of x.
    """
    W, b = weights["W_hy"], weights["b_y"]
    y: Array = np.matmul(x, W, out=buffers.array("y", (len(x), W.shape[1]), x.dtype))
    y += b

    def backward(dy: Array, gradients: Gradients) -> Array:
        gradients.add("W_hy", lambda out: np.matmul(x.T, dy, out=out))
        gradients.add("b_y", lambda out: np.sum(dy, axis=0, out=out))
        transposed = buffers.contiguous("W^T", W.T)
        dx: Array = np.matmul(dy, transposed, out=buffers.array("dx", x.shape, x.dtype))
        return dx

    return y, backward
