"""Output to the terminal. This is the only module that uses rich.

Text is never parsed as markup, so brackets in a corpus are shown as they are.
"""

from __future__ import annotations

import io
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from charnn.cli.picture_frame import PICTURE

PLAIN_WIDTH = 110  # columns if the output is not a terminal
PICTURE_WIDTH = 114  # columns of a picture of the terminal
PICTURE_ASPECT = 0.6  # a character's width over its height, in the fonts that PICTURE names
PICTURE_COLOURS = TerminalTheme(
    background=(24, 26, 33),
    foreground=(214, 217, 224),
    normal=[
        (58, 62, 74),
        (236, 106, 94),
        (120, 200, 130),
        (229, 192, 110),
        (105, 160, 235),
        (190, 140, 225),
        (95, 195, 205),
        (214, 217, 224),
    ],
)
SHADES = "·░▒▓█"  # of a heat map; each stands for a weight of (its place / 5)^2 or more
WIDEST_LABEL = 8  # columns of a terminal
CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(32), *range(127, 160))
    if chr(code) not in "\n\t"
}


def make_console(stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
        width=None if stream.isatty() else PLAIN_WIDTH,
    )


def visible(text: str) -> str:
    """Return text with control characters as escapes, so that they cannot control the terminal."""
    return text.translate(CONTROLS)


def say(text: str, style: str | None = None) -> None:
    """Print a message on standard error."""
    make_console(stderr=True).print(visible(text), style=style, soft_wrap=True)


def show(text: str, style: str | None = None) -> None:
    """Print a result on standard output."""
    make_console().print(visible(text), style=style, soft_wrap=True)


def show_pieces(pieces: Iterable[tuple[str, str]]) -> None:
    """Print one line of a result: pieces of text, each with its style."""
    line = Text.assemble(*((visible(text), style) for text, style in pieces))
    make_console().print(line, soft_wrap=True)


def has_colours() -> bool:
    """Return whether results are printed in colours."""
    console = make_console()
    return console.color_system is not None and not console.no_color


def terminal_width() -> int:
    """Return how many columns a line of a result has."""
    return make_console().width


def show_json(content: object) -> None:
    """Print one line of JSON on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    left: Iterable[str] = (),
    emphasized: Iterable[int] = (),
) -> None:
    """Print a table; columns are right-aligned except for those named in `left`."""
    console = make_console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    strong = set(emphasized)
    for number, row in enumerate(rows):
        style = "bold red" if number in strong else None
        table.add_row(*(Text(visible(str(cell))) for cell in row), style=style)
    if natural_width(console, table) > console.width:
        table.padding = (0, 0)
    console.width = max(console.width, natural_width(console, table))  # so that nothing is cut off
    console.print(title, style="bold")
    console.print(table)
    console.print()


def natural_width(console: Console, table: Table) -> int:
    """Return the width in columns at which nothing of a table is cut off."""
    return Measurement.get(console, console.options.update(max_width=100_000), table).maximum


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return cell_len(text)


def show_heat_map(
    rows: Sequence[str], columns: Sequence[str], weights: Any, legend: bool = True
) -> None:
    """Draw weights (R, C) from 0 to 1 as shades under the labels of columns, beside those of rows.

    What is wider than the terminal is drawn in pieces, one below the other.
    """
    console = make_console()
    rows = [label(row) for row in rows]
    columns = [label(column) for column in columns]
    left = max(map(cell_len, rows))
    width = max(2, *map(cell_len, columns))
    at_once = max(1, (console.width - left - 1) // (width + 1))
    for start in range(0, len(columns), at_once):
        part = columns[start : start + at_once]
        header = " ".join(set_cell_size(column, width) for column in part)
        console.print(Text(f"{' ' * left} {header}".rstrip(), "bold"), soft_wrap=True)
        for row, values in zip(rows, weights, strict=True):
            line = Text(" " * (left - cell_len(row)) + row + " ", "bold")
            for value in values[start : start + at_once]:
                level = min(int(5 * math.sqrt(max(float(value), 0.0))), 4)
                style = "cyan" if level else "dim"
                line.append(SHADES[level] * (width if level else 1), style)
                line.append(" " * (1 if level else width))
            line.rstrip()
            console.print(line, soft_wrap=True)
        console.print()
    if legend:
        meanings = (f"{shade} from {(n / 5) ** 2:.0%}" for n, shade in enumerate(SHADES))
        console.print(Text("  ".join(meanings), "dim"), soft_wrap=True)
        console.print()


def label(symbol: str) -> str:
    """Return a symbol as a label of a heat map, shortened if it is long."""
    text = visible(symbol).replace(" ", "␣").replace("\t", "\\t").replace("\n", "\\n")
    return text if cell_len(text) <= WIDEST_LABEL else set_cell_size(text, WIDEST_LABEL - 1) + "…"


@contextmanager
def progress_bar(what: str, total: int | None, quiet: bool) -> Iterator[Any]:
    """Show a progress bar on a terminal while a block runs; yield a function to advance it."""
    console = make_console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)


def loss_in_words(loss: float | None, unit: str) -> str:
    """Return a loss in nats and bits per character, with units."""
    if loss is None:
        return "none"
    return f"{loss:.4f} nats/{unit} ({loss / math.log(2):.3f} bits/{unit})"


def duration(seconds: float) -> str:
    """Return a time as 3:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class TrainingPanel:
    """The live display of a training run on a terminal."""

    def __init__(self, total: int, unit: str) -> None:
        self.total = total
        self.unit = unit
        self.update = 0
        self.facts: dict[str, str] = {}
        self.sample = ""
        self._live = Live(console=make_console(stderr=True), refresh_per_second=8, transient=True)
        self._shown = 0.0

    def open(self) -> None:
        """Start to draw."""
        self._live.start(refresh=True)

    def close(self) -> None:
        """Stop drawing, and clear what was drawn."""
        self._live.stop()

    def print(self, text: str) -> None:
        """Print a line above the display, where it stays."""
        self._live.console.print(visible(text), soft_wrap=True)

    def refresh(self) -> None:
        """Redraw, at most eight times a second."""
        if time.monotonic() - self._shown > 0.12:
            self._shown = time.monotonic()
            self._live.update(self._draw())

    def picture(self, lines: Iterable[str], title: str) -> str:
        """Return the display, under lines that stay, as a picture of a terminal: SVG."""
        console = Console(
            file=io.StringIO(),
            record=True,
            force_terminal=True,
            color_system="truecolor",
            width=PICTURE_WIDTH,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )
        for line in lines:
            console.print(visible(line))
        console.print(self._draw())
        return console.export_svg(
            title=title,
            theme=PICTURE_COLOURS,
            code_format=PICTURE,
            font_aspect_ratio=PICTURE_ASPECT,
            unique_id="charnn",
        )

    def _draw(self) -> Group:
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(
                total=self.total,
                completed=self.update,
                width=44,
                complete_style="cyan",
                finished_style="green",
            ),
            Text(f"{self.update:,} / {self.total:,}", style="bold"),
            self.facts.get("epoch", ""),
            self.facts.get("left", ""),
        )
        table = Table.grid(padding=(0, 2))
        for name in ("training", "smoothed", "validation", "gradient"):
            if name in self.facts:
                table.add_row(Text(name, style="dim"), Text(self.facts[name]))
        parts: list[Any] = ["", bar, table]
        if self.sample:
            sample = Text(visible(self.sample))
            parts.append(
                Panel(sample, title="sample", title_align="left", border_style="dim", width=84)
            )
        return Group(*parts)
