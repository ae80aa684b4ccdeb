"""`charnn eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    given,
    output_flags,
)
from charnn.config import EngineConfig, EvaluationConfig, check_task


@click.command("eval", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@declared_flags(EvaluationConfig, "Evaluation", environment=False)
@declared_flags(EngineConfig, "Engine")
@output_flags()
def command(
    checkpoint: str,
    text: tuple[str, ...],
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
    charnn eval runs/names-classify test.tsv --confusion

    A long text is cut into pieces that are scored side by side; before each piece, the model reads
    the 256 characters that precede it. With --streams 1 the text is not cut, and the state is
    carried from beginning to end. The very first character is not predicted.

    Besides the loss, what is measured depends on the task. classify: accuracy, macro-F1 (the mean
    F1 of the classes that occur in the files or among the answers), and precision, recall and F1 of
    each class. tag: the same for tags, and the share of sequences without an error. transduce: the
    share of predictions that are exactly right, and the symbol error rate, which is the number of
    edits that turn the predictions into the targets, divided by the number of symbols in the
    targets.
    """
    from charnn.cli.console import progress_bar, say, show, show_json, show_table
    from charnn.engines.choice import model_on
    from charnn.training.archive import load_checkpoint

    options = EvaluationConfig(**values)
    chosen = EngineConfig(engine, device, precision)
    saved = load_checkpoint(Path(checkpoint))
    check_task(EvaluationConfig, given(click.get_current_context(), values), saved.task.name)
    found = saved.task.assess(
        model_on(saved.model, chosen),
        saved.vocabulary,
        saved.config,
        text,
        options,
        lambda total: progress_bar("evaluating", total, quiet or as_json),
    )
    if not quiet:
        for note in found.notes:
            say(f"note: {note}")
    if as_json:
        show_json(found.content)
        return
    show(found.summary)
    for number, table in enumerate(found.tables):
        if number == 0:
            show("")
        show_table(table.title, table.columns, table.rows, table.left)
