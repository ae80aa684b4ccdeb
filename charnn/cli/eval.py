"""`charnn eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from charnn.cli.flags import SectionedCommand, declared_flags, output_flags
from charnn.config import EvaluationConfig


@click.command("eval", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT")
@click.argument("text", nargs=-1, required=True, metavar="TEXT...")
@declared_flags(EvaluationConfig, "Evaluation", environment=False)
@output_flags()
def command(
    checkpoint: str, text: tuple[str, ...], quiet: bool, as_json: bool, **values: Any
) -> None:
    """Score texts with a model: nats and bits per character, and perplexity.

    \b
    charnn eval runs/shakespeare-lstm sonnets.txt
    cat sonnets.txt | charnn eval best.npz - --json

    The state is carried from beginning to end; the first character has nothing before it and is
    not predicted.
    """
    from charnn.cli.console import progress_bar, say, show, show_json
    from charnn.models.evaluation import evaluate
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    options = EvaluationConfig(**values)
    saved = load_checkpoint(Path(checkpoint))
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    with progress_bar("evaluating", len(ids) - 1, quiet or as_json) as advance:
        score = evaluate(saved.model, ids, options.streams, advance)
    unknown = sum(outside.values())
    if outside and not quiet:
        names = ", ".join(f"{symbol!r} {times:,}x" for symbol, times in outside.most_common(8))
        more = f" and {len(outside) - 8} more" if len(outside) > 8 else ""
        fate = "scored as the unknown symbol" if saved.vocabulary.unknown else "left out"
        say(f"note: {unknown:,} characters are unknown to the model ({names}{more}); {fate}.")
    unit = saved.vocabulary.unit
    characters = len(ids) + (0 if saved.vocabulary.unknown else unknown)
    if as_json:
        content = {
            "characters": characters,
            "unknown_characters": unknown,
            "nats_per_char": score.nats_per_symbol,
            "bits_per_char": score.bits_per_symbol,
            "perplexity": score.perplexity,
            "unit": unit,
        }
        show_json(content)
        return
    show(
        f"{score.nats_per_symbol:.4f} nats/{unit}   {score.bits_per_symbol:.4f} bits/{unit}   "
        f"perplexity {score.perplexity:.3f}   {characters:,} {unit}s, {unknown:,} unknown"
    )
