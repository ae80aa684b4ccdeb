"""`charnn info FILE.cnn`: what a compressed file says of itself, without decoding it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from charnn.cli.compression_report import facts_of, ratio
from charnn.errors import CompressionError

if TYPE_CHECKING:
    from charnn.compression.quantized import QuantizedModel


def is_compressed(path: Path) -> bool:
    """Return whether a file begins as those of `charnn compress` do."""
    from charnn.compression.container import MAGIC

    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def contents_of(path: Path) -> dict[str, Any]:
    """Return what a compressed file holds, as `--json` shows it. Raises CompressionError."""
    from charnn.compression.container import Method
    from charnn.compression.reading import inspect

    try:
        contents = inspect(path)
        header = contents.header
        model: dict[str, Any] | None = None
        if header.method == Method.MODEL:
            model = {"digest": header.model_digest.hex(), "embedded": header.embedded}
        if model is not None and header.embedded:
            model |= {"bytes": contents.model, **facts_of(embedded_model(path))}
    except OSError as error:
        raise CompressionError(
            f"'{path}' cannot be read ({error.strerror}); check the disk."
        ) from error
    return {
        "file": str(path),
        "method": header.method.name.lower(),
        "original_bytes": header.length,
        "compressed_bytes": header.size + header.body,
        "sha256": header.sha256.hex(),
        "blocks": {method.name.lower(): count for method, count in contents.blocks.items()},
        "model": model,
    }


def embedded_model(path: Path) -> QuantizedModel:
    """Return the model in a file. Raises CompressionError."""
    from charnn.compression.container import read_header, records
    from charnn.compression.packing import unpack
    from charnn.compression.reading import told

    with path.open("rb") as file, told(path):
        return unpack(next(records(file, read_header(file))).payload)


def show_compressed_file(path: Path, as_json: bool) -> None:
    """Print what a compressed file holds. Raises CompressionError."""
    from charnn.cli.console import show, show_json

    found = contents_of(path)
    if as_json:
        show_json(found)
        return
    size, original = found["compressed_bytes"], found["original_bytes"]
    facts = {
        "original": f"{original:,} bytes, SHA-256 {found['sha256']}",
        "compressed": f"{size:,} bytes{ratio(original, size)}",
        "method": METHODS[found["method"]],
    }
    if found["blocks"]:
        facts["blocks"] = ", ".join(f"{count:,} {name}" for name, count in found["blocks"].items())
    model = found["model"]
    if model is not None and model["embedded"]:
        facts["model"] = (
            f"in the file, {model['bytes']:,} bytes: {model['cell']}, {model['num_layers']} x "
            f"{model['hidden_size']} units, {model['weights']:,} weights of {model['bits']} bits, "
            f"{model['symbols']:,} symbols"
        )
    elif model is not None:
        facts["model"] = "not in the file; decompress with --model"
    if model is not None:
        facts["digest"] = f"{model['digest']} of the model"
    for name, fact in facts.items():
        show(f"{name:<12}{fact}")


METHODS = {
    "stored": "stored as it is",
    "lzma": "LZMA, without a model",
    "model": "a language model's expectations",
}
