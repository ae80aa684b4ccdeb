"""`charnn neurons`."""

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
    given,
    output_flags,
)
from charnn.config.looking_inside import NeuronsConfig
from charnn.errors import ConfigError

if TYPE_CHECKING:
    from charnn.analysis.stretches import Stretches
    from charnn.arrays import Array
    from charnn.models.language_model import LanguageModel
    from charnn.training.checkpoint import Checkpoint

OF_A_UNIT, OF_ALL = ("state", "length"), ("top",)


@click.command("neurons", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@declared_flags(NeuronsConfig, "Neurons", environment=False)
@flag(
    "--svg",
    metavar="FILE",
    shell_complete=complete_files,
    help="Draw the figures, or with --unit the coloured text, as SVG.",
)
@output_flags()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    checkpoint: str,
    text: tuple[str, ...],
    svg: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Show what single units do: how saturated their gates are, and what in the text they follow.

    \b
    charnn neurons runs/shakespeare-lstm sonnets.txt
    charnn neurons runs/shakespeare-lstm sonnets.txt --unit 1:7 --svg unit.svg

    A gate is nearly shut below 0.1 and nearly open above 0.9; a state is saturated where |h| is
    above 0.9. The tables have the shares of time.

    Units are compared with what a reader could keep count of: the place in the line, quotes,
    brackets, capitals, the place in the word. For each of these the best units are chosen on one
    half of the text, and the figures are those of the other half: r is the correlation, and AUC the
    probability that the unit tells a character of which it is true from one of which it is not
    (0.5: not at all). The same of the weights that the run's seed starts from says what is there
    without any training.

    With --unit, one unit is shown: its values, the text coloured by it, the features that it
    follows, and the characters that drive it most.
    """
    from charnn.analysis.neurons import STRETCH
    from charnn.analysis.stretches import stretches_of
    from charnn.analysis.subject import language_model
    from charnn.cli.console import say
    from charnn.cli.picture_file import check_folder
    from charnn.tasks.language_modelling import unknown_notes
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    options = NeuronsConfig(**values)
    named = given(ctx, values)
    for name in OF_A_UNIT if options.unit is None else OF_ALL:
        if name in named:
            other = "only for --unit" if options.unit is None else "not for --unit"
            raise ConfigError(f"--{'len' if name == 'length' else name} is {other}; leave it out.")
    if svg is not None:
        check_folder(Path(svg))
    saved = load_checkpoint(Path(checkpoint))
    model = language_model(saved, "neurons")
    place = place_of(model, options)
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    stretches = stretches_of(len(ids), options.symbols, STRETCH, options.seed)
    if not quiet:
        for note in unknown_notes(outside, saved.vocabulary, "read"):
            say(f"note: {note}")
        if len(ids) > options.symbols:
            say(f"note: of {len(ids):,} symbols, {stretches.symbols:,} at random are looked at.")
    if place is None:
        show_all(saved, model, ids, stretches, options, (svg, quiet, as_json))
    else:
        show_unit(saved, model, ids, stretches, place, options.length, (svg, quiet, as_json))


def place_of(model: LanguageModel, options: NeuronsConfig) -> tuple[int, int, str] | None:
    """Return the unit that is shown: layer and number from 1, and its state.

    Raises ConfigError where there is no such unit.
    """
    if options.place is None:
        return None
    layer, unit = options.place
    layers, units = len(model.stack.layers), model.stack.hidden_size
    if layer > layers or unit > units:
        raise ConfigError(
            f"unit is {options.unit}, but the model has {layers} layer{'s' * (layers > 1)} of "
            f"{units} units; give one of them, such as {layers}:{units}."
        )
    states = model.cell.states
    state = states[-1] if options.state is None else options.state
    if state not in states:
        raise ConfigError(f"state is {state!r}; the {model.cell} has {' and '.join(states)}.")
    return layer, unit, state


def show_all(
    saved: Checkpoint,
    model: LanguageModel,
    ids: Array,
    stretches: Stretches,
    options: NeuronsConfig,
    output: tuple[str | None, bool, bool],
) -> None:
    """Watch all units, trained and untrained, and show what they do."""
    from charnn.analysis.features import Alphabet
    from charnn.analysis.neurons import neurons
    from charnn.cli.console import progress_bar, show_json
    from charnn.cli.neurons_report import show_neurons
    from charnn.cli.picture_file import write_file
    from charnn.report.neurons_picture import neurons_picture

    svg, quiet, as_json = output
    alphabet = Alphabet(saved.vocabulary)
    start = type(model).started(model.config, model.sizes, saved.config.training.seed)
    with progress_bar("watching", 2 * stretches.symbols, quiet or as_json) as advance:
        trained, untrained = (
            neurons(each, ids, alphabet, stretches, options.top, advance) for each in (model, start)
        )
    if svg is not None:
        write_file(Path(svg), neurons_picture(trained, untrained))
    if as_json:
        show_json({"trained": asdict(trained), "untrained": asdict(untrained)})
    else:
        show_neurons(trained, untrained, quiet)


def show_unit(
    saved: Checkpoint,
    model: LanguageModel,
    ids: Array,
    stretches: Stretches,
    place: tuple[int, int, str],
    length: int,
    output: tuple[str | None, bool, bool],
) -> None:
    """Watch one unit, and show it."""
    from charnn.analysis.features import Alphabet
    from charnn.analysis.surprise import names
    from charnn.analysis.unit_portrait import portrait
    from charnn.cli.console import progress_bar, show_json
    from charnn.cli.neurons_report import show_portrait
    from charnn.cli.picture_file import write_file
    from charnn.report.neurons_picture import unit_picture

    svg, quiet, as_json = output
    alphabet = Alphabet(saved.vocabulary)
    with progress_bar("watching", stretches.symbols, quiet or as_json) as advance:
        found = portrait(model, ids, alphabet, stretches, place, length, advance)
    symbols = names(ids[:length], saved.vocabulary)
    if svg is not None:
        write_file(Path(svg), unit_picture(found, symbols))
    if as_json:
        content = asdict(found)
        for drive in content["drives"]:
            drive["symbol"] = saved.vocabulary.name(drive["symbol"])
        show_json(content | {"text": symbols})
    else:
        show_portrait(found, symbols, saved.vocabulary, quiet)
