"""The code of a block of symbols: lanes side by side, each a stretch of the block.

Of N symbols in L lanes, lane l has N // L, and one more if l < N mod L; the lanes follow each other
in the text. Each begins with the states of a text's beginning. At each step the network tells what
it expects of each lane, what has been learnt of the block corrects it, the coder takes one symbol
of each lane, and both read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from charnn.arrays import Array
from charnn.compression import rans
from charnn.compression.adaptation import Adaptation
from charnn.compression.frequencies import TOTAL, frequencies
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.network_length import NetworkLength
from charnn.models.stack import LayerStates
from charnn.nn.blas import single_thread

SMALLEST = 8192  # symbols of a lane, where there are several
MOST = 64  # lanes


def lanes_for(symbols: int) -> int:
    """Return how many lanes suit a block: one below 16 KiB, and at most 64."""
    return min(max(symbols // SMALLEST, 1), MOST)


@dataclass(frozen=True)
class Code:
    """The code of a block, and how long it should be, in bits.

    `ideal_bits` is what the network and what was learnt of the block promised together,
    `network_bits` the length by the network alone.
    """

    content: bytes
    ideal_bits: float
    network_bits: float


def encode_block(
    network: IntegerNetwork,
    ids: Array,
    lanes: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Code:
    """Code symbols (N,); `advance` is called with the numbers of symbols done."""
    lanes = min(lanes, max(len(ids), 1))
    starts, shares = np.empty((2, len(ids)), np.uint32)
    done, bits, alone = 0, 0.0, NetworkLength()
    with single_thread():
        text = Lanes(network, lanes, len(ids))
        for symbols in in_lanes(ids, lanes):
            f, below = text.expected(len(symbols))
            rows, step = np.arange(len(symbols)), slice(done, done + len(symbols))
            own = f[rows, symbols]
            starts[step], shares[step] = below[rows, symbols], own
            bits -= float(np.log2(own / TOTAL).sum())
            alone.add(text.network_logits, symbols)
            text.read(symbols)
            done = step.stop
            advance(len(symbols))
    return Code(rans.encode(starts, shares, lanes), bits, alone.bits())


def decode_block(
    network: IntegerNetwork,
    content: bytes,
    count: int,
    lanes: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Array:
    """Return `count` symbols (N,) of a code. Raises CompressionError where it is damaged."""
    lanes = min(lanes, max(count, 1))
    decoder, begins = rans.Decoder(content, lanes), lane_bounds(count, lanes)[:-1]
    ids = np.empty(count, np.intp)
    with single_thread():
        text = Lanes(network, lanes, count)
        for done in range(0, count, lanes):
            n = min(lanes, count - done)
            f, below = text.expected(n)
            found = decoder.places(n).astype(np.float64)
            symbols = (below <= found[:, None]).sum(axis=1) - 1
            rows = np.arange(n)
            decoder.advance(below[rows, symbols], f[rows, symbols])
            text.read(symbols)
            ids[begins[:n] + done // lanes] = symbols
            advance(n)
    decoder.finish()
    return ids


class Lanes:
    """What is expected of all lanes of a block: by the network, and by what has been coded."""

    def __init__(self, network: IntegerNetwork, lanes: int, count: int) -> None:
        self._network = network
        self._adaptation = Adaptation(network.vocab_size, lanes, count)
        self._states: LayerStates = network.zero_states(lanes)

    def expected(self, lanes: int) -> tuple[Array, Array]:
        """Return frequencies and their sums below each symbol, (n, V) of the first n lanes."""
        if len(self._states[-1][0]) > lanes:
            self._states = [tuple(state[:lanes] for state in layer) for layer in self._states]
        self.network_logits = self._network.logits(self._states)
        f = frequencies(self._adaptation.logits(self.network_logits))
        self._frequencies = f
        below = f.cumsum(axis=1)
        below -= f
        return f, below

    def read(self, symbols: Array) -> None:
        """Read the next symbol of each lane, of the last frequencies."""
        self._adaptation.learn(symbols, self._frequencies)
        self._states = self._network.read(symbols, self._states)


def in_lanes(ids: Array, lanes: int) -> Iterator[Array]:
    """Yield the symbols (n,) of each step; in the last, the first n lanes alone may have one."""
    begins = lane_bounds(len(ids), lanes)[:-1]
    for t, done in enumerate(range(0, len(ids), lanes)):
        yield ids[begins[: len(ids) - done] + t].astype(np.intp)


def lane_bounds(count: int, lanes: int) -> Array:
    """Return where the lanes begin, and the end of the last (L + 1,)."""
    short, longer = divmod(count, lanes)
    lengths = np.full(lanes, short)
    lengths[:longer] += 1
    return np.concatenate([[0], lengths.cumsum()])
