"""The code of a block: its lanes, its length, and its symbols again."""

from __future__ import annotations

import math

import naive_parts
import naive_rans
import numpy as np
import pytest
from integer_models import VOCABULARY, quantized_of
from naive_adaptation import NaiveAdaptation
from naive_network import NaiveNetwork

from charnn.arrays import Array
from charnn.compression.block import (
    Code,
    decode_block,
    encode_block,
    in_lanes,
    lane_bounds,
    lanes_for,
)
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.quantized import QuantizedModel
from charnn.errors import CompressionError

QUANTIZED = quantized_of(1.0, cell="lstm", num_layers=2)


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    """A network of two layers."""
    return IntegerNetwork(QUANTIZED)


def text(count: int) -> Array:
    """Return some symbols (N,)."""
    return np.random.default_rng(7).integers(0, len(VOCABULARY), count)


def naive_code(quantized: QuantizedModel, ids: list[int], lanes: int) -> Code:
    """Return the code of a block and its lengths in bits, by naive means alone."""
    lanes = min(lanes, max(len(ids), 1))
    short, longer = divmod(len(ids), lanes)
    stretches, begin = [], 0
    for lane in range(lanes):
        end = begin + short + (lane < longer)
        stretches.append(ids[begin:end])
        begin = end
    networks = [NaiveNetwork(quantized) for _ in range(lanes)]
    learnt = NaiveAdaptation(len(quantized.vocabulary), lanes, len(ids))
    steps: naive_rans.Steps = []
    bits, alone = 0.0, 0.0
    for t in range(len(stretches[0])):
        symbols = [stretch[t] for stretch in stretches if t < len(stretch)]
        reading = networks[: len(symbols)]
        y = [one.logits() for one in reading]
        f = [naive_parts.frequencies(row) for row in learnt.logits(y)]
        own = [row[x] for row, x in zip(f, symbols, strict=True)]
        steps.append(([sum(row[:x]) for row, x in zip(f, symbols, strict=True)], own))
        bits += sum(24 - math.log2(each) for each in own)
        for row, x in zip(y, symbols, strict=True):
            alone += math.log2(sum(math.exp((each - row[x]) / 2**14) for each in row))
        learnt.learn(symbols, f)
        for one, x in zip(reading, symbols, strict=True):
            one.read(x)
    return Code(naive_rans.packed(*naive_rans.encode(steps, lanes)), bits, alone)


@pytest.mark.parametrize(
    ("count", "lanes"),
    [(0, 1), (0, 5), (1, 1), (1, 4), (2, 1), (2, 2), (2, 9), (20, 3), (21, 3), (22, 3), (23, 7)],
)
def test_equals_naive(network: IntegerNetwork, count: int, lanes: int) -> None:
    """The same bytes as the naive network and coder; the symbols come back."""
    ids = text(count)
    code = encode_block(network, ids, lanes)
    expected = naive_code(QUANTIZED, ids.tolist(), lanes)
    assert code.content == expected.content
    assert code.ideal_bits == pytest.approx(expected.ideal_bits)
    assert code.network_bits == pytest.approx(expected.network_bits, rel=1e-5)
    assert decode_block(network, code.content, count, lanes).tolist() == ids.tolist()


def test_round_trips(cell_options: dict[str, str]) -> None:
    """Of every cell, with all numbers of lanes that differ for so few symbols."""
    network = IntegerNetwork(quantized_of(0.5, **cell_options))
    ids = text(11)
    for lanes in range(1, 13):
        content = encode_block(network, ids, lanes).content
        assert decode_block(network, content, len(ids), lanes).tolist() == ids.tolist()


@pytest.mark.parametrize("lanes", [1, 8])
def test_length(network: IntegerNetwork, lanes: int) -> None:
    """Within 0.2 % and 8 bytes a lane of what the network promised."""
    code = encode_block(network, text(2000), lanes)
    ideal = code.ideal_bits / 8
    assert ideal - 8 <= len(code.content) <= 1.002 * ideal + 8 * lanes


@pytest.mark.parametrize(("count", "lanes"), [(1000, 1), (1000, 7), (700, 300)])
def test_the_length_by_the_network_alone(count: int, lanes: int, network: IntegerNetwork) -> None:
    """It is the sum over all steps, of logits however large, and of any number at once."""
    ids = text(count)
    states, nats = network.zero_states(min(lanes, count)), 0.0
    for symbols in in_lanes(ids, lanes):
        states = [tuple(state[: len(symbols)] for state in layer) for layer in states]
        y = network.logits(states).astype(np.float64) * 2.0**-14
        chosen = y[np.arange(len(symbols)), symbols]
        nats += (np.logaddexp.reduce(y, axis=1) - chosen).sum()
        states = network.read(symbols, states)
    found = encode_block(network, ids, lanes).network_bits
    assert found == pytest.approx(nats / math.log(2), rel=1e-6)


def test_likely_text_is_short() -> None:
    """What the network expects takes few bits; the symbols are its own choices."""
    quantized = quantized_of(0.3, {"W_hy": 30.0, "b_y": 3.0}, cell="gru")
    network = IntegerNetwork(quantized)
    states, ids = network.zero_states(1), []
    for _ in range(200):
        ids.append(int(network.logits(states)[0].argmax()))
        states = network.read(np.array(ids[-1:]), states)
    likely = encode_block(network, np.array(ids), 1)
    assert likely.ideal_bits < encode_block(network, text(200), 1).ideal_bits / 4


def test_progress(network: IntegerNetwork) -> None:
    """`advance` hears of all symbols, both ways."""
    heard: list[int] = []
    content = encode_block(network, text(22), 5, heard.append).content
    assert heard == [5, 5, 5, 5, 2]
    decode_block(network, content, 22, 5, heard.append)
    assert heard == [5, 5, 5, 5, 2] * 2


@pytest.mark.parametrize(("count", "lanes"), [(0, 1), (1, 1), (7, 3), (12, 4), (13, 4)])
def test_lanes_are_stretches(count: int, lanes: int) -> None:
    """They follow each other, and the first are longer by one where it does not go up."""
    bounds = lane_bounds(count, lanes)
    assert bounds[0] == 0
    assert bounds[-1] == count
    lengths = np.diff(bounds)
    assert (np.diff(lengths) <= 0).all()
    assert lengths[0] - lengths[-1] <= 1
    steps = list(in_lanes(np.arange(count), lanes))
    assert sorted(np.concatenate([*steps, []]).tolist()) == list(range(count))
    assert len(steps) == (lengths[0] if count else 0)


def test_number_of_lanes() -> None:
    """One for a short block, one for each 8,192 symbols of a longer one, at most 64."""
    assert [lanes_for(n) for n in (0, 1, 16383, 16384, 40960, 1 << 18, 1 << 19, 1 << 24)] == [
        *(1, 1, 1, 2, 5, 32, 64, 64)
    ]


def test_damage(network: IntegerNetwork) -> None:
    """Every flipped bit, every cut and a wrong count or number of lanes is an error."""
    content = encode_block(network, text(20), 2).content
    damaged = [(content[:end], 20, 2) for end in range(len(content))]
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        damaged.append((bytes(changed), 20, 2))
    damaged += [(content, 19, 2), (content, 21, 2), (content, 20, 1), (content, 20, 3)]
    for case in damaged:
        with pytest.raises(CompressionError, match="a block is damaged"):
            decode_block(network, *case)


def test_another_network() -> None:
    """The code of one network is an error for another, whose weights differ by one integer."""
    content = encode_block(IntegerNetwork(QUANTIZED), text(300), 1).content
    other = quantized_of(1.0, cell="lstm", num_layers=2)
    other.arrays["layer2/b_h"].values[0, 0] += 64
    with pytest.raises(CompressionError, match="a block is damaged"):
        decode_block(IntegerNetwork(other), content, 300, 1)
