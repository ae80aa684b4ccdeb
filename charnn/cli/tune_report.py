"""What `charnn tune` shows: the plan, a line for each run, and at the end a table."""

from __future__ import annotations

import shlex
from typing import Any

from charnn.cli.console import duration, loss_in_words, say, show, show_json, show_table
from charnn.options import worded
from charnn.tuning.folder import BEST, PICTURE, TRIALS
from charnn.tuning.folder import as_json as result_as_json
from charnn.tuning.search import START, Result, Rung
from charnn.tuning.setup import Tuning

MOST_ROWS = 20


def begin_report(tuning: Tuning, quiet: bool, as_json: bool) -> None:
    """Say what is going to be tried."""
    search, plan = tuning.search, tuning.search.plan
    if as_json:
        show_json(
            {
                "event": "plan",
                "seconds": plan.seconds,
                "target": plan.target,
                "sizes": plan.sizes,
                "candidates": search.candidates,
                "results": len(search.results),
                "folder": str(tuning.folder.path),
                "notes": tuning.notes,
            }
        )
        return
    if quiet:
        return
    say(f"search      {len(search.candidates)} configurations of {', '.join(searched(tuning))}")
    say(f"rungs       {', '.join(map(str, plan.sizes))} configurations, and the start on each")
    target = "as long as the last rung's" if plan.target is None else duration(plan.target)
    say(f"time        {duration(plan.seconds)} in all, for a training of {target}")
    if search.results:
        say(f"resumed     {len(search.results)} runs are done")
    say(f"folder      {tuning.folder.path}")
    for note in tuning.notes:
        say(f"note        {note}")
    say("")


def searched(tuning: Tuning) -> list[str]:
    """Return the names of the options that are varied."""
    return list(tuning.search.candidates[START])


def report_event(tuning: Tuning, event: Rung | Result, quiet: bool, as_json: bool) -> None:
    """Show that a rung begins, or what became of a run."""
    search = tuning.search
    if as_json:
        if isinstance(event, Result):
            content = result_as_json(event, search.candidates[event.trial])
            show_json({"event": "trial"} | content)
    elif quiet:
        return
    elif isinstance(event, Rung):
        missing = event.entrants - event.done
        say(
            f"rung {event.rung + 1} of {len(search.plan.sizes)}: {missing} runs of "
            f"{event.seconds:.3g} s"
        )
    else:
        say(f"  {event.trial:>3}  {in_words(event, tuning)}")


def in_words(result: Result, tuning: Tuning) -> str:
    """Return what became of a run as a line."""
    outcome = result.outcome
    values = tuning.search.candidates[result.trial].items()
    options = "  ".join(f"{name} {worded(value)}" for name, value in values)
    if outcome.failure is not None:
        return f"failed: {outcome.failure}  {options}"
    return f"{outcome.loss:.4f} nats/{tuning.unit}  {outcome.steps:,} updates  {options}"


def show_findings(tuning: Tuning, quiet: bool, as_json: bool) -> None:
    """Show what was found: the table, the best configuration, and the next command."""
    search, folder = tuning.search, tuning.folder.path
    best = search.best()
    if as_json:
        found: dict[str, Any] = {"event": "best", "ended": search.ended}
        if best is not None:
            found |= result_as_json(best, search.candidates[best.trial])
            found |= {"final_steps": search.final_steps(best), "config": str(folder / BEST)}
        show_json(found)
        return
    if not quiet and best is not None:
        say("")
        show_trials(tuning)
    if search.ended != "completed" and not quiet:
        more = "" if search.ended == "interrupted" else " --time TIME"
        say(f"{search.ended}; go on by: charnn tune --resume {shlex.quote(str(folder))}{more}")
    if best is None:
        say("nothing was found: no run has come to its end.")
        return
    start = search.at_start(best.rung)
    show(
        f"best        {loss_in_words(best.outcome.loss, tuning.unit)} on the validation part, "
        f"after {best.planned:.3g} s"
    )
    if start is not None:
        loss = loss_in_words(start.outcome.loss, tuning.unit)
        show(f"start       {loss}, after {start.planned:.3g} s")
    show(f"saved       {folder / BEST}")
    if not quiet:
        if search.plan.target is not None and best.planned < 0.8 * search.plan.target:
            say(
                f"note        the longest runs took {duration(best.planned)}, and the training "
                f"may take {duration(search.plan.target)}: more size and dropout may be better "
                "there; a longer --time searches at that length."
            )
        say(f"            also {TRIALS} and {PICTURE}")
        names = " ".join(shlex.quote(name) for name in tuning.record.files) or "TEXT"
        say(f"next        charnn train {names} --config {shlex.quote(str(folder / BEST))}")


def show_trials(tuning: Tuning) -> None:
    """Print the configurations as a table: first those that came furthest, the best of them first.

    Each is shown with its result on the highest rung that it reached.
    """
    search = tuning.search
    last: dict[int, Result] = {}
    for rung in reversed(range(len(search.plan.sizes))):
        for result in search.ranked(rung):
            last.setdefault(result.trial, result)
    failed = {result.trial: result for result in search.results if result.trial not in last}
    rows = [row(result, tuning) for result in [*last.values(), *failed.values()]]
    names = searched(tuning)
    show_table(
        f"what was tried, number {START} being where the search started",
        ["", *names, "parameters", "seconds", "updates", f"nats/{tuning.unit}"],
        rows[:MOST_ROWS],
    )
    if len(rows) > MOST_ROWS:
        say(f"{len(rows) - MOST_ROWS} more are in {tuning.folder.path / TRIALS}")


def row(result: Result, tuning: Tuning) -> list[str]:
    """Return a result as a row of the table."""
    outcome = result.outcome
    return [
        str(result.trial),
        *(worded(value) for value in tuning.search.candidates[result.trial].values()),
        f"{outcome.parameters:,}",
        f"{result.planned:.3g}",
        f"{outcome.steps:,}",
        "failed" if outcome.loss is None else f"{outcome.loss:.4f}",
    ]
