"""`charnn train`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from charnn.cli.flags import (
    SectionedCommand,
    config_flags,
    file_names,
    flag,
    given_values,
    output_flags,
)
from charnn.config import Config
from charnn.errors import InputError, SaveError

if TYPE_CHECKING:
    from charnn.cli.reporters import Reporter
    from charnn.training.setup import Run
    from charnn.training.trainer import Trainer

SHOW_CURSOR = b"\x1b[?25h\n"  # which a live display hides
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@click.command("train", cls=SectionedCommand)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", shell_complete=file_names)
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
    with stopping_signals(run.trainer) as received:
        follow(run, make_reporter(run.trainer, quiet, as_json))
    if run.trainer.unsaved:
        reasons = " ".join(dict.fromkeys(run.trainer.unsaved.values()))
        raise SaveError(f"the run ended, but not all of it could be saved: {reasons}")
    if run.trainer.interrupted:
        ctx.exit(128 + received[0])


def follow(run: Run, reporter: Reporter) -> None:
    """Train, and report what happens for as long as somebody can read it."""
    with reporter:
        read = told(reporter.begin, run.notes)
        for event in run.trainer.run():
            read = read and told(reporter.report, event)


def told(report: Callable[[Any], None], content: object) -> bool:
    """Report something; return False where the terminal or the pipe is closed."""
    try:
        report(content)
    except (OSError, SystemExit):  # rich makes a SystemExit of a broken pipe
        leave_if_closed(sys.stdout)
        leave_if_closed(sys.stderr)
        return False
    return True


def leave_if_closed(stream: TextIO) -> None:
    """Let a stream that nobody reads any more lead nowhere."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def leave(code: int) -> None:
    """End the process at once; what it was writing is a leftover that the next start clears."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(code)


@contextmanager
def stopping_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Let the first of `STOPPING` end the run after its update, and the second at once.

    Yields the signals that were received. After one, the process is about to end, and what still
    comes is ignored: it would have an exit code of its own.
    """
    received: list[int] = []

    def stop(number: int, *_: object) -> None:
        if received:
            leave(128 + number)
        received.append(number)
        trainer.stop_requested = True

    previous = {each: signal.signal(each, stop) for each in STOPPING}
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, signal.SIG_IGN if received else handler)
