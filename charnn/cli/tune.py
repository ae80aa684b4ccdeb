"""`charnn tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from charnn.cli.flags import (
    RANKS,
    SectionedCommand,
    complete_files,
    complete_folders,
    config_flags,
    declared_flags,
    flag,
    given,
    given_values,
    output_flags,
)
from charnn.cli.train import engine_options, stopping_signals
from charnn.config import Config, EngineConfig
from charnn.errors import InputError
from charnn.options import Value

if TYPE_CHECKING:
    from charnn.tuning.setup import Tuning

DEFAULT_TIME = "30m"
FROM_FILE = RANKS[ParameterSource.DEFAULT_MAP]


@click.command("tune", cls=SectionedCommand)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", shell_complete=complete_files)
@flag(
    "--time",
    "seconds",
    section="Search",
    metavar="TIME",
    help=f"Time of the whole search: 90s, 30m, 1h30m.  [{DEFAULT_TIME}]",
)
@flag(
    "--target-time",
    "target",
    section="Search",
    metavar="TIME",
    help="How long the training may take that is searched for.  "
    "[as long as the search's longest runs: about a tenth of --time]",
)
@flag(
    "--out",
    section="Search",
    metavar="FOLDER",
    shell_complete=complete_folders,
    help="Folder of the search.  [runs/<corpus>-<cell>-tune; other tasks: runs/<data>-<task>-tune]",
)
@flag("--force", section="Search", is_flag=True, help="Replace an existing search.")
@flag(
    "--resume",
    section="Search",
    metavar="FOLDER",
    shell_complete=complete_folders,
    help="Go on with a search from what it has; with --time, of another time in all.",
)
@declared_flags(EngineConfig, "Engine")
@config_flags(without=["time"])  # which is the search's own
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    seconds: str | None,
    target: str | None,
    out: str | None,
    force: bool,
    resume: str | None,
    quiet: bool,
    as_json: bool,
    **_: Any,
) -> None:
    """Search for a learning rate, dropout, size and sequence length to train with.

    \b
    charnn tune shakespeare.txt --cell gru --time 30m
    charnn tune shakespeare.txt --time 3h --target-time 20m --out runs/search
    charnn tune --resume runs/search

    Many configurations are trained for a short time. The better half of them is trained anew for
    twice that time, and so on. The last ones are trained for --target-time, if --time allows it.
    Whatever has the lowest validation loss there is written to best.yaml, with the number of
    updates that fit into the target time. The search starts from the defaults, or from the values
    of the file that --config names, and these are trained at every length to compare with. Options
    that flags or variables set are not varied.

    The search chooses by the validation part. To report a loss, keep other text back for it, with
    --test-fraction or in a file of its own.

    What was found is for charnn train shakespeare.txt --config runs/search/best.yaml.

    Ctrl-C ends the search after an update; what was found is kept, and --resume goes on.
    """
    if (ctx.default_map or {}).get("time") is not None:
        raise InputError(
            "the file of --config has a time, which is that of one run; leave it out, and say how "
            "long the final training may take with --target-time."
        )
    values = given_values(ctx)
    asked = {name for name, rank in given(ctx, values).items() if rank > FROM_FILE}
    if resume is not None:
        for name, value in (("--out", out), ("--target-time", target), ("--force", force)):
            if value:
                raise InputError(
                    f"{name} is for new searches, but --resume {resume} goes on with an old one; "
                    "leave one of the two out."
                )
    elif not corpus:
        raise click.UsageError("Missing argument 'CORPUS...'; name at least one file.")
    compute = engine_options(ctx)
    hushed = quiet or as_json
    if resume is not None:
        changes = {name: values[name] for name in values if name in asked}
        tuning = again(corpus, resume, seconds, changes, hushed, compute)
    else:
        times = (seconds or DEFAULT_TIME, target)
        tuning = begin(corpus, values, asked, times, out, force, hushed, compute)
    ctx.exit(follow(tuning, quiet, as_json))


def begin(
    corpus: tuple[str, ...],
    values: dict[str, Value],
    asked: set[str],
    times: tuple[str, str | None],
    out: str | None,
    force: bool,
    quiet: bool,
    compute: EngineConfig,
) -> Tuning:
    """Prepare a new search, and show how far reading is."""
    from charnn.cli.console import progress_bar
    from charnn.config.times import seconds_of
    from charnn.tasks.registry import task_of
    from charnn.tuning.setup import new_search

    seconds, target = times
    config = Config.from_values(values)
    total = task_of(config).bytes_to_read(corpus, config)
    limits = seconds_of(seconds), None if target is None else seconds_of(target)
    with progress_bar("reading", total, quiet) as advance:
        return new_search(
            corpus,
            config,
            limits[0],
            target=limits[1],
            fixed=asked,
            given=values,
            out=None if out is None else Path(out),
            force=force,
            advance=advance,
            compute=compute,
        )


def again(
    corpus: tuple[str, ...],
    folder: str,
    seconds: str | None,
    changes: dict[str, Value],
    quiet: bool,
    compute: EngineConfig,
) -> Tuning:
    """Prepare the rest of a search, and show that it reads."""
    from charnn.cli.console import progress_bar
    from charnn.config.times import seconds_of
    from charnn.tuning.setup import resume_search

    limit = None if seconds is None else seconds_of(seconds)
    with progress_bar("reading", None, quiet) as advance:
        return resume_search(
            Path(folder), corpus, changes, seconds=limit, advance=advance, compute=compute
        )


def follow(tuning: Tuning, quiet: bool, as_json: bool) -> int:
    """Search, report, and return the exit code."""
    from charnn.cli.tune_report import begin_report, report_event, show_findings

    begin_report(tuning, quiet, as_json)
    with stopping_signals(tuning.search) as received:
        for event in tuning:
            report_event(tuning, event, quiet, as_json)
    show_findings(tuning, quiet, as_json)
    return 128 + received[0] if tuning.search.ended == "interrupted" else 0
