"""Where each of charnn's parameters is among a network's weights.

All parameters of charnn lie in one vector (P,), in their order; so do a gradient, an optimiser's
memory, and an average. A network has the same numbers as weights of other shapes, in another order,
some with the other sign (`charnn.models.correspondence`).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from charnn.arrays import Array, Shape
from charnn.engines.torch.network import Network
from charnn.models.correspondence import Share, places


class Layout:
    """The order of a network's weights, `names`, and where each of their numbers belongs."""

    def __init__(self, network: Network, shapes: Mapping[str, Shape]) -> None:
        """Read a network's `shares`; `shapes` are those of charnn's parameters, in their order."""
        self.shapes = shapes
        shares: list[Share] = []
        weights: dict[str, Tensor] = {}
        for share, weight in network.shares():
            shares.append(share)
            weights[share.theirs] = weight
        theirs = {name: tuple(weight.shape) for name, weight in weights.items()}
        numbers = np.concatenate([each.ravel() for each in places(shares, shapes, theirs).values()])
        self.weights = list(weights.values())
        self.owners = [next(s.ours for s in shares if s.theirs == name) for name in weights]
        self.size = len(numbers)
        self._sign = np.sign(numbers).astype(np.int8)
        self._index = np.abs(numbers) - 1
        self._filled = numbers != 0
        self._P = int(np.abs(numbers).max())
        edges = np.cumsum([0, *(weight.numel() for weight in self.weights)])
        self._parts = [slice(a, b) for a, b in pairwise(edges)]

    @property
    def empty(self) -> list[slice]:
        """The places among all weights, one after the other, that are always 0."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], ~self._filled, [0]]).astype(np.int8)))
        return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return a vector (P',) of all weights' places as arrays of the weights' shapes."""
        return [
            flat[part].view(weight.shape)
            for part, weight in zip(self._parts, self.weights, strict=True)
        ]

    def write(self, flat: Array, out: list[Tensor], signed: bool = True) -> None:
        """Write charnn's vector (P,) into tensors of the weights' shapes.

        A vector of squares is not `signed`.
        """
        theirs = flat[self._index]
        theirs *= self._sign if signed else self._filled
        with torch.no_grad():
            for view, tensor in zip(self.views(torch.from_numpy(theirs)), out, strict=True):
                tensor.copy_(view)

    def read(self, tensors: list[Tensor], signed: bool = True) -> Array:
        """Return tensors of the weights' shapes as charnn's vector (P,), in float32 or float64."""
        theirs = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).cpu().numpy()
        flat: Array = np.zeros(self._P, theirs.dtype)
        kept = theirs[self._filled]
        flat[self._index[self._filled]] = kept * self._sign[self._filled] if signed else kept
        return flat
