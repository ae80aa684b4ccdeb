"""`charnn info`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charnn.cli.flags import SectionedCommand, output_flags

if TYPE_CHECKING:
    from charnn.training.checkpoint import Checkpoint

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
    from charnn.training.checkpoint import load_checkpoint

    saved = load_checkpoint(Path(checkpoint))
    progress, vocabulary, shapes = saved.progress, saved.vocabulary, saved.parameters.shapes
    total = sum(math.prod(shape) for shape in shapes.values())
    formula, textbook = textbook_count(saved)
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
    verdict = "equal to" if total == textbook else "NOT equal to"
    show(f"total {total:,}, {verdict} the formula {formula} = {textbook:,}\n")
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


def textbook_count(saved: Checkpoint) -> tuple[str, int]:
    """Return the textbook formula of the number of parameters, and its value."""
    config, V = saved.config.model, len(saved.vocabulary)
    H, E = config.hidden_size, config.embedding_size
    cell = saved.model.cell
    G = len(cell.gates)
    extra = H if "b_hn" in cell.shapes(1, H) else 0
    gates = f"{G}" if G > 1 else ""
    bias = " + H" if extra else ""
    D = V if E is None else E
    first = f"{gates}(H^2 + H {'V' if E is None else 'D'} + H){bias}"
    upper = (
        f" + {config.num_layers - 1} ({gates}(2 H^2 + H){bias})" if config.num_layers > 1 else ""
    )
    table = "" if E is None else "V D + "
    count = G * (H * H + H * D + H) + extra
    count += (config.num_layers - 1) * (G * (2 * H * H + H) + extra)
    count += (0 if E is None else V * E) + H * V + V
    return f"{table}{first}{upper} + H V + V", count


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
