"""`charnn sample`."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    given,
    output_flags,
)
from charnn.config import EngineConfig, SamplingConfig, check_task


@click.command("sample", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@declared_flags(SamplingConfig, "Sampling", environment=False)
@declared_flags(EngineConfig, "Engine")
@output_flags()
def command(
    checkpoint: str,
    quiet: bool,
    as_json: bool,
    engine: str,
    device: str | None,
    precision: str,
    **values: Any,
) -> None:
    """Sample text from a checkpoint, or from the best one of a run, and print it as it is drawn.

    \b
    charnn sample runs/shakespeare-lstm --len 500
    charnn sample best.npz --prime "ROMEO:" --temperature 0.7 --seed 1
    charnn sample best.npz --num 4 --stop "." --json
    charnn sample runs/names-generate --label Russian --num 10

    The output begins with the prime. Several samples (--num) are separated by lines of three
    hyphens (---).

    A model of --task generate writes lines of a class; each sample is one line. With --label all
    lines are of that class. Without it there are --num lines of each class, and each is followed by
    a tab and its class, like a line of a file of examples. A line ends where the model ends it, or
    after --len symbols.
    """
    from charnn.cli.console import say, show_json
    from charnn.engines.choice import model_on
    from charnn.training.archive import load_checkpoint

    if values["prime"] == "-":
        values["prime"] = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if values["seed"] is None:
        values["seed"] = secrets.randbits(32)
    options = SamplingConfig(**values)
    chosen = EngineConfig(engine, device, precision)
    saved = load_checkpoint(Path(checkpoint))
    task = saved.task
    task.check_use("sample")
    check_task(SamplingConfig, given(click.get_current_context(), values), task.name)
    drawn_from = model_on(saved.model, chosen), saved.vocabulary, options
    if not quiet:
        for note in task.sampling_notes(saved.vocabulary, options):
            say(f"note: {note}")
    if as_json:
        for content in task.samples(*drawn_from):
            show_json(content)
        return
    out = sys.stdout.buffer
    for piece in task.stream(*drawn_from):
        out.write(piece)
        out.flush()
    if sys.stdout.isatty() and not task.draws_lines:
        out.write(b"\n")
    out.flush()
