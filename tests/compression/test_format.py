"""A second reader, written from docs/format.md, reads what charnn writes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from hashlib import sha256

import naive_parts
import numpy as np
import pytest
from naive_adaptation import NaiveAdaptation
from naive_reader import Packed, read_file, read_model, text_of
from small_models import VOCABULARIES, small_model, sure_model, sure_text

from charnn.compression import compressor
from charnn.compression.compressor import compress
from charnn.compression.integer_network import IntegerNetwork
from charnn.compression.packing import pack
from charnn.compression.quantized import QuantizedModel


class Lanes:
    """Charnn's network and the naive adaptation, as the naive reader asks them."""

    def __init__(self, quantized: QuantizedModel, lanes: int, count: int) -> None:
        self._network = IntegerNetwork(quantized)
        self._states = self._network.zero_states(lanes)
        self._learnt = NaiveAdaptation(len(quantized.vocabulary), lanes, count)
        self._frequencies: list[list[int]] = []

    def frequencies(self, count: int) -> list[list[int]]:
        """Return the frequencies of the next symbols of the first lanes."""
        self._states = [tuple(state[:count] for state in layer) for layer in self._states]
        y = self._network.logits(self._states).astype(int).tolist()
        self._frequencies = [naive_parts.frequencies(row) for row in self._learnt.logits(y)]
        return self._frequencies

    def read(self, symbols: list[int]) -> None:
        """Read the next symbol of the first lanes."""
        self._learnt.learn(symbols, self._frequencies)
        self._states = self._network.read(np.array(symbols), self._states)


def naive_text(content: bytes, quantized: QuantizedModel) -> bytes:
    """Return the text of a file by the naive reader."""
    vocabulary = quantized.vocabulary
    return text_of(
        read_file(content),
        vocabulary.symbols,
        vocabulary.unknown,
        lambda lanes, count: Lanes(quantized, lanes, count),
    )


@pytest.mark.parametrize(("kind", "lanes"), [("characters", 7), ("unknown", 1)])
def test_the_naive_reader_reads_blocks(
    kind: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks by all methods, with patches, in one lane and in several."""
    monkeypatch.setattr(compressor, "ONE_BLOCK", 500)
    monkeypatch.setattr(compressor, "LARGEST_BLOCK", 600)
    right = compressor.surveyed
    monkeypatch.setattr(  # so short a text is smaller by LZMA
        compressor, "surveyed", lambda *each: replace(right(*each), by_lzma=10**9)
    )
    text = sure_text(1_400) + np.random.default_rng(1).bytes(1_300) + b"abcdefgh" * 160
    file = io.BytesIO()
    sizes = compress(io.BytesIO(text), file, sure_model(kind), lanes=lanes, workers=1)
    assert set(map(int, sizes.blocks)) == {0, 1, 2}
    assert naive_text(file.getvalue(), sure_model(kind)) == text


@pytest.mark.parametrize("text", [b"", b"ab", b"abc" * 60], ids=len)
def test_the_naive_reader_reads_files_without_blocks(text: bytes) -> None:
    """Stored ones, and those by LZMA."""
    file = io.BytesIO()
    compress(io.BytesIO(text), file, sure_model())
    assert naive_text(file.getvalue(), sure_model()) == text


def naive_digest(quantized: QuantizedModel, packed: Packed) -> bytes:
    """Return the digest of a packed model as the page says it."""
    content = json.dumps(packed.description, sort_keys=True).encode("ascii")
    parts = iter(packed.parts)
    for name, array in quantized.arrays.items():
        exponents, values = next(parts), next(parts)
        content += f"\n{name} {array.values.shape}\n".encode()
        content += b"".join(value.to_bytes(2, "little", signed=True) for value in values)
        content += b"".join(value.to_bytes(1, "little", signed=True) for value in exponents)
    return sha256(content).digest()


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_the_naive_reader_reads_a_model(kind: str) -> None:
    """Every integer, and the digest over them."""
    quantized = small_model(kind, cell="lstm", hidden=11)
    sizes = [
        len(part)
        for array in quantized.arrays.values()
        for part in (array.exponents, array.values.ravel())
    ]
    packed = read_model(pack(quantized), sizes)
    assert packed.description == quantized.description()
    parts = iter(packed.parts)
    for array in quantized.arrays.values():
        assert next(parts) == array.exponents.tolist()
        assert next(parts) == array.values.ravel().tolist()
    assert naive_digest(quantized, packed) == quantized.digest()
