"""`charnn train`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from charnn.cli.failures import Failure
from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    complete_folders,
    config_flags,
    declared_flags,
    flag,
    given_values,
    output_flags,
)
from charnn.config import Config, EngineConfig
from charnn.engines.team import ALONE, Team
from charnn.errors import CharnnError, InputError, SaveError
from charnn.options import Value, options_of

if TYPE_CHECKING:
    from charnn.cli.reporters import Reporter
    from charnn.training.setup import Run
SHOW_CURSOR = b"\x1b[?25h\n"  # a live display hides the cursor
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Stoppable(Protocol):
    """What ends in good order once it is asked to."""

    stop_requested: bool


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
@declared_flags(EngineConfig, "Engine")
@config_flags()
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
    charnn train shakespeare.txt --time 10m
    charnn train --resume runs/bard --steps 20000
    charnn train sonnets.txt --init-from runs/bard
    charnn train names/*.txt --task classify
    charnn train words.tsv --val dev.tsv --task transduce --target-sep " "

    The first Ctrl-C finishes the update, saves the run and ends; --resume continues it later. A
    second Ctrl-C ends at once, without saving.

    With --time the number of updates is fixed before the first one, from what was measured on this
    machine, and written to the run as --steps; where the machine is slower later on, the run takes
    longer.

    \b
    torchrun --nproc-per-node 4 -m charnn train shakespeare.txt --engine torch

    trains on several GPUs or processes. Torchrun's restarts (--max-restarts) repeat the command,
    and the run goes on from its last checkpoint.
    """
    from charnn.engines.choice import make_team

    began = time.perf_counter()
    values, compute = given_values(ctx), engine_options(ctx)
    if resume is not None:
        check_resumed(resume, {"--out": out, "--init-from": init_from, "--force": force})
    elif not corpus:
        raise click.UsageError("Missing argument 'CORPUS...'; name at least one file.")
    team = make_team(compute)
    code = 0
    with ending_as_one(team):
        if resume is not None:
            from charnn.training.setup import resume_run

            run = resume_run(Path(resume), corpus, values, compute=compute, team=team)
        else:
            hushed = quiet or as_json or team.rank > 0
            run = begin(corpus, values, out, force, init_from, hushed, compute, team, began)
        code = train(run, team, quiet, as_json)
    ctx.exit(code)


def check_resumed(resume: str, flags: Mapping[str, object]) -> None:
    """Refuse what is for new runs only. Raises InputError."""
    for name, value in flags.items():
        if value:
            raise InputError(
                f"{name} is for new runs, but --resume {resume} continues an old one; "
                "leave one of the two out."
            )


def train(run: Run, team: Team, quiet: bool, as_json: bool) -> int:
    """Train, report on rank 0, and return the exit code. Raises SaveError, and what runs raise."""
    from charnn.cli.live import make_reporter
    from charnn.cli.reporters import Silence
    from charnn.engines.choice import under_torchrun

    reporter = (
        make_reporter(run.trainer, quiet, as_json) if team.rank == 0 else Silence(run.trainer)
    )
    with stopping_signals(run.trainer) as received:
        follow(run, reporter)
    if run.trainer.unsaved:
        reasons = " ".join(dict.fromkeys(run.trainer.unsaved.values()))
        raise SaveError(f"the run ended, but not everything could be saved: {reasons}")
    if run.trainer.interrupted and not under_torchrun():
        return 128 + received[0]
    return 0  # also after a signal where torchrun would start a run again that has failed


@contextmanager
def ending_as_one(team: Team) -> Iterator[None]:
    """Leave the team at the end; an error is told by one rank, and ends all of them.

    Ranks end here, without what libraries do at a process's end: that could wait for a rank that
    is lost, and now and then it aborts, which torchrun would take for a failure of the run.
    """
    code = 0
    try:
        yield
    except CharnnError as error:
        if team is ALONE:
            raise
        for each in STOPPING:  # torchrun stops the ranks that end later than others
            signal.signal(each, signal.SIG_IGN)
        team.tell(Failure(error).show)
        code = error.exit_code
    team.close()
    if team is not ALONE:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)


def engine_options(ctx: click.Context) -> EngineConfig:
    """Return what the flags say on what computes. Raises ConfigError."""
    return EngineConfig(**{name: ctx.params[name] for name in options_of(EngineConfig)})


def begin(
    corpus: tuple[str, ...],
    values: dict[str, Value],
    out: str | None,
    force: bool,
    init_from: str | None,
    quiet: bool,
    compute: EngineConfig,
    team: Team,
    began: float,
) -> Run:
    """Prepare a new run, and show how far reading is."""
    from charnn.cli.console import progress_bar
    from charnn.tasks.registry import task_of
    from charnn.training.setup import new_run
    from charnn.training.together import shared_checkpoint

    if init_from is not None and "task" not in values:
        values |= {"task": shared_checkpoint(team, Path(init_from)).task.name}
    config = team.together(lambda: Config.from_values(values))
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
            compute=compute,
            team=team,
            began=began,
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
def stopping_signals(work: Stoppable) -> Iterator[list[int]]:
    """Let the first signal of `STOPPING` end some work after an update, and a second one at once.

    Under torchrun, which kills by itself what does not end in time, a second one is ignored. Yields
    the list of the signals received. Once the block has ended after a signal, further ones are
    ignored, because they would change the exit code.
    """
    from charnn.engines.choice import under_torchrun

    received: list[int] = []

    def stop(number: int, *_: object) -> None:
        if received and not under_torchrun():
            exit_at_once(128 + number)
        received.append(number)
        work.stop_requested = True

    previous = {each: signal.signal(each, stop) for each in STOPPING}
    try:
        yield received
    finally:
        for each, handler in previous.items():
            signal.signal(each, signal.SIG_IGN if received else handler)
