"""Compress or decompress a text with an untrained model: `python compressing.py WAY FROM TO`."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np

from charnn.compression.compressor import compress
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import decompress
from charnn.config import ModelConfig
from charnn.errors import CharnnError
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def model(hidden_size: int = 48) -> QuantizedModel:
    """Return a model that expects the letter `a` most of the time."""
    vocabulary = Vocabulary(LETTERS)
    config = ModelConfig(cell="gru", hidden_size=hidden_size)
    untrained = LanguageModel.initialized(config, len(vocabulary), 1)
    untrained.parameters["W_hy"][...] = 0
    untrained.parameters["b_y"][0] = 5.5
    return QuantizedModel.of(untrained, vocabulary)


def text(letters: int) -> bytes:
    """Return a text that the model takes fewer bytes for than LZMA, and which has a few patches."""
    chance = np.random.default_rng(1)
    drawn = np.where(chance.random(letters) < 0.9, ord("a"), chance.integers(97, 123, letters))
    drawn[:: max(letters // 3, 1)] = ord("?")
    return drawn.astype(np.uint8).tobytes()


def main() -> None:
    """Do it with two workers, and report errors as the command line does."""
    way, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        if way == "compress":
            compress(source, target, model(), lanes=16, workers=2)
        else:
            decompress(source, target, lambda _: model(), workers=2)
    except CharnnError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
