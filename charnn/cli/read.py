"""`charnn read`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, declared_flags, flag, output_flags
from charnn.config.text_analysis import ReadingConfig
from charnn.errors import CorpusError

if TYPE_CHECKING:
    from charnn.analysis.surprise import Reading
    from charnn.arrays import Array
    from charnn.training.checkpoint import Checkpoint

DRAWN = 4_000  # symbols in a picture


@click.command("read", cls=SectionedCommand)
@click.argument("checkpoint", metavar="CKPT", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@declared_flags(ReadingConfig, "Reading", environment=False)
@flag(
    "--train",
    section="Reading",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="The training text, where its files have moved; can be given several times.",
)
@flag("--svg", metavar="FILE", shell_complete=complete_files, help="Draw the part that is shown.")
@output_flags()
def command(
    checkpoint: str,
    text: tuple[str, ...],
    train: tuple[str, ...],
    svg: str | None,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Read a text: how surprising each character is to a model, and what is hard about it.

    \b
    charnn read runs/shakespeare-lstm sonnets.txt
    charnn read runs/shakespeare-lstm sonnets.txt --start 5000 --len 400
    charnn read runs/shakespeare-lstm sonnets.txt --len none --json

    The surprise of a character is -log2 of the probability that the model gave it: 0 bits if it was
    certain, 1 bit at a chance of 1/2, 8 bits at 1/256. Its mean is the loss in bits.

    A character with a chance below 1/2 is an error. The first table sorts the errors of the whole
    text into classes and has each class's share of the loss. An error is in the first class that
    fits. n-gram: the n-gram model of the training text, which reads the longest context of --order
    to 5 characters that stands there, would have expected it. rare word: a letter of a word that
    occurs at most 5 times in the training text. after newline: the first character of a line. word
    beginning: the first letter of a word. other: the rest. Words are runs of letters (after
    Karpathy, Johnson and Li, 2015).

    The second table has the most surprising characters, in brackets, and the five that the model
    found likeliest in their places. Below them a part of the text is shown, in which the background
    tells the surprise. Without colours, the digit below a character is its surprise in whole bits
    (9: 9 or more). --json has the five likeliest characters before each one shown.
    """
    from charnn.analysis.subject import language_model
    from charnn.cli.console import say
    from charnn.cli.picture_file import check_folder
    from charnn.cli.read_report import show_as_json, show_reading
    from charnn.tasks.language_modelling import unknown_notes
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    options = ReadingConfig(**values)
    saved = load_checkpoint(Path(checkpoint))
    language_model(saved, "read")
    if svg is not None:
        check_folder(Path(svg))
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    notes = unknown_notes(outside, saved.vocabulary)
    part = chosen_part(options, len(ids), saved.vocabulary.unit)
    known = text_of_training(saved, train, notes)
    found = reading_of(saved, ids, known, part, options, guess_all=as_json, quiet=quiet or as_json)
    if svg is not None:
        draw(Path(svg), found)
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        show_as_json(found, saved, sum(outside.values()), None if known is None else options.order)
    else:
        show_reading(found, ids, saved, options)


def reading_of(
    saved: Checkpoint,
    ids: Array,
    known: Array | None,
    part: tuple[int, int],
    options: ReadingConfig,
    *,
    guess_all: bool,
    quiet: bool,
) -> Reading:
    """Read ids (N,), with a bar that shows how far it is."""
    from charnn.analysis.surprise import read
    from charnn.cli.console import progress_bar

    model, vocabulary = saved.model, saved.vocabulary
    with progress_bar("reading", len(ids) - 1, quiet) as advance:
        return read(
            model,
            vocabulary,
            ids,
            known,
            part=part,
            order=options.order,
            guess_all=guess_all,
            advance=advance,
        )


def chosen_part(options: ReadingConfig, size: int, unit: str) -> tuple[int, int]:
    """Return the beginning and the end of what is shown. Raises CorpusError."""
    if options.start >= size:
        raise CorpusError(
            f"the text has {size:,} {unit}s, and --start is {options.start:,}; give a smaller "
            "number."
        )
    length = size if options.length is None else options.length
    return options.start, min(options.start + length, size)


def text_of_training(saved: Checkpoint, names: tuple[str, ...], notes: list[str]) -> Array | None:
    """Return the ids of the training text, or None, which a note explains, where it is not there.

    Raises CorpusError where files are named that cannot be read.
    """
    from charnn.analysis.training_text import training_text

    try:
        text = training_text(saved, names)
    except CorpusError as error:
        if names:
            raise
        notes.append(f"without the classes n-gram and rare word: {error}")
        return None
    notes.extend(text.notes)
    return text.train


def draw(path: Path, found: Reading) -> None:
    """Write the part that is shown as SVG. Raises InputError."""
    from charnn.cli.picture_file import write_file
    from charnn.cli.read_report import HIGHEST
    from charnn.pictures import coloured_text

    part = found.shown[:DRAWN]
    write_file(
        path,
        coloured_text(
            [each.symbol for each in part],
            [float("nan") if each.bits is None else each.bits for each in part],
            title="Surprise of each character, in bits",
            low=0,
            high=HIGHEST,
            description="The darker a character, the less the model expected it.",
        ),
    )
