"""`charnn sample`."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, declared_flags, output_flags
from charnn.config import SamplingConfig
from charnn.errors import ConfigError

SEPARATOR = "\n---\n"


@click.command("sample", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT")
@declared_flags(SamplingConfig, "Sampling", environment=False)
@output_flags()
def command(checkpoint: str, quiet: bool, as_json: bool, **values: Any) -> None:
    """Sample text from a checkpoint, or from the best of a run folder, as it is made.

    \b
    charnn sample runs/shakespeare-lstm --len 500
    charnn sample best.npz --prime "ROMEO:" --temperature 0.7 --seed 1
    charnn sample best.npz --num 4 --stop "." --json

    The text begins with the prime. Several samples (--num) are separated by a line with ---.
    """
    from charnn.cli.console import say, show_json
    from charnn.generation.sampling import sample, stream
    from charnn.text.vocabulary import utf8
    from charnn.training.archive import load_checkpoint

    if values["prime"] == "-":
        values["prime"] = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if values["seed"] is None:
        values["seed"] = secrets.randbits(32)
    options = SamplingConfig(**values)
    if options.length is None and (options.num > 1 or as_json):
        raise ConfigError("len is none, but several samples, and JSON, need an end; give --len N.")
    saved = load_checkpoint(Path(checkpoint))
    model, vocabulary, prime = saved.model, saved.vocabulary, options.prime
    outside = vocabulary.outside(prime)
    if outside and not quiet:
        fate = "read as the unknown symbol" if vocabulary.unknown else "left out"
        say(f"note: the prime has {', '.join(map(repr, outside))}, unknown to the model; {fate}.")
    if as_json:
        for number, text in enumerate(sample(model, vocabulary, options)):
            show_json(
                {
                    "sample": number,
                    "seed": options.seed,
                    "prime": prime,
                    "text": text.decode("utf-8", "replace"),
                }
            )
        return
    out = sys.stdout.buffer
    start = utf8(prime)
    if options.num == 1:
        out.write(start)
        for piece in stream(model, vocabulary, options):
            out.write(piece)
            out.flush()
    else:
        out.write(
            SEPARATOR.encode().join(start + text for text in sample(model, vocabulary, options))
        )
    if sys.stdout.isatty():
        out.write(b"\n")
    out.flush()
