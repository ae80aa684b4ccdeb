"""`charnn info`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charnn.cli.flags import SectionedCommand, complete_files, output_flags

if TYPE_CHECKING:
    from charnn.models.language_model import LanguageModel
    from charnn.training.checkpoint import Checkpoint

CURVE_WIDTH, CURVE_HEIGHT = 64, 10


@click.command("info", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@output_flags()
def command(checkpoint: str, quiet: bool, as_json: bool) -> None:
    """Show what a checkpoint holds: model, parameters, vocabulary, history, provenance.

    \b
    charnn info runs/shakespeare-lstm
    charnn info best.npz --json
    """
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(Path(checkpoint))
    if as_json:
        show_as_json(saved)
        return
    show_parameters(saved)
    if not quiet:
        show_configuration(saved)
    show_history(saved)
    show_facts(saved)


def show_as_json(saved: Checkpoint) -> None:
    """Print everything but the weights as JSON."""
    from charnn.cli.console import show_json

    shapes = saved.parameters.shapes
    content = {
        "config": saved.config.values(),
        "parameters": {name: list(shape) for name, shape in shapes.items()},
        "parameter_count": saved.parameters.flat.size,
        "vocabulary": saved.vocabulary.to_json(),
        "vocabulary_size": len(saved.vocabulary),
        "progress": asdict(saved.progress),
        "corpus": asdict(saved.corpus),
        "provenance": saved.provenance,
    }
    show_json(content)


def show_parameters(saved: Checkpoint) -> None:
    """Print the parameters' shapes and counts."""
    from charnn.cli.console import show, show_table

    rows = [
        [name, " x ".join(map(str, shape)), f"{math.prod(shape):,}"]
        for name, shape in saved.parameters.shapes.items()
    ]
    total = saved.parameters.flat.size
    show_table(f"{saved.model.cell}: parameters", ["name", "shape", "count"], rows, ["name"])
    show(f"total {total:,}, equal to the formula {count_formula(saved.model)} = {total:,}\n")


def show_configuration(saved: Checkpoint) -> None:
    """Print the options and the vocabulary."""
    from charnn.cli.console import show, show_table

    values, vocabulary = saved.config.values(), saved.vocabulary
    show_table(
        "configuration",
        ["option", "value"],
        [[name, "none" if value is None else value] for name, value in values.items()],
        ["option", "value"],
    )
    names = " ".join(vocabulary.name(n) for n in range(len(vocabulary)))
    show(f"vocabulary: {len(vocabulary)} {vocabulary.tokens}\n  {names}\n")


def show_history(saved: Checkpoint) -> None:
    """Draw the course of the losses, where there is one."""
    from charnn.cli.console import show

    history = saved.progress.history
    if len(history) < 2:
        return
    show("history (* validation, . training)" if history[-1][2] else "history (. training)")
    for line in curve(history, saved.vocabulary.unit):
        show(line)
    show("")


def show_facts(saved: Checkpoint) -> None:
    """Print where the model comes from and how far it has come."""
    from charnn.cli.console import duration, loss_in_words, show

    progress, corpus, unit = saved.progress, saved.corpus, saved.vocabulary.unit
    parts = ", ".join(f"{name} {size:,}" for name, size in corpus.parts.items())
    facts = {
        "trained on": f"{corpus.name} ({parts})",
        "fingerprint": f"{corpus.fingerprint} (SHA-256 of its ids)",
        "progress": f"{progress.update:,} updates in {duration(progress.seconds)}",
        "best": "not evaluated yet"
        if progress.best_loss is None
        else f"{loss_in_words(progress.best_loss, unit)} at update {progress.best_update:,}",
        "resumable": "yes" if saved.resumable else "no (weights only)",
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
