"""Compression from Python: bytes in, bytes out, as `charnn compress` writes and reads them."""

from __future__ import annotations

import io

from charnn.analysis.subject import language_model
from charnn.compression.compressor import compress as compress_stream
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import decompress as decompress_stream
from charnn.config.compression import CompressionConfig
from charnn.errors import ConfigError
from charnn.text.vocabulary import utf8
from charnn.training.checkpoint import Checkpoint


def compress(
    content: bytes | str,
    checkpoint: Checkpoint,
    *,
    embed: bool = False,
    bits: int | None = None,
    lanes: int | None = None,
    workers: int | None = None,
) -> bytes:
    """Return a text (in UTF-8), or any bytes, compressed by a model: a file of `charnn compress`.

    `embed` puts the model into it; `bits` and `lanes` are those of the command; `workers` are the
    processes for a long text, by default one for each core. Raises ConfigError for a model that
    cannot compress, and CompressionError.
    """
    options = CompressionConfig(bits=bits, lanes=lanes)
    quantized = quantized_model(checkpoint, options.bits_of(embed))
    source = io.BytesIO(utf8(content) if isinstance(content, str) else content)
    target = io.BytesIO()
    compress_stream(source, target, quantized, embed, options.lanes, workers)
    return target.getvalue()


def decompress(
    content: bytes, checkpoint: Checkpoint | None = None, *, workers: int | None = None
) -> bytes:
    """Return the bytes that were compressed; the model is needed unless it was embedded.

    Raises CompressionError for what is damaged, or was compressed by another model.
    """
    if isinstance(content, str):
        raise ConfigError("content is a text; give the bytes that charnn.compress returned.")
    target = io.BytesIO()
    model = None if checkpoint is None else lambda bits: quantized_model(checkpoint, bits)
    decompress_stream(io.BytesIO(content), target, model, workers)
    return target.getvalue()


def quantized_model(checkpoint: Checkpoint, bits: int) -> QuantizedModel:
    """Return a checkpoint's language model in integers. Raises ConfigError for another one."""
    return QuantizedModel.of(language_model(checkpoint, "compress"), checkpoint.vocabulary, bits)
