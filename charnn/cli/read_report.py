"""What `charnn read` prints: tables, and a text whose background tells the surprise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charnn.analysis.surprise import names
from charnn.cli.console import has_colours, show, show_json, show_pieces, show_table
from charnn.cli.marked_text import show_marked, show_sentences, sign

if TYPE_CHECKING:
    from charnn.analysis.surprise import KindOfError, Reading, Surprise
    from charnn.arrays import Array
    from charnn.config.text_analysis import ReadingConfig
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
AROUND = 24  # symbols before a surprising one that are shown with it


def show_as_json(found: Reading, saved: Checkpoint, unknown: int, order: int | None) -> None:
    """Print all figures, and the part that is shown with the likeliest symbols."""
    show_json(
        {
            "unit": saved.vocabulary.unit,
            "unknown_characters": unknown,
            "order": order,
            **found.to_json(),
        }
    )


def show_reading(found: Reading, ids: Array, saved: Checkpoint, options: ReadingConfig) -> None:
    """Print the tables and a part of the text."""
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
    if has_colours():
        pieces = [("bits", ""), *((f" {mark} ", STYLES[int(mark)]) for mark in MARKS[1:])]
        show_pieces(pieces)


def show_kinds(found: Reading) -> None:
    """Print the classes with their shares of the errors and of the loss."""
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
    return "␣" if symbol == " " else sign(symbol)
