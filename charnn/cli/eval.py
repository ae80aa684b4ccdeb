"""`charnn eval`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    flag,
    given,
    output_flags,
)
from charnn.config import DynamicConfig, EngineConfig, EvaluationConfig, check_task
from charnn.errors import ConfigError
from charnn.options import options_of

if TYPE_CHECKING:
    from charnn.tasks.assessment import Assessment, Progress
    from charnn.training.checkpoint import Checkpoint


@click.command("eval", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@declared_flags(DynamicConfig, "Evaluation", environment=False)
@flag(
    "--train",
    section="Only with --task lm",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="The training text, where its files have moved (with --dynamic); can be given several "
    "times.",
)
@declared_flags(EvaluationConfig, "Evaluation", environment=False)
@declared_flags(EngineConfig, "Engine")
@output_flags()
def command(
    checkpoint: str,
    text: tuple[str, ...],
    train: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    engine: str,
    device: str | None,
    precision: str,
    **values: Any,
) -> None:
    """Score texts or examples with a model: its loss in nats and bits, and how much is right.

    \b
    charnn eval runs/shakespeare-lstm sonnets.txt
    cat sonnets.txt | charnn eval best.npz - --json
    charnn eval runs/shakespeare-lstm sonnets.txt --dynamic
    charnn eval runs/names-classify test.tsv --confusion

    A long text is cut into pieces that are scored side by side; before each piece, the model reads
    the 256 characters that precede it. With --streams 1 the text is not cut, and the state is
    carried from beginning to end. The very first character is not predicted.

    --dynamic shows two losses: that of the model, and that of a copy that goes on learning from the
    text, read without a cut. Once a segment is scored, its gradient moves the weights by
    --dynamic-rate, and --dynamic-decay pulls them back towards the trained ones. Both are scaled by
    the gradients' root mean square on the training text, or, where that is not there, on what has
    been read (after Krause et al., 2018).

    Besides the loss, what is measured depends on the task. classify: accuracy, macro-F1 (the mean
    F1 of the classes that occur in the files or among the answers), and precision, recall and F1 of
    each class. tag: the same for tags, and the share of sequences without an error. transduce: the
    share of predictions that are exactly right, and the symbol error rate, which is the number of
    edits that turn the predictions into the targets, divided by the number of symbols in the
    targets.
    """
    from charnn.analysis.dynamic import assess_dynamically
    from charnn.cli.console import progress_bar, say, show_json
    from charnn.training.archive import load_checkpoint

    dynamic = DynamicConfig(**{name: values.pop(name) for name in options_of(DynamicConfig)})
    options, chosen = EvaluationConfig(**values), EngineConfig(engine, device, precision)
    check_dynamic(dynamic, train, chosen)
    saved = load_checkpoint(Path(checkpoint))
    context = click.get_current_context()
    for section in (EvaluationConfig, DynamicConfig):
        check_task(section, given(context, context.params), saved.task.name)

    progress = partial(progress_bar, "evaluating", quiet=quiet or as_json)
    if dynamic.dynamic:
        found = assess_dynamically(saved, text, options, dynamic, train, progress)
    else:
        found = assessed(saved, text, options, chosen, progress)
    if not quiet:
        for note in found.notes:
            say(f"note: {note}")
    if as_json:
        show_json(found.content)
    else:
        show_assessment(found)


def check_dynamic(dynamic: DynamicConfig, train: tuple[str, ...], chosen: EngineConfig) -> None:
    """Raise ConfigError for options that do not go together."""
    if train and not dynamic.dynamic:
        raise ConfigError(
            "--train names the training text, which only dynamic evaluation reads; add --dynamic, "
            "or leave it out."
        )
    asked = chosen.engine == "torch" or chosen.device is not None or chosen.precision != "fp32"
    if dynamic.dynamic and asked:
        raise ConfigError(
            "--dynamic is computed by NumPy; leave out --engine torch, --device and --precision."
        )


def assessed(
    saved: Checkpoint,
    names: tuple[str, ...],
    options: EvaluationConfig,
    chosen: EngineConfig,
    progress: Progress,
) -> Assessment:
    """Score files with a model as it is, on the engine that is chosen."""
    from charnn.engines.choice import model_on

    model = model_on(saved.model, chosen)
    return saved.task.assess(model, saved.vocabulary, saved.config, names, options, progress)


def show_assessment(found: Assessment) -> None:
    """Print the line of results and the tables below it."""
    from charnn.cli.console import show, show_table

    show(found.summary)
    for number, table in enumerate(found.tables):
        if number == 0:
            show("")
        show_table(table.title, table.columns, table.rows, table.left)
