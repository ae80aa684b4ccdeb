"""charnn as a compressor beside others, on the same text: bytes, and seconds both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from charnn.bench.compressors import Compressor, Figures, compressors
from charnn.compression.characters import count_characters
from charnn.compression.compressor import compress
from charnn.compression.packing import pack
from charnn.compression.quantized import QuantizedModel
from charnn.compression.reading import decompress
from charnn.errors import InputError

NOT_COUNTED, COUNTED = "charnn, model not counted", "charnn, model counted"


def by_charnn(quantized: QuantizedModel) -> Compressor:
    """Return charnn with a model that is not inside its files."""

    def there(source: Path, target: Path) -> None:
        compress(source, target, quantized)

    def back(source: Path, target: Path) -> None:
        decompress(source, target, lambda _: quantized)

    return Compressor(NOT_COUNTED, there, back)


def compared(
    text: Path, quantized: QuantizedModel, advance: Callable[[int], object]
) -> dict[str, Any]:
    """Return what charnn and all compressors of this machine make of a text, the smallest first.

    `advance` is called with the number of compressors done. Raises InputError for a text that
    cannot be read.
    """
    try:
        content = text.read_bytes()
    except OSError as error:
        raise InputError(f"'{text}' cannot be read ({error.strerror}); check the path.") from error
    if not content:
        raise InputError(f"'{text}' is empty; give a text that can become smaller.")
    characters = count_characters(content, quantized.vocabulary)
    others, missing = compressors()
    rows, model_bytes = [], len(pack(quantized))
    with TemporaryDirectory(prefix="charnn-", ignore_cleanup_errors=True) as folder:
        for each in [by_charnn(quantized), *others]:
            rows.append(row(each.figures(text, Path(folder)), characters))
            advance(1)
    counted = rows[0]["bytes"] + model_bytes
    bits = 8 * counted / characters
    rows.append(rows[0] | {"name": COUNTED, "bytes": counted, "bits_per_char": bits})
    return {
        "text": str(text),
        "bytes": len(content),
        "characters": characters,
        "unit": quantized.vocabulary.unit,
        "model_bytes": model_bytes,
        "rows": sorted(rows, key=lambda each: int(each["bytes"])),
        "missing": missing,
    }


def row(figures: Figures, characters: int) -> dict[str, Any]:
    """Return what a compressor made of a text of so many characters."""
    return {
        "name": figures.name,
        "bytes": figures.size,
        "bits_per_char": 8 * figures.size / characters,
        "seconds": figures.seconds,
        "seconds_back": figures.seconds_back,
    }
