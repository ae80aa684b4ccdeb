"""`charnn plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags
from charnn.options import worded

if TYPE_CHECKING:
    from charnn.analysis.curves import Across, Comparison, Curve, Curves, Measure

BESIDE = 4  # runs in one table
DIGITS = "123456789abcdefghijklmnopqrstuvwxyz"  # that stand for runs in a text plot
CHOICES: dict[str, tuple[Any, ...]] = {
    "x": ("updates", "seconds", "epochs"),
    "y": ("nats", "bits"),
}


@click.command("plot", cls=SectionedCommand)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_files)
@flag(
    "--x",
    "across",
    type=click.Choice(CHOICES["x"]),
    default="updates",
    show_default=True,
    section="Picture",
    help="The horizontal axis.",
)
@flag(
    "--y",
    "measure",
    type=click.Choice(CHOICES["y"]),
    default="nats",
    show_default=True,
    section="Picture",
    help="The unit of the losses.",
)
@flag("--svg", metavar="FILE", shell_complete=complete_files, help="Draw the curves as SVG.")
@output_flags()
def command(
    runs: tuple[str, ...],
    across: Across,
    measure: Measure,
    svg: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Show learning curves of runs, and a table of what differs between the runs.

    \b
    charnn plot runs/shakespeare-lstm
    charnn plot runs/shakespeare-lstm runs/shakespeare-gru --x seconds --y bits
    charnn plot runs/shakespeare-lstm runs/shakespeare-gru --svg curves.svg

    A run is a folder that `charnn train` made, also one whose training is in progress; a checkpoint
    alone knows its losses by updates only. The training loss is the smoothed loss of the batches
    that were trained on, with dropout if there is any. The validation loss is that of text which
    the model did not learn from: where it rises while the training loss falls, the model learns its
    text by heart. Runs are comparable only if their losses are given per the same unit and their
    texts are the same.
    """
    from charnn.analysis.curves import compare
    from charnn.cli.console import say, show_json
    from charnn.cli.picture_file import check_folder, write_file

    if svg is not None:
        check_folder(Path(svg))
    found = compare([Path(run) for run in runs], across, measure)
    if svg is not None:
        from charnn.report.curves_picture import curves_picture

        write_file(Path(svg), curves_picture(found))
    if not quiet:
        for note in found.notes:
            say(f"note: {note}")
    if as_json:
        show_json(found.to_json())
        return
    if not quiet:
        show_curves(found)
    for start in range(0, len(found.runs), BESIDE):
        show_runs(found, range(start, min(start + BESIDE, len(found.runs))))


def show_curves(found: Comparison) -> None:
    """Draw the curves: a run's training and validation loss, or each run's validation loss."""
    from charnn.cli.console import show
    from charnn.cli.text_plot import Points, text_plot

    if len(found.runs) == 1:
        (run,) = found.runs
        drawn = [Points(".", pairs(run.train)), Points("*", pairs(run.val))]
        words = ". training, * validation" if run.val.x else ". training"
    else:
        several = [run.val if run.val.x else run.train for run in found.runs]
        drawn = [Points(digit(n), pairs(curve)) for n, curve in enumerate(several)]
        kinds = {"validation" if run.val.x else "training" for run in found.runs}
        words = f"{' or '.join(sorted(kinds, reverse=True))} loss of each run, by its number below"
    if any(group.points for group in drawn):
        show(words)
        for line in text_plot(drawn, found.across, found.unit):
            show(line.rstrip())
        show("")


def pairs(curve: Curve) -> list[tuple[float, float]]:
    """Return the points of a curve."""
    return list(zip(curve.x, curve.y, strict=True))


def digit(number: int) -> str:
    """Return the character that stands for a run."""
    return DIGITS[number % len(DIGITS)]


def show_runs(found: Comparison, numbers: range) -> None:
    """Print the names of some runs, what differs between their options, and their best losses."""
    from charnn.cli.console import show, show_table

    for number in numbers:
        show(f"{digit(number)}  {found.runs[number].run}")
    show("")
    runs = [found.runs[number] for number in numbers]
    rows = [
        [name, *(worded(values[number]) for number in numbers)]
        for name, values in found.differences.items()
    ]
    rows += [[name, *cells] for name, cells in figures(runs).items()]
    show_table(
        "what differs, and how well the runs learned" if found.differences else "the runs",
        ["", *(digit(number) for number in numbers)],
        rows,
        [""],
    )


def figures(runs: list[Curves]) -> dict[str, list[str]]:
    """Return the rows of a table that say how well runs learned."""
    from charnn.analysis.curves import in_measure
    from charnn.cli.console import duration

    best = [run.best for run in runs]
    unit = next((run.unit for run in runs if run.unit), "symbol")
    return {
        **{
            f"best loss, {measure}/{unit}": [
                "none" if each is None else f"{in_measure(each.loss, measure):.4f}" for each in best
            ]
            for measure in CHOICES["y"]
        },
        "of the part": ["none" if each is None else each.part for each in best],
        "at update": ["none" if each is None else f"{each.update:,}" for each in best],
        "of updates so far": [f"{run.updates:,}" for run in runs],
        "time": ["unknown" if run.seconds is None else duration(run.seconds) for run in runs],
        "parameters": [
            "unknown" if run.parameters is None else f"{run.parameters:,}" for run in runs
        ],
    }
