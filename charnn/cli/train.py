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
    complete_files,
    complete_folders,
    config_flags,
    flag,
    given_values,
    output_flags,
)
from charnn.config import Config
from charnn.errors import InputError, SaveError
from charnn.options import Value

if TYPE_CHECKING:
    from charnn.cli.reporters import Reporter
    from charnn.training.setup import Run
    from charnn.training.trainer import Trainer

SHOW_CURSOR = b"\x1b[?25h\n"  # a live display hides the cursor
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@click.command("train", cls=SectionedCommand)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", shell_complete=complete_files)
@flag(
    "--out",
    section="Run",
    metavar="RUN",
    shell_complete=complete_folders,
    help="Run folder.  [runs/<corpus>-<cell>; other tasks than lm: runs/<data>-<task>]",
)
@flag("--force", section="Run", is_flag=True, help="Replace an existing run.")
@flag(
    "--resume",
    section="Run",
    metavar="RUN",
    shell_complete=complete_folders,
    help="Resume a run from its last checkpoint.",
)
@flag(
    "--init-from",
    section="Run",
    metavar="CKPT",
    shell_complete=complete_files,
    help="Start from a trained model; each symbol that it knows keeps its learned weights.",
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
    """Train a model on a text, or on files of examples (plain or .gz; - is standard input).

    \b
    charnn train shakespeare.txt --cell lstm
    charnn train shakespeare.txt --config configs/tinyshakespeare.yaml --out runs/bard
    charnn train --resume runs/bard --steps 20000
    charnn train sonnets.txt --init-from runs/bard
    charnn train names/*.txt --task classify
    charnn train words.tsv --val dev.tsv --task transduce --target-sep " "

    The first Ctrl-C finishes the update, saves the run and ends; --resume continues it later. A
    second Ctrl-C ends at once, without saving.
    """
    from charnn.cli.live import make_reporter
    from charnn.training.setup import resume_run

    values = given_values(ctx)
    if resume is not None:
        for name, value in (("--out", out), ("--init-from", init_from), ("--force", force)):
            if value:
                raise InputError(
                    f"{name} is for new runs, but --resume {resume} continues an old one; "
                    "leave one of the two out."
                )
        run = resume_run(Path(resume), corpus, values)
    elif corpus:
        run = begin(corpus, values, out, force, init_from, quiet or as_json)
    else:
        raise click.UsageError("Missing argument 'CORPUS...'; name at least one file.")
    with stopping_signals(run.trainer) as received:
        follow(run, make_reporter(run.trainer, quiet, as_json))
    if run.trainer.unsaved:
        reasons = " ".join(dict.fromkeys(run.trainer.unsaved.values()))
        raise SaveError(f"the run ended, but not everything could be saved: {reasons}")
    if run.trainer.interrupted:
        ctx.exit(128 + received[0])


def begin(
    corpus: tuple[str, ...],
    values: dict[str, Value],
    out: str | None,
    force: bool,
    init_from: str | None,
    quiet: bool,
) -> Run:
    """Prepare a new run, and show how far reading is."""
    from charnn.cli.console import progress_bar
    from charnn.tasks.registry import task_of
    from charnn.training.archive import load_checkpoint
    from charnn.training.setup import new_run

    if init_from is not None and "task" not in values:
        values |= {"task": load_checkpoint(Path(init_from)).task.name}
    config = Config.from_values(values)
    total = task_of(config).bytes_to_read(corpus, config)
    with progress_bar("reading", total, quiet) as advance:
        return new_run(
            corpus,
            config,
            fixed=values,
            out=Path(out) if out is not None else None,
            force=force,
            init_from=Path(init_from) if init_from is not None else None,
            advance=advance,
        )


def follow(run: Run, reporter: Reporter) -> None:
    """Train and report the events; a closed terminal ends the reports, but not the training."""
    with reporter:
        readable = try_to_report(reporter.begin, run.notes)
        for event in run.trainer.run():
            readable = readable and try_to_report(reporter.report, event)


def try_to_report(report: Callable[[Any], None], content: object) -> bool:
    """Report something; return False if the terminal or the pipe has been closed."""
    try:
        report(content)
    except (OSError, SystemExit):  # rich turns a broken pipe into a SystemExit
        discard_if_closed(sys.stdout)
        discard_if_closed(sys.stderr)
        return False
    return True


def discard_if_closed(stream: TextIO) -> None:
    """Discard what is written to a stream from now on if its reader has closed it."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def exit_at_once(code: int) -> None:
    """End the process without cleaning up; the next run removes a file that is half written."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(code)


@contextmanager
def stopping_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Let the first signal of `STOPPING` end the run after its update, and a second one at once.

    Yields the list of the signals received. Once the block has ended after a signal, further ones
    are ignored, because they would change the exit code.
    """
    received: list[int] = []

    def stop(number: int, *_: object) -> None:
        if received:
            exit_at_once(128 + number)
        received.append(number)
        trainer.stop_requested = True

    previous = {each: signal.signal(each, stop) for each in STOPPING}
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, signal.SIG_IGN if received else handler)
