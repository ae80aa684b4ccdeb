"""`charnn context`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    flag,
    output_flags,
)
from charnn.config.looking_inside import ContextConfig
from charnn.errors import ConfigError

if TYPE_CHECKING:
    from charnn.cli.context_report import Findings


@click.command("context", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@declared_flags(ContextConfig, "Context", environment=False)
@flag("--svg", metavar="FILE", shell_complete=complete_files, help="Draw the loss as SVG.")
@flag("--svg-probes", metavar="FILE", shell_complete=complete_files, help="Draw the probes as SVG.")
@output_flags()
def command(
    checkpoint: str,
    text: tuple[str, ...],
    svg: str | None,
    svg_probes: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Show how much of the past a model uses, and what its states still hold of it.

    \b
    charnn context runs/shakespeare-lstm sonnets.txt
    charnn context runs/shakespeare-lstm sonnets.txt --lags 5 --svg loss.svg

    First, the loss by the number of characters that the model has read from zero states, at random
    places of the text. Each is compared with the loss of the same character after 256 characters
    more: the excess is what those would have told. Where it is 0, the model makes no use of what is
    further back.

    Second, probes: softmax regressions that guess the character k steps back from the states h and
    c alone. They are fitted on one half of some stretches of the text, and scored on the other.
    H(x), the entropy of a character, minus a probe's loss is a lower bound of the information that
    the state holds of that character, I(h_t; x_{t-k}), in bits. Beside it stand the probes of the
    weights that the run's seed starts from.
    """
    from charnn.cli.console import say, show_json
    from charnn.cli.context_report import show_findings
    from charnn.cli.picture_file import check_folder, write_file
    from charnn.report.context_picture import context_picture, probes_picture

    options = ContextConfig(**values)
    for name in filter(None, (svg, svg_probes)):
        check_folder(Path(name))
    found, notes = findings(checkpoint, text, options, quiet or as_json)
    if svg is not None:
        write_file(Path(svg), context_picture(found.context, found.seq_length))
    if svg_probes is not None:
        if found.trained is None or found.untrained is None:
            notes.append(f"'{svg_probes}' is not written: there are no probes.")
        else:
            write_file(Path(svg_probes), probes_picture(found.trained, found.untrained))
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        show_json(asdict(found))
    else:
        show_findings(found, quiet)


def findings(
    checkpoint: str, text: tuple[str, ...], options: ContextConfig, quiet: bool
) -> tuple[Findings, list[str]]:
    """Return what is found of a model on a text, and what the user should know of it."""
    from charnn.analysis.context import context_use
    from charnn.analysis.probes import FEWEST_SYMBOLS, probes_of
    from charnn.analysis.subject import language_model
    from charnn.cli.console import progress_bar
    from charnn.cli.context_report import Findings
    from charnn.tasks.language_modelling import unknown_notes
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(Path(checkpoint))
    model = language_model(saved, "context")
    layers = len(model.stack.layers)
    layer = layers if options.layer is None else options.layer
    if layer > layers:
        raise ConfigError(f"layer is {layer}, but the model has {layers}; give one from 1 on.")
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    notes = unknown_notes(outside, saved.vocabulary, "read")
    with progress_bar("reading", options.positions, quiet) as advance:
        context = context_use(model, ids, options.length, options.positions, options.seed, advance)
    if len(context.loss) <= options.length:
        notes.append(f"the text has {len(ids):,} symbols, enough to read {len(context.loss) - 1}.")
    start = type(model).started(model.config, model.sizes, saved.config.training.seed)
    probes = []
    if len(ids) < FEWEST_SYMBOLS:
        notes.append(f"the text has {len(ids):,} symbols; probes need {FEWEST_SYMBOLS:,}.")
    else:
        total = 2 * (options.lags + 1) * len(model.cell.states)
        with progress_bar("probing", total, quiet) as advance:
            probes = [
                probes_of(each, ids, options.lags, layer, options.seed, advance)
                for each in (model, start)
            ]
        last = len(probes[0].states[0].probes) - 1
        if last < options.lags:
            notes.append(f"the text has {len(ids):,} symbols, enough to probe {last} lags.")
    trained, untrained = probes or (None, None)
    seq_length = saved.config.training.seq_length
    found = Findings(
        checkpoint,
        str(model.cell),
        saved.vocabulary.unit,
        len(ids),
        seq_length,
        context,
        trained,
        untrained,
    )
    return found, notes
