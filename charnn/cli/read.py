"""`charnn read`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import SectionedCommand, complete_files, declared_flags, flag, output_flags
from charnn.config.text_analysis import ReadingConfig
from charnn.errors import CorpusError

if TYPE_CHECKING:
    from charnn.analysis.surprise import KindOfError, Reading, Surprise
    from charnn.arrays import Array
    from charnn.training.checkpoint import Checkpoint

HIGHEST = 9  # bits; what is more surprising has the mark of 9
MARKS = " 123456789"  # by bits
STYLES = (
    "",
    "white on #4a3c14",
    *["white on #6e5510"] * 2,
    *["black on #b07d1a"] * 2,
    *["black on #f0a020"] * 2,
    *["black on #ffe08a"] * 2,
)
DRAWN = 4_000  # symbols in a picture
AROUND = 24  # symbols before a surprising one that are shown with it


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
    from charnn.analysis.surprise import read
    from charnn.cli.console import progress_bar, say
    from charnn.cli.picture_file import check_folder
    from charnn.tasks.language_modelling import unknown_note
    from charnn.text.corpus import read_for_scoring
    from charnn.training.archive import load_checkpoint

    options = ReadingConfig(**values)
    saved = load_checkpoint(Path(checkpoint))
    model = language_model(saved, "read")
    if svg is not None:
        check_folder(Path(svg))
    ids, outside = read_for_scoring(text, options.encoding, saved.vocabulary)
    notes = [unknown_note(outside, saved.vocabulary)] if outside else []
    if options.start >= len(ids):
        raise CorpusError(
            f"the text has {len(ids):,} {saved.vocabulary.unit}s, and --start is "
            f"{options.start:,}; give a smaller number."
        )
    known = text_of_training(saved, train, notes)
    stop = len(ids) if options.length is None else min(options.start + options.length, len(ids))
    with progress_bar("reading", len(ids) - 1, quiet or as_json) as advance:
        found = read(
            model,
            saved.vocabulary,
            ids,
            known,
            part=(options.start, stop),
            order=options.order,
            guess_all=as_json,
            advance=advance,
        )
    if svg is not None:
        draw(Path(svg), found)
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if as_json:
        show_as_json(found, saved, sum(outside.values()), options, known is not None)
    else:
        show_reading(found, ids, saved, options)


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


def show_as_json(
    found: Reading, saved: Checkpoint, unknown: int, options: ReadingConfig, classes: bool
) -> None:
    """Print all figures, and the part that is shown with the likeliest symbols."""
    from charnn.cli.console import show_json

    show_json(
        {
            "unit": saved.vocabulary.unit,
            "unknown_characters": unknown,
            "order": options.order if classes else None,
            **found.to_json(),
        }
    )


def show_reading(found: Reading, ids: Array, saved: Checkpoint, options: ReadingConfig) -> None:
    """Print the tables and a part of the text."""
    from charnn.cli.console import show
    from charnn.cli.marked_text import show_marked, show_sentences

    unit = saved.vocabulary.unit
    show(
        f"{found.symbols:,} {unit}s predicted, {found.bits / found.symbols:.4f} bits/{unit}, "
        f"{found.errors / found.symbols:.1%} errors"
    )
    show("")
    show_kinds(found)
    show_surprising(found.surprising, ids, saved)
    if not found.shown:
        return
    show(f"from {options.start:,} on, {len(found.shown):,} {unit}s", "bold")
    show_marked(
        [each.symbol for each in found.shown],
        [level(each.bits) for each in found.shown],
        MARKS,
        STYLES,
    )
    show("")
    show_key()
    show_sentences(
        "The lighter the background, or the higher the digit below, the less the model expected "
        "the character (bits; 9: 9 or more; nothing: less than 1)."
    )


def level(bits: float | None) -> int:
    """Return a surprise in whole bits, up to 9; 0 for a symbol that is not predicted."""
    return 0 if bits is None else min(int(bits), HIGHEST)


def show_key() -> None:
    """Print what the backgrounds mean, where there are colours."""
    from charnn.cli.console import has_colours, show_pieces

    if has_colours():
        pieces = [("bits", ""), *((f" {mark} ", STYLES[int(mark)]) for mark in MARKS[1:])]
        show_pieces(pieces)


def show_kinds(found: Reading) -> None:
    """Print the classes with their shares of the errors and of the loss."""
    from charnn.cli.console import show_table

    total = KindTotal(found)
    rows = [total.row(kind) for kind in found.kinds]
    show_table(
        "classes of characters, and their share of the loss",
        ["class", "characters", "of errors", "of the loss", "bits each"],
        [*rows, ["all", f"{found.symbols:,}", "", "", f"{found.bits / found.symbols:.2f}"]],
        ["class"],
    )


class KindTotal:
    """What classes are compared with: all errors, and all bits."""

    def __init__(self, found: Reading) -> None:
        self._errors, self._bits = max(found.errors, 1), found.bits or 1.0
        self._expected = found.kinds[0]

    def row(self, kind: KindOfError) -> list[str]:
        """Return a class's row of the table."""
        is_error = kind is not self._expected
        return [
            kind.name,
            f"{kind.symbols:,}",
            f"{kind.symbols / self._errors:.1%}" if is_error else "",
            f"{kind.bits / self._bits:.1%}",
            f"{kind.bits / kind.symbols:.2f}" if kind.symbols else "",
        ]


def show_surprising(found: list[Surprise], ids: Array, saved: Checkpoint) -> None:
    """Print the most surprising symbols, each with what precedes it and the likeliest ones."""
    from charnn.analysis.surprise import names
    from charnn.cli.console import show_table
    from charnn.cli.marked_text import sign

    rows = []
    for each in found:
        before = names(ids[max(0, each.place - AROUND) : each.place], saved.vocabulary)
        guesses = "  ".join(f"{visible_sign(s)} {p:.0%}" for s, p in each.guesses)
        rows.append(
            [
                f"{each.bits:.1f}",
                f"{each.place:,}",
                f"{''.join(map(sign, before))}[{sign(each.symbol)}]",
                guesses,
            ]
        )
    show_table(
        "the most surprising characters, in brackets, and what was likelier",
        ["bits", "place", "text", "the five likeliest"],
        rows,
        ["the five likeliest"],
    )


def visible_sign(symbol: str) -> str:
    """Return a symbol as it is shown alone: a space can be seen."""
    from charnn.cli.marked_text import sign

    return "␣" if symbol == " " else sign(symbol)
