"""`charnn info`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charnn.cli.flags import SectionedCommand, output_flags

if TYPE_CHECKING:
    from charnn.models.language_model import LanguageModel

CURVE_WIDTH, CURVE_HEIGHT = 64, 10


@click.command("info", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT")
@output_flags()
def command(checkpoint: str, quiet: bool, as_json: bool) -> None:
    """Show what a checkpoint holds: model, parameters, vocabulary, history, provenance.

    \b
    charnn info runs/shakespeare-lstm
    charnn info best.npz --json
    """
    from dataclasses import asdict

    from charnn.cli.console import duration, loss_in_words, show, show_json, show_table
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(Path(checkpoint))
    progress, vocabulary, shapes = saved.progress, saved.vocabulary, saved.parameters.shapes
    total = sum(math.prod(shape) for shape in shapes.values())
    if as_json:
        content = {
            "config": saved.config.values(),
            "parameters": {name: list(shape) for name, shape in shapes.items()},
            "parameter_count": total,
            "vocabulary": vocabulary.to_json(),
            "vocabulary_size": len(vocabulary),
            "progress": asdict(progress),
            "corpus": asdict(saved.corpus),
            "provenance": saved.provenance,
        }
        show_json(content)
        return
    rows = [
        [name, " x ".join(map(str, shape)), f"{math.prod(shape):,}"]
        for name, shape in shapes.items()
    ]
    show_table(f"{saved.model.cell}: parameters", ["name", "shape", "count"], rows, ["name"])
    show(f"total {total:,}, equal to the formula {count_formula(saved.model)} = {total:,}\n")
    if not quiet:
        values = saved.config.values()
        show_table(
            "configuration",
            ["option", "value"],
            [[name, "none" if value is None else value] for name, value in values.items()],
            ["option", "value"],
        )
        names = " ".join(vocabulary.name(n) for n in range(len(vocabulary)))
        show(f"vocabulary: {len(vocabulary)} {vocabulary.tokens}\n  {names}\n")
    unit = vocabulary.unit
    if len(progress.history) > 1:
        show(
            "history (* validation, . training)"
            if progress.history[-1][2]
            else "history (. training)"
        )
        for line in curve(progress.history, unit):
            show(line)
        show("")
    parts = ", ".join(f"{name} {size:,}" for name, size in saved.corpus.parts.items())
    facts = {
        "trained on": f"{saved.corpus.name} ({parts})",
        "fingerprint": f"{saved.corpus.fingerprint} (SHA-256 of its ids)",
        "progress": f"{progress.update:,} updates in {duration(progress.seconds)}",
        "best": "not evaluated yet"
        if progress.best_loss is None
        else f"{loss_in_words(progress.best_loss, unit)} at update {progress.best_update:,}",
        "resumable": "yes" if saved.optimizer is not None else "no (weights only)",
        "written by": ", ".join(f"{name} {version}" for name, version in saved.provenance.items()),
    }
    for name, fact in facts.items():
        show(f"{name:<12}{fact}")


def count_formula(model: LanguageModel) -> str:
    """Return the formula of the number of parameters, layer by layer."""
    from charnn.nn.parameters import formula

    stack, head = model.stack, model.head
    terms = [formula(stack.input.parameters())] if stack.input.parameters() else []
    first, *upper = stack.layers
    terms.append(formula(stack.layer_parameters(first)))
    if upper:
        terms.append(f"{len(upper)} ({formula(stack.layer_parameters(upper[0]))})")
    return " + ".join([*terms, formula(head.parameters())])


def curve(history: list[tuple[int, float, float | None]], unit: str) -> list[str]:
    """Draw losses over updates as lines of text."""
    losses = [loss for _, *pair in history for loss in pair if loss is not None]
    low, high = min(losses), max(losses)
    first, last = history[0][0], history[-1][0]
    canvas = [[" "] * CURVE_WIDTH for _ in range(CURVE_HEIGHT)]
    for update, train, val in history:
        column = round((update - first) / max(last - first, 1) * (CURVE_WIDTH - 1))
        for loss, mark in ((train, "."), (val, "*")):
            if loss is not None:
                row = round((high - loss) / max(high - low, 1e-12) * (CURVE_HEIGHT - 1))
                canvas[row][column] = mark
    labels = {0: f"{high:.3f}", CURVE_HEIGHT - 1: f"{low:.3f}"}
    lines = [f"{labels.get(row, ''):>8} |{''.join(cells)}" for row, cells in enumerate(canvas)]
    axis = f"{first:,}".ljust(CURVE_WIDTH - len(f"{last:,}")) + f"{last:,}"
    return [*lines, f"{'':>8} +{'-' * CURVE_WIDTH}", f"{f'nats/{unit}':>9} {axis} updates"]
