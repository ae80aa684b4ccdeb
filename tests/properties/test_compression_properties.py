"""What holds for any bytes, any integers and any division into blocks of a compressed file."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from hypothesis import event, example, given
from hypothesis import strategies as st

from charnn.compression import packing
from charnn.compression.characters import blocks_of, joined, split
from charnn.compression.coding import Codec, decode_record, encode_record
from charnn.compression.compressor import block_size, compress
from charnn.compression.container import LARGEST_BLOCK, LARGEST_HEADER
from charnn.compression.packing import FREE, SUM, Histogram
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import decompress
from charnn.compression.varints import LIMIT, from_varints, to_varints
from charnn.config import ModelConfig
from charnn.models.language_model import LanguageModel
from charnn.text.vocabulary import Vocabulary

ODD = "\0\r\n\x85\u0301‍\u2028\ufeff\U0001f469\U0010ffff\ud800\udfff\udc80\udcff"
CHARACTERS = st.characters(codec="utf-8") | st.sampled_from("aab cd" + ODD)
TEXTS = st.text(CHARACTERS).map(lambda text: text.encode("utf-8", "surrogatepass"))
PIECES = st.lists(TEXTS | st.binary() | st.sampled_from([b"abca " * 30, b"\xe2\x82", b"\xf0\x9f"]))
CONTENT = PIECES.map(b"".join)
VOCABULARIES = st.sampled_from(["characters", "unknown", "bytes"]) | st.text(CHARACTERS, min_size=1)
LANES = st.none() | st.integers(1, 256)


def vocabulary_of(kind: str) -> Vocabulary:
    """Return a vocabulary by its kind, or of a text."""
    if kind == "bytes":
        return Vocabulary.of_bytes()
    if kind in ("characters", "unknown"):
        return Vocabulary(" abcd", unknown=kind == "unknown")
    return Vocabulary("".join(sorted({*kind})))


@cache
def model_of(kind: str) -> QuantizedModel:
    """Return a model with the vocabulary of a kind."""
    vocabulary = vocabulary_of(kind)
    config = ModelConfig(cell="rnn", hidden_size=2)
    untrained = LanguageModel.initialized(config, len(vocabulary), 1)
    return QuantizedModel.of(untrained, vocabulary)


@given(CONTENT, VOCABULARIES)
@example("\udcff".encode("utf-8", "surrogatepass"), "\udced\udcb3\udcbf")
def test_any_bytes_are_ids_and_patches(content: bytes, kind: str) -> None:
    """Whatever the vocabulary, ids are of it, and the bytes come back."""
    vocabulary = vocabulary_of(kind)
    ids, patches = split(content, vocabulary)
    assert (ids < len(vocabulary)).all()
    assert joined(ids, patches, vocabulary, len(content)) == content


@given(CONTENT, st.integers(4, 40))
def test_any_stream_is_its_blocks(content: bytes, size: int) -> None:
    """Blocks are not too long, and decode to what the whole stream decodes to."""
    blocks = list(blocks_of(io.BytesIO(content), size))
    assert b"".join(blocks) == content
    assert all(0 < len(block) <= size for block in blocks)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        event("no UTF-8")
    else:
        assert "".join(block.decode() for block in blocks) == text


@given(CONTENT, st.sampled_from(["characters", "unknown", "bytes"]), LANES)
def test_any_block_comes_back(content: bytes, kind: str, lanes: int | None) -> None:
    """A block by the smallest way takes no more bytes than it has, and comes back."""
    codec = Codec(model_of(kind))
    record, _ = encode_record(content, codec, lanes, lambda _: None)
    event(record.method.name)
    assert len(record.payload) <= len(content)
    assert decode_record(record, codec, lambda _: None) == content


@given(CONTENT, st.sampled_from(["characters", "unknown", "bytes"]), st.booleans(), LANES)
def test_any_file_comes_back(content: bytes, kind: str, embed: bool, lanes: int | None) -> None:
    """A file has at most 100 bytes more than the text, and the text comes back."""
    file, back = io.BytesIO(), io.BytesIO()
    sizes = compress(io.BytesIO(content), file, model_of(kind), embed, lanes, workers=1)
    event(sizes.method.name)
    assert len(file.getvalue()) == sizes.compressed <= len(content) + LARGEST_HEADER
    decompress(io.BytesIO(file.getvalue()), back, lambda _: model_of(kind), workers=1)
    assert back.getvalue() == content


@given(st.lists(st.integers(0, 300) | st.integers(0, LIMIT - 1)))
def test_any_numbers_come_back(numbers: list[int]) -> None:
    """Numbers take no more bytes than they need."""
    content = to_varints(np.array(numbers, np.int64))
    assert from_varints(content).tolist() == numbers
    assert len(content) == sum(max(-(-number.bit_length() // 7), 1) for number in numbers)


VALUES = st.integers(-32_768, 32_767) | st.integers(-3, 3) | st.integers(-300, 300)


@given(st.lists(st.lists(VALUES, min_size=1), min_size=1), st.integers(1, FREE * 2))
def test_any_arrays_of_integers_come_back(arrays: list[list[int]], first: int) -> None:
    """Of any sizes and any values; the first one may be long."""
    parts = [np.array(values) for values in arrays]
    parts[0] = np.resize(parts[0], first if first > FREE else len(parts[0]))
    sizes = [len(part) for part in parts]
    written = [Histogram.of(part) for part in parts]
    assert all(int(histogram.counts.sum()) == SUM for histogram in written)
    found = [
        Histogram.from_bytes(histogram.to_bytes(), size > FREE)[0]
        for histogram, size in zip(written, sizes, strict=True)
    ]
    pairs = list(zip(parts, found, strict=True))
    low = np.packbits(np.concatenate([packing.bits_below(part, own.shift) for part, own in pairs]))
    high = packing.decoded(packing.coded(parts, found), sizes, found)
    back = packing.with_low_bits(high, low.tobytes(), sizes, found)
    for part, own in zip(parts, back, strict=True):
        np.testing.assert_array_equal(part, own)


@given(st.integers(0, 10**10))
def test_blocks_of_any_text_share_it(length: int) -> None:
    """Their size is allowed, and a text of more than one block has two or more."""
    size = block_size(length)
    assert 4 <= size <= LARGEST_BLOCK
    assert length <= size or -(-length // size) >= 2
