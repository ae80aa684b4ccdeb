"""Small quantised models, and texts for them."""

from __future__ import annotations

from functools import cache

import numpy as np

from charnn.compression.quantized import QuantizedModel
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

LETTERS = "\n abcdefghijklmnopqrstuvwxyz\xe9"
VOCABULARIES = {
    "characters": Vocabulary(LETTERS),
    "unknown": Vocabulary(LETTERS, unknown=True),
    "bytes": Vocabulary.of_bytes(),
}
AWKWARD = {
    "nothing": b"",
    "one byte": b"a",
    "one foreign byte": b"\xff",
    "every byte": bytes(range(256)),
    "line ends": b"ab\r\ncd\rxy\n\r\n",
    "emoji": "a \U0001f469‍\U0001f680 é\U0010ffff".encode(),
    "surrogates": "a\ud800\udfffb\udc80".encode("utf-8", "surrogatepass"),
    "cut characters": b"a\xe2\x82b\xf0\x9f\x98\xc3",
    "overlong": b"\xc0\x80\xc1\xbf\xf8\x88\x80\x80\x80\xfe",
    "marks": b"\xef\xbb\xbfab\x00\x00\x1a",
    "only foreign": "ЖЩЯ".encode() * 50,
}


@cache
def small_model(
    kind: str = "characters", seed: int = 1, hidden: int = 3, cell: str = "gru", bits: int = 9
) -> QuantizedModel:
    """Return a quantised model that has learned nothing."""
    vocabulary = VOCABULARIES[kind]
    config = ModelConfig(cell=cell, hidden_size=hidden)
    model = LanguageModel.initialized(config, len(vocabulary), seed)
    return QuantizedModel.of(model, vocabulary, bits)


@cache
def sure_model(kind: str = "characters") -> QuantizedModel:
    """Return a model that expects the letter `a`, whatever it reads: it beats LZMA on such text."""
    vocabulary = VOCABULARIES[kind]
    config = ModelConfig(cell="rnn", hidden_size=2)
    model = LanguageModel.initialized(config, len(vocabulary), 1)
    model.parameters["b_y"][vocabulary.symbols.index("a")] = 5.5
    return QuantizedModel.of(model, vocabulary)


def sure_text(letters: int, seed: int = 1) -> bytes:
    """Return a text such as the sure model expects, and three foreign characters in it."""
    chance = np.random.default_rng(seed)
    text = np.where(chance.random(letters) < 0.9, ord("a"), chance.integers(97, 123, letters))
    half = text[letters // 2 :].astype(np.uint8).tobytes()
    return text[: letters // 2].astype(np.uint8).tobytes() + "Ж€".encode() + b"\xff" + half
