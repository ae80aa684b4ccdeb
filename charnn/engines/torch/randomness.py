"""The random numbers of an update: the same for any number of ranks.

On a CPU they are drawn as the shards of the NumPy engine draw them, each from a generator of its
own for its columns of the batch, so that both engines drop the same units. (Not where there are
several shards and recurrent weights are dropped, of which each shard has a mask of its own, or
examples are read, which shards take in another order.) A rank draws what all shards draw, and takes
its columns. On a GPU they are drawn there, for the whole batch, from a generator that is seeded by
the run's seed and the update's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from charnn.arrays import Array, Shape
from charnn.nn.masks import draw_mask


class Randomness(Protocol):
    """What an update draws, in the order in which the NumPy engine does."""

    def mask(self, shape: Shape, rate: float) -> Tensor:
        """Return a dropout mask for this rank's columns, (..., B, H)."""

    def whole_mask(self, shape: Shape, rate: float) -> Array:
        """Return a mask of weights, which has no columns."""

    def uniform(self, shape: Shape) -> Array:
        """Return numbers from 0 to 1 for this rank's columns, (..., B)."""


@dataclass(frozen=True)
class Columns:
    """A batch's columns: how many there are, which of them are a rank's, and the shards' parts."""

    total: int
    own: slice
    shards: int = 1

    @property
    def count(self) -> int:
        """How many are the rank's."""
        return len(range(*self.own.indices(self.total)))

    def parts(self) -> list[slice]:
        """Return the columns of each shard."""
        edges = [self.total * n // self.shards for n in range(self.shards + 1)]
        return [slice(a, b) for a, b in pairwise(edges)]


class ShardsRandomness:
    """What the NumPy engine's shards draw; `key` is the seed, the update's number, and more."""

    def __init__(
        self, seed: int, update: int, columns: Columns, dtype: torch.dtype, *key: int
    ) -> None:
        self._columns = columns
        self._seeds = [(seed, update, shard, *key) for shard in range(columns.shards)]
        self._dtype = np.float64 if dtype == torch.float64 else np.float32

    @cached_property
    def _generators(self) -> list[np.random.Generator]:
        """The shards' generators; many an update draws nothing, and they take a while to make."""
        return [np.random.default_rng(seed) for seed in self._seeds]

    def mask(self, shape: Shape, rate: float) -> Tensor:
        """See `Randomness.mask`."""
        *before, _, H = shape
        whole = np.empty((*before, self._columns.total, H), self._dtype)
        for part, random in zip(self._columns.parts(), self._generators, strict=True):
            draw_mask(whole[..., part, :], rate, random)
        return torch.from_numpy(whole[..., self._columns.own, :])

    def whole_mask(self, shape: Shape, rate: float) -> Array:
        """See `Randomness.whole_mask`: the first shard's, for all."""
        drawn = [
            draw_mask(np.empty(shape, self._dtype), rate, random) for random in self._generators
        ]
        return drawn[0]

    def uniform(self, shape: Shape) -> Array:
        """See `Randomness.uniform`."""
        *before, _ = shape
        drawn = [
            random.random((*before, part.stop - part.start))
            for part, random in zip(self._columns.parts(), self._generators, strict=True)
        ]
        whole: Array = np.concatenate(drawn, axis=-1)[..., self._columns.own]
        return whole

    def place(self) -> Any:
        """Return how far the draws have come, for `return_to`."""
        return [random.bit_generator.state for random in self._generators]

    def return_to(self, place: Any) -> None:
        """Draw once more what was drawn from a place on."""
        for random, state in zip(self._generators, place, strict=True):
            random.bit_generator.state = state

    def random(self, shape: Shape) -> Array:
        """Return `uniform`, as a generator of NumPy does."""
        return self.uniform(shape)


class DeviceRandomness(ShardsRandomness):
    """Masks that are drawn on a GPU; the few other numbers are drawn as always."""

    def __init__(
        self, seed: int, update: int, columns: Columns, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__(seed, update, columns, dtype)
        self._device, self._mask_dtype = device, dtype
        (state,) = np.random.SeedSequence((seed, update)).generate_state(1, np.uint64)
        self._generator = torch.Generator(device).manual_seed(int(state >> np.uint64(1)))

    def place(self) -> Any:
        """See `ShardsRandomness.place`."""
        return super().place(), self._generator.get_state()

    def return_to(self, place: Any) -> None:
        """See `ShardsRandomness.return_to`."""
        by_shard, own = place
        super().return_to(by_shard)
        self._generator.set_state(own)

    def mask(self, shape: Shape, rate: float) -> Tensor:
        """See `Randomness.mask`."""
        *before, _, H = shape
        whole = (*before, self._columns.total, H)
        kept = torch.rand(whole, generator=self._generator, device=self._device) >= rate
        return kept[..., self._columns.own, :].to(self._mask_dtype) / (1 - rate)
