"""How large a network to train for a text when the network itself is part of the file.

A file with the model inside has

    bytes = weights w + N b(weights, seen) / 8

where w are the bytes of a packed weight, N the text's characters, and b the bits that a character
takes. A larger model needs fewer, but takes longer to train: in a given time it sees fewer
characters. For the network alone, the rule of thumb

    b_network = b_0 + A weights^-p + B seen^-q

has the form that losses of language models were found to follow (Hoffmann et al., 2022). What is
learnt while a block of n characters is coded (`charnn.compression.adaptation`) would do with

    b_adapted = c_0 + C n^-r

bits alone, and both together with

    b = (b_network^-k + b_adapted^-k)^(-1/k)

The constants were fitted to LSTMs of 16 to 256 units on up to 1 MB of English plays; they meet
those within 0.05 bits.
"""

from __future__ import annotations

import math
from dataclasses import replace

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.nn.parameters import count, shapes_of

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
WEIGHT = 0.8  # bytes of a packed weight of 7 bits
FLOOR, OF_WEIGHTS, BY_WEIGHTS, OF_SEEN, BY_SEEN = 1.0, 20.0, 0.28, 9500.0, 0.7
ALONE, OF_LENGTH, BY_LENGTH = 1.55, 11.6, 0.217
TOGETHER = 8  # k
WHOLE_BLOCK = 1e6  # characters; what is learnt of one block is not known in the next
OUTSIDE = 4.0  # bytes that a character costs which the vocabulary lacks
MOST_PASSES = 60  # over the text; more change little


def weights_of(config: ModelConfig, symbols: int) -> int:
    """Return how many weights a network has for a vocabulary of some symbols."""
    specs = LanguageModel.specs_of(config, Sizes(symbols, symbols))
    return count(shapes_of(specs))


def network_bits(weights: int, seen: float) -> float:
    """Return about how many bits a character takes after a training that has `seen` so many."""
    of_size = OF_WEIGHTS * math.pow(weights, -BY_WEIGHTS)
    return min(FLOOR + of_size + OF_SEEN * math.pow(max(seen, 1.0), -BY_SEEN), 8.0)


def expected_bits(weights: int, characters: int, seen: float) -> float:
    """Return about how many bits a character takes when the coder learns, too."""
    block = min(characters / 2 if characters > WHOLE_BLOCK / 8 else characters, WHOLE_BLOCK)
    adapted = min(ALONE + OF_LENGTH * math.pow(max(block, 1.0), -BY_LENGTH), 8.0)
    both = math.pow(network_bits(weights, seen), -TOGETHER) + math.pow(adapted, -TOGETHER)
    return math.pow(both, -1 / TOGETHER)


def expected_bytes(weights: int, characters: int, seen: float) -> float:
    """Return about how large a text becomes with its model inside."""
    return WEIGHT * weights + characters * expected_bits(weights, characters, seen) / 8


def least_count(width: int) -> int:
    """Return how often a character must occur to be worth a symbol of its own.

    A symbol of an LSTM of H units has 4 H weights that read it, and H + 1 that predict it.
    """
    return max(1, math.ceil(WEIGHT * (5 * width + 1) / (8 * OUTSIDE)))


def width_without_a_limit(config: ModelConfig, counts: Array) -> int:
    """Return the width that would suit a text if there were time for any number of passes.

    `counts` says how often each code point occurs.
    """
    characters = int(counts.sum())

    def size(width: int) -> float:
        symbols = max(1, int((counts >= least_count(width)).sum()))
        weights = weights_of(with_width(config, width), symbols)
        return expected_bytes(weights, characters, MOST_PASSES * characters)

    return min(WIDTHS, key=size)


def with_width(config: ModelConfig, width: int) -> ModelConfig:
    """Return a network of another width."""
    return replace(config, hidden_size=width)
