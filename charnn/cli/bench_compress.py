"""`charnn bench --compress`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import given
from charnn.errors import ConfigError

OTHERS = ("task", "cell", "quick", "peer", "engines", "device", "precision", "dropout")


def measure_compression(
    ctx: click.Context, text: str | None, run: str | None, quiet: bool, as_json: bool
) -> None:
    """Compress a text by all means that there are, and print what came of it."""
    from charnn.bench.compression import compared
    from charnn.cli.compress import model_of
    from charnn.cli.console import progress_bar, show_json
    from charnn.config.compression import CompressionConfig

    if text is None or run is None:
        raise ConfigError(
            "bench compares what a model makes of a text with other compressors; give both: "
            "--compress TEXT --model RUN."
        )
    for name in given(ctx, OTHERS):
        flag = "--engine" if name == "engines" else f"--{name}"
        raise ConfigError(f"{flag} is not for bench --compress; leave one of the two out.")
    quantized = model_of(run)(CompressionConfig().bits_of(embedded=False))
    with progress_bar("compressing", None, quiet or as_json) as advance:
        found = compared(Path(text), quantized, advance)
    if as_json:
        show_json(found)
    else:
        show_compared(found)


def show_compared(found: dict[str, Any]) -> None:
    """Print a row for each compressor, the smallest file first."""
    from charnn.cli.console import show, show_table

    unit = found["unit"]
    rows = [
        [
            row["name"],
            f"{row['bytes']:,}",
            f"{row['bits_per_char']:.3f}",
            f"{row['seconds']:.2f}",
            f"{row['seconds_back']:.2f}",
        ]
        for row in found["rows"]
    ]
    show_table(
        f"{found['text']}: {found['bytes']:,} bytes, {found['characters']:,} {unit}s",
        ["compressor", "bytes", f"bits/{unit}", "seconds", "seconds back"],
        rows,
        ["compressor"],
    )
    show(
        f"The model takes {found['model_bytes']:,} bytes. charnn's seconds to compress include "
        "reading the file back."
    )
    if found["missing"]:
        show(f"Not installed here: {', '.join(found['missing'])}.")
