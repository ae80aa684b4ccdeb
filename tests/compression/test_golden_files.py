"""Files that were compressed once decode for ever, and are written again byte for byte.

`golden/` has a text with line ends, characters and bytes that the models do not know, and two files
of it with their models inside: an LSTM's in four lanes, and that of a GRU of two layers with an
embedding in sixteen.

If one of these tests fails, files that people have compressed cannot be read any more: undo what
changed the arithmetic, or the container. Where the change is wanted, raise the version first:
`charnn.compression.container.VERSION`, or `charnn.compression.quantized.ARITHMETIC` if the network,
what is learnt on the way, or the frequencies change. Charnn must then go on reading files of the
old version, or refuse them in one sentence that names it. Keep these files, and the first test if
they are read; else let it expect that sentence. Write new ones beside them with `compressed`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from charnn.compression import compressor
from charnn.compression.characters import PLAIN
from charnn.compression.container import Header, Method, Record, read_header, records
from charnn.compression.packing import unpack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import decompress
from charnn.compression.varints import first_varints

GOLDEN = Path(__file__).parent / "golden"
TEXT = "7632b0be004ee908"
FILES = {  # name: SHA-256 of the file, lanes
    "lstm": ("3b6d062efb2a1936", 4),
    "gru": ("98c65754fe1cc673", 16),
}


def parts_of(content: bytes) -> tuple[Header, QuantizedModel, list[Record]]:
    """Return the header, the model and the blocks of a file."""
    stream = io.BytesIO(content)
    header = read_header(stream)
    model, *blocks = records(stream, header)
    return header, unpack(model.payload), blocks


def compressed(text: bytes, model: QuantizedModel, lanes: int) -> bytes:
    """Return a file by the model, whatever LZMA would take."""
    right = compressor.surveyed
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressor, "surveyed", lambda *each: replace(right(*each), by_lzma=10**9))
        compressor.compress(io.BytesIO(text), file, model, embed=True, lanes=lanes, workers=1)
    return file.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_decodes(name: str) -> None:
    """To the same bytes, for ever; neither has been touched."""
    text = (GOLDEN / "tide.bin").read_bytes()
    content = (GOLDEN / f"{name}.cnn").read_bytes()
    assert sha256(text).hexdigest()[:16] == TEXT
    assert sha256(content).hexdigest()[:16] == FILES[name][0]
    back = io.BytesIO()
    header = decompress(io.BytesIO(content), back, workers=1)
    assert header.method == Method.MODEL
    assert back.getvalue() == text


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_is_written_again(name: str) -> None:
    """The same text and the same model give the same blocks, byte for byte.

    The model's description alone is left to LZMA, of which another version may write other bytes.
    """
    content = (GOLDEN / f"{name}.cnn").read_bytes()
    header, model, blocks = parts_of(content)
    again = compressed((GOLDEN / "tide.bin").read_bytes(), model, FILES[name][1])
    new_header, new_model, new_blocks = parts_of(again)
    assert new_blocks == blocks
    assert replace(new_header, body=header.body) == header
    assert new_model.digest() == model.digest() == header.model_digest
    (numbers, rest) = first_varints(blocks[0].payload, 4)
    assert numbers[1] == FILES[name][1]
    assert rest[0] == PLAIN  # patches that LZMA has not touched
