"""`charnn predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
from charnn.config import EngineConfig, PredictionConfig, check_task
from charnn.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from charnn.arrays import Array
    from charnn.tasks.prediction import Prediction
    from charnn.text.live_lines import LiveLine
    from charnn.training.checkpoint import Checkpoint

SPACES = str.maketrans("\t\r\n", "   ")  # so that a column stays one


@click.command("predict", cls=SectionedCommand)
@click.argument("checkpoint", metavar="RUN", shell_complete=complete_files)
@click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=complete_files)
@declared_flags(PredictionConfig, "Prediction", environment=False)
@flag(
    "--attention",
    is_flag=True,
    help="Show which symbols of the input each symbol of a prediction looked at (transduce).",
)
@flag(
    "--attention-svg",
    metavar="FILE",
    shell_complete=complete_files,
    help="Draw the attention of the first 20 lines (transduce).",
)
@declared_flags(EngineConfig, "Engine")
@output_flags()
def command(
    checkpoint: str,
    files: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    attention: bool,
    attention_svg: str | None,
    engine: str,
    device: str | None,
    precision: str,
    **values: Any,
) -> None:
    """Predict classes, tags or sequences, line by line.

    \b
    charnn predict runs/names-classify names.txt --top 3
    echo Dostoevsky | charnn predict runs/names-classify
    charnn predict runs/verbs-transduce words.txt --beam 5 --n-best 3 --attention

    Every line of the files, or of standard input, is one input, and is answered as soon as it is
    read. An input is written as in training, with the same separators and, if a line has several
    columns, in the same column.

    Each answer is a line of columns with tabs between them: the input (and its features, if the
    model reads any), the prediction, and its score. The score of a class is its probability, that
    of tags the probability of all the tags of the line together. The score of a sequence is its log
    probability in nats, normalised by length with --length-penalty. With --top or --n-best above 1
    an input has several answers, the best first, and a last column has their rank. --json prints an
    object for each input.

    A blank line is answered by a blank line (null in JSON). If a line cannot be read, its answer
    has empty columns, and a message on standard error says why. The other lines are still answered,
    and the exit code is 2.
    """
    from charnn.cli.picture_file import check_folder
    from charnn.engines.choice import model_on
    from charnn.text.live_lines import live_lines
    from charnn.training.archive import load_checkpoint

    options, chosen = PredictionConfig(**values), EngineConfig(engine, device, precision)
    saved = load_checkpoint(Path(checkpoint))
    saved.task.check_use("predict")
    check_task(PredictionConfig, given(click.get_current_context(), values), saved.task.name)
    check_attention(saved, attention or attention_svg is not None)
    if attention_svg is not None:
        check_folder(Path(attention_svg))
    model = model_on(saved.model, chosen)
    several = options.top > 1 or options.n_best > 1
    printer = Printer(saved, as_json, several, attention)
    for group in live_lines(files or ("-",), options.encoding):
        for line, found in answers(saved, model, group, options):
            printer.show(line, found)
        sys.stdout.flush()
    if attention_svg is not None:
        draw(attention_svg, printer, quiet)
    if printer.unread:
        raise CorpusError(
            f"{printer.unread:,} line{'s' if printer.unread > 1 else ''} could not be read; the "
            "errors above say why."
        )


def check_attention(saved: Checkpoint, wanted: bool) -> None:
    """Raise ConfigError where attention is wanted of a model that has none."""
    if wanted and saved.config.model.attention is None:
        raise ConfigError(
            "the model has no attention that could be shown; train one that has, with --task "
            "transduce and --attention."
        )


class Printer:
    """Writes the answers to lines on standard output, and counts them."""

    def __init__(self, saved: Checkpoint, as_json: bool, several: bool, attention: bool) -> None:
        """Say what is written: JSON or columns, several answers with ranks, attention."""
        self._saved = saved
        self._as_json, self._several, self._attention = as_json, several, attention
        self.answered = self.unread = 0
        self.first: list[Prediction] = []  # for a picture

    def show(self, line: LiveLine, found: Prediction | CorpusError | None) -> None:
        """Write the answers to a line, nothing for a blank one, or say what is wrong with it."""
        from charnn.cli.attention_picture import END, PANELS
        from charnn.cli.console import say, show_heat_map

        columns = input_of(line, self._saved)
        if isinstance(found, CorpusError):
            sys.stdout.flush()
            say(f"Error: {line.error(found)}")
            self.unread += 1
            found = None
        if self._as_json:
            write_json(columns, found, self._several, self._attention)
        else:
            write_columns(columns, found, self._several)
        if found is None:
            return
        self.answered += 1
        if len(self.first) < PANELS:
            self.first.append(found)
        if self._attention and not self._as_json:
            sys.stdout.flush()
            rows = [*found.best.symbols, END]
            show_heat_map(rows, found.source, found.best.attention, legend=self.answered == 1)


def draw(path: str, printer: Printer, quiet: bool) -> None:
    """Draw the attention of the first lines; say so where there are more."""
    from charnn.cli.attention_picture import PANELS, write_picture
    from charnn.cli.console import say

    write_picture(Path(path), printer.first)
    if printer.answered > PANELS and not quiet:
        say(f"note: '{path}' has the first {PANELS} of {printer.answered:,} lines.")


def answers(
    saved: Checkpoint, model: Any, group: list[LiveLine], options: PredictionConfig
) -> Iterator[tuple[LiveLine, Prediction | CorpusError | None]]:
    """Yield each line with its prediction, with None if it is blank, or with what is wrong."""
    fates = [source_in(line, saved, options) for line in group]
    sources = [fate for fate in fates if not isinstance(fate, CorpusError | None)]
    found = iter(saved.task.predictions(model, saved.vocabulary, sources, options))
    for line, fate in zip(group, fates, strict=True):
        yield line, fate if isinstance(fate, CorpusError | None) else next(found)


def source_in(
    line: LiveLine, saved: Checkpoint, options: PredictionConfig
) -> Array | CorpusError | None:
    """Return the source's ids (S,) that a line holds, None if it is blank, or what is wrong."""
    from charnn.text.records import source_of

    try:
        line.check(options.encoding)
        return source_of(line.text, saved.config, saved.vocabulary) if line.text.strip() else None
    except CorpusError as error:
        return error


def input_of(line: LiveLine, saved: Checkpoint) -> list[str]:
    """Return the columns of a line that the model reads: the source, and its features if any."""
    records, text = saved.config.records, line.readable
    columns = text.split("\t")
    if len(columns) == 1 or "\t" in saved.vocabulary.source:
        return [text]
    numbers = [records.source_col, *filter(None, [records.features_col])]
    return [columns[number - 1] if number <= len(columns) else "" for number in numbers]


def write_columns(columns: list[str], found: Prediction | None, several: bool) -> None:
    """Write the answers to an input, a line for each."""
    if found is None:
        rows = [[*columns, "", ""] if any(map(str.strip, columns)) else []]
    else:
        rows = [[*columns, answer.text, f"{answer.score:.6g}"] for answer in found.answers]
    for rank, row in enumerate(rows, 1):
        cells = [*row, str(rank)] if several and found is not None else row
        sys.stdout.write("\t".join(cell.translate(SPACES) for cell in cells) + "\n")


def write_json(
    columns: list[str], found: Prediction | None, several: bool, attention: bool
) -> None:
    """Write the answers to an input as an object: the best at its top, all in `answers`."""
    from charnn.cli.console import show_json

    text, *features = columns
    content: dict[str, Any] = {"input": text}
    if features:
        content["features"] = features[0]
    if found is None:
        show_json(content | {"prediction": None})
        return
    content |= found.best.to_json()
    if several:
        content["answers"] = [answer.to_json() for answer in found.answers]
    if attention and found.best.attention is not None:
        content["source"] = found.source
        content["attention"] = found.best.attention.tolist()
    show_json(content)
