"""`charnn train`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, config_flags, flag, given_values, output_flags
from charnn.config import Config
from charnn.errors import InputError


@click.command("train", cls=SectionedCommand)
@click.argument("corpus", nargs=-1, metavar="CORPUS...")
@flag("--out", section="Run", metavar="RUN", help="Run folder.  [runs/<corpus>-<cell>]")
@flag("--force", section="Run", is_flag=True, help="Replace a run that exists.")
@flag("--resume", section="Run", metavar="RUN", help="Go on with a run from its last state.")
@flag(
    "--init-from",
    section="Run",
    metavar="CKPT",
    help="Start from a model's weights; characters keep theirs by symbol.",
)
@config_flags
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    out: str | None,
    force: bool,
    resume: str | None,
    init_from: str | None,
    quiet: bool,
    as_json: bool,
    **_: Any,
) -> None:
    """Train a model on one or more text files (plain or .gz; - is standard input).

    \b
    charnn train shakespeare.txt --cell lstm
    charnn train shakespeare.txt --config configs/tinyshakespeare.yaml --out runs/bard
    charnn train --resume runs/bard --steps 20000
    charnn train sonnets.txt --init-from runs/bard
    """
    from charnn.cli.console import progress_bar
    from charnn.cli.reporters import make_reporter
    from charnn.text.source import TextFiles
    from charnn.training.setup import new_run, resume_run

    values = given_values(ctx)
    if resume is not None:
        for name, value in (("--out", out), ("--init-from", init_from), ("--force", force)):
            if value:
                raise InputError(
                    f"{name} is for a new run, but --resume {resume} goes on with one."
                )
        run = resume_run(Path(resume), corpus, values)
    elif corpus:
        config = Config.from_values(values)
        files = TextFiles(corpus, config.data.encoding)
        passes = None if files.size is None else 2 * files.size  # to count, and to encode
        with progress_bar("reading the text", passes, quiet or as_json) as files.advance:
            run = new_run(
                files,
                config,
                fixed=values,
                out=Path(out) if out is not None else None,
                force=force,
                init_from=Path(init_from) if init_from is not None else None,
            )
    else:
        raise click.UsageError("Missing argument 'CORPUS...'; name at least one text file.")
    trainer = run.trainer

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one stops at once
        trainer.stop_requested = True

    previous = signal.signal(signal.SIGINT, stop)
    try:
        with make_reporter(trainer, quiet, as_json) as reporter:
            reporter.begin(run.notes)
            for event in trainer.run():
                reporter.report(event)
    finally:
        signal.signal(signal.SIGINT, previous)
    if trainer.interrupted:
        ctx.exit(130)
