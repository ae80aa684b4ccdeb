"""`charnn gradcheck`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    flag,
    given,
    output_flags,
)
from charnn.config import GradcheckConfig, ModelConfig
from charnn.errors import ConfigError
from charnn.registry import CELLS

if TYPE_CHECKING:
    from charnn.nn.central_differences import Comparison

VOCAB_SIZE, EMBEDDING_SIZE, DROPOUT = 5, 3, 0.4
FIXTURE = "To be, or not to be, that is the question:\n"

Table = dict[str, dict[str, "Comparison"]]  # rows by array, columns by variant


@click.command("gradcheck", cls=SectionedCommand)
@declared_flags(GradcheckConfig, "Check", environment=False)
@flag(
    "--ckpt",
    section="Check",
    metavar="CKPT",
    shell_complete=complete_files,
    help="Check a trained model along random directions.",
)
@flag(
    "--text",
    section="Check",
    metavar="FILE",
    shell_complete=complete_files,
    help="Text for --ckpt.  [a line of verse]",
)
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    ckpt: str | None,
    text: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Check every gradient against central differences in float64; exit 1 if one is wrong.

    \b
    charnn gradcheck
    charnn gradcheck --cell lstm --layers 2 --hidden-size 8
    charnn gradcheck --ckpt runs/shakespeare-lstm --text shakespeare.txt

    Each figure is the largest relative error |a - n| / (|a| + |n|) of any coordinate of a
    parameter or initial state, a the analytic gradient and n the numeric one.
    """
    options = GradcheckConfig(**values)
    shaping = [name for name in given(ctx, ("cell", "layers", "hidden_size")) if ckpt is not None]
    if shaping:
        raise ConfigError(
            f"--{shaping[0].replace('_', '-')} is given, but the model of --ckpt {ckpt} has its "
            "own; leave it out."
        )
    if ckpt is None and text is not None:
        raise ConfigError(f"text '{text}' is for a trained model; give --ckpt, too.")
    tables = (
        {str(ckpt): check_checkpoint(Path(ckpt), text, options)}
        if ckpt is not None
        else check_cells(options)
    )
    checks = [
        Check(title, variant, comparison, comparison.error <= options.tolerance)
        for title, table in tables.items()
        for row in table.values()
        for variant, comparison in row.items()
    ]
    if as_json:
        show_as_json(checks, options)
    else:
        if not quiet:
            for title, table in tables.items():
                print_table(title, table, options.tolerance)
        show_verdict(checks, options, directions=options.directional or ckpt is not None)
    ctx.exit(0 if report_failures(checks) == 0 else 1)


class Check(NamedTuple):
    """One array of one model, and whether its gradient is right."""

    model: str
    variant: str
    comparison: Comparison
    passed: bool


def show_as_json(checks: list[Check], options: GradcheckConfig) -> None:
    """Print all checks as JSON."""
    from charnn.cli.console import show_json

    results = [
        {"model": check.model, "variant": check.variant, **asdict(check.comparison)}
        for check in checks
    ]
    summary = {
        "tolerance": options.tolerance,
        "worst": max(check.comparison.error for check in checks),
        "passed": all(check.passed for check in checks),
    }
    show_json({**summary, "results": results})


def show_verdict(checks: list[Check], options: GradcheckConfig, directions: bool) -> None:
    """Print whether all gradients are right, and the largest error."""
    from charnn.cli.console import show

    failed = sum(not check.passed for check in checks)
    checked = sum(check.comparison.size for check in checks)
    worst = max(check.comparison.error for check in checks)
    what = "directions" if directions else f"{checked:,} coordinates"
    verdict = "passed" if not failed else f"FAILED in {failed} of {len(checks)}"
    limit = f"tolerance {options.tolerance:g}"
    show(f"{verdict}: largest relative error {worst:.2e} over {what}, {limit}")


def report_failures(checks: list[Check]) -> int:
    """Say which gradients are wrong, and return how many."""
    from charnn.cli.console import say

    failures = [check for check in checks if not check.passed]
    for title, variant, wrong, _ in failures:
        say(
            f"{title}, {variant}: {wrong.name} at {wrong.where}: analytic {wrong.analytic:.9g}, "
            f"numeric {wrong.numeric:.9g}"
        )
    return len(failures)


def check_cells(options: GradcheckConfig) -> dict[str, Table]:
    """Check each form of the cells in all variants; a table for each form."""
    from charnn.models.gradient_check import check_configuration
    from charnn.models.language_model import LanguageModel

    tables: dict[str, Table] = {}
    layers = (1, 2) if options.layers is None else (options.layers,)
    for name in CELLS if options.cell is None else [options.cell]:
        for form_name, form in CELLS[name].forms().items():
            table = tables.setdefault(str(form), {})
            for embedding, number, dropout in product(
                (None, EMBEDDING_SIZE), layers, (0.0, DROPOUT)
            ):
                config = ModelConfig(
                    cell=name,
                    gru_reset=form_name or "before",
                    hidden_size=options.hidden_size,
                    num_layers=number,
                    embedding_size=embedding,
                    dropout=dropout,
                )
                model = LanguageModel.initialized(config, VOCAB_SIZE, options.seed, "float64")
                variant = (
                    f"{'one-hot' if embedding is None else 'embed'} {number}L"
                    f"{' drop' if dropout else ''}"
                )
                for comparison in check_configuration(
                    model, options.seq_length, options.seed, options.directional
                ):
                    table.setdefault(comparison.name, {})[variant] = comparison
    return tables


def check_checkpoint(path: Path, text: str | None, options: GradcheckConfig) -> Table:
    """Check a trained model on the beginning of a text."""
    import numpy as np

    from charnn.models.gradient_check import check_model
    from charnn.text.batches import Batch
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(path)
    if text is None:
        ids = saved.vocabulary.encode(FIXTURE)
        ids = ids[ids < len(saved.vocabulary)]
    else:
        ids, _ = read_for_scoring([text], "utf-8", saved.vocabulary)
    ids = np.asarray(ids[: options.seq_length + 1], np.int64)[:, None]
    if len(ids) < 2:
        raise ConfigError(
            "the model knows none of the text's characters; give its own with --text."
        )
    model = saved.model
    comparisons = check_model(
        model,
        Batch(ids[:-1], ids[1:]),
        model.zero_states(1),
        random_seed=options.seed if model.config.dropout else None,
        directions=np.random.default_rng(options.seed),
    )
    return {comparison.name: {"trained": comparison} for comparison in comparisons}


def print_table(title: str, table: Table, tolerance: float) -> None:
    """Print a table of errors, a row for each array and a column for each variant."""
    from charnn.cli.console import show_table

    variants = list(dict.fromkeys(variant for row in table.values() for variant in row))
    rows = [
        [name, *(f"{row[v].error:.1e}" if v in row else "" for v in variants)]
        for name, row in table.items()
    ]
    wrong = [
        number
        for number, row in enumerate(table.values())
        if any(not comparison.error <= tolerance for comparison in row.values())
    ]
    show_table(title, ["", *(v.replace(" ", "\n") for v in variants)], rows, [""], wrong)
