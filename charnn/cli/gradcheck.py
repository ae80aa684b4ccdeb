"""`charnn gradcheck`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    as_flag,
    complete_files,
    declared_flags,
    flag,
    given,
    output_flags,
)
from charnn.cli.gradcheck_report import (
    Check,
    Table,
    print_errors,
    print_table,
    report_failures,
    show_as_json,
    show_verdict,
)
from charnn.config import GradcheckConfig, ModelConfig
from charnn.errors import ConfigError
from charnn.options import shown

if TYPE_CHECKING:
    from charnn.text.batches import Batch
    from charnn.training.checkpoint import Checkpoint

VOCAB_SIZE, HIDDEN_SIZE, EMBEDDING_SIZE, DROPOUT = 5, 4, 3, 0.4  # of the language model
FIXTURE = "To be, or not to be, that is the question:\n"
EXAMPLES = 3  # on which a trained model is checked
SHAPING = ("task", "cell", "layers", "hidden_size")  # what a trained model has of its own


@click.command("gradcheck", cls=SectionedCommand)
@click.argument("run", required=False, metavar="[CKPT]", shell_complete=complete_files)
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
    help="Text for a trained model.  [a line of verse; or the examples that it was trained on]",
)
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: str | None,
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
    charnn gradcheck --task transduce --cell gru
    charnn gradcheck runs/shakespeare-lstm --text shakespeare.txt

    Each figure is the largest relative error |a - n| / (|a| + |n|) of any coordinate of a
    parameter or initial state, where a is the analytic gradient and n the numeric one. For another
    --task than lm, the sequences of a batch have different lengths, dropout and label smoothing are
    on, and there is one figure for all parameters of a model.
    """
    options = GradcheckConfig(**values)
    if run is not None and ckpt is not None:
        raise ConfigError(f"both '{run}' and --ckpt '{ckpt}' are given; give one model.")
    path = ckpt if run is None else run
    shaping = [name for name in given(ctx, SHAPING) if path is not None]
    if shaping:
        raise ConfigError(
            f"{as_flag(shaping[0])} is given, but the model of --ckpt {path} has its own; "
            "leave it out."
        )
    if path is None and text is not None:
        raise ConfigError(f"text '{text}' is for a trained model; give --ckpt, too.")
    checks: list[Check] = []
    for tables, by_model in checked(path, text, options, quiet or as_json):
        checks += checks_in(tables, options)
        if not (quiet or as_json):
            show_tables(tables, by_model, options)
    if as_json:
        show_as_json(checks, options)
    else:
        show_verdict(checks, options, directions=options.directional or path is not None)
    ctx.exit(0 if report_failures(checks) == 0 else 1)


def checked(
    path: str | None, text: str | None, options: GradcheckConfig, quiet: bool
) -> Iterator[tuple[dict[str, Table], bool]]:
    """Yield the tables of a trained model, or of each task, and whether to show them by model."""
    from charnn.config import TASKS

    if path is not None:
        yield {path: check_checkpoint(Path(path), text, options)}, False
        return
    for task in TASKS if options.task == "all" else (options.task,):
        if task == "lm":
            yield check_cells(options), False
        else:
            yield check_task(task, options, quiet), True


def checks_in(tables: dict[str, Table], options: GradcheckConfig) -> list[Check]:
    """Return all that tables hold, and whether it is right."""
    return [
        Check(title, variant, comparison, comparison.error <= options.tolerance)
        for title, table in tables.items()
        for row in table.values()
        for variant, comparison in row.items()
    ]


def show_tables(tables: dict[str, Table], by_model: bool, options: GradcheckConfig) -> None:
    """Print each table, or one of the models that are in them."""
    if by_model:
        print_errors(tables, options.tolerance)
        return
    for title, table in tables.items():
        print_table(title, table, options.tolerance)


def check_cells(options: GradcheckConfig) -> dict[str, Table]:
    """Check each form of the cells in all variants; a table for each form."""
    from charnn.models.gradient_check import check_configuration
    from charnn.models.language_model import LanguageModel
    from charnn.registry import CELLS

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
                    hidden_size=options.hidden_size or HIDDEN_SIZE,
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


def check_task(task: str, options: GradcheckConfig, quiet: bool) -> dict[str, Table]:
    """Check all variants of a task's model with each form of the cells; a table for each form."""
    from charnn.cli.console import progress_bar
    from charnn.tasks.gradient_variants import cells, variants
    from charnn.tasks.registry import TASKS

    tables: dict[str, Table] = {}
    layers = (1, 2) if options.layers is None else (options.layers,)
    forms = list(cells(options.cell))
    models = list(variants(task, layers, options.hidden_size))
    with progress_bar(f"checking {task}", len(forms) * len(models), quiet) as advance:
        for form, _, cell in forms:
            table = tables.setdefault(f"{TASKS[task].title}: {form}", {})
            for model in models:
                if model.fits(form):
                    for comparison in model.check(
                        cell, options.seq_length, options.seed, options.directional
                    ):
                        table.setdefault(comparison.name, {})[model.title] = comparison
                advance(1)
    return tables


def check_checkpoint(path: Path, text: str | None, options: GradcheckConfig) -> Table:
    """Check a trained model on the beginning of a text, or on a few examples."""
    import numpy as np

    from charnn.models.gradient_check import check_model
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(path)
    if saved.config.task.task == "lm":
        batch, model = window_of(saved, text, options.seq_length), saved.model
        states = model.zero_states(1)
    else:
        batch, states = examples_of(saved, text), []
        model = saved.model
    comparisons = check_model(
        model,
        batch,
        states,
        random_seed=options.seed,
        smoothing=saved.config.training.label_smoothing,
        directions=np.random.default_rng(options.seed),
    )
    return {comparison.name: {"trained": comparison} for comparison in comparisons}


def window_of(saved: Checkpoint, text: str | None, seq_length: int) -> Batch:
    """Return the beginning of a text as a language model reads it."""
    import numpy as np

    from charnn.text.batches import Batch
    from charnn.text.corpus import read_for_scoring

    if text is None:
        ids = saved.vocabulary.encode(FIXTURE)
        ids = ids[ids < len(saved.vocabulary)]
    else:
        ids, _ = read_for_scoring([text], "utf-8", saved.vocabulary)
    ids = np.asarray(ids[: seq_length + 1], np.int64)[:, None]
    if len(ids) < 2:
        raise ConfigError(
            "the model knows none of the text's characters; give its own with --text."
        )
    return Batch(ids[:-1], ids[1:])


def examples_of(saved: Checkpoint, text: str | None) -> Batch:
    """Return the first examples of a file, or of those that a model was trained on."""
    import numpy as np

    from charnn.text.buckets import batch_of
    from charnn.text.records import read_for_scoring_pairs

    names = saved.corpus.files if text is None else [text]
    missing = [name for name in names if text is None and not Path(name).is_file()]
    if missing or not names:
        where = f"the file {shown(missing[0])}, which is not there" if missing else "no file"
        raise ConfigError(f"the model was trained on {where}; give examples with --text.")
    pairs, _ = read_for_scoring_pairs(names, saved.config, saved.vocabulary)
    return batch_of(pairs, np.arange(min(EXAMPLES, len(pairs))))
