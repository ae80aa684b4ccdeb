"""What `charnn neurons` prints."""

from __future__ import annotations

from collections.abc import Sequence

from charnn.analysis.neurons import Follower, Neurons
from charnn.analysis.unit_portrait import Drive, Portrait
from charnn.cli.console import has_colours, show, show_pieces, show_table
from charnn.cli.marked_text import show_marked, show_sentences
from charnn.text.vocabulary import Vocabulary

NONE = "-"
LEVELS = (
    (-2 / 3, 0),
    (-1 / 3, 1),
    (1 / 3, 2),
    (2 / 3, 3),
)  # shares of the spread, and levels below
MARKS = "=- +#"  # by level: far below the median, below, near, above, far above
STYLES = ("black on #f0a020", "white on #7a4f10", "", "white on #1f4e79", "black on #6ab0f3")
MEANINGS = ("far below the median", "below", "", "above", "far above")
DRIVERS = 6  # characters of either kind


def show_neurons(trained: Neurons, untrained: Neurons, quiet: bool) -> None:
    """Print the gates' saturation, and the units that follow features of the text."""
    show_saturation(trained, untrained)
    if not quiet:
        show_sentences(
            "Shares of time at which a gate is below 0.1 (nearly shut) or above 0.9 (nearly open); "
            "|h| above 0.9 is a saturated state. 'start' are those of the untrained weights: the "
            "difference was learned. The last two columns count the units that are below 0.1 or "
            "above 0.9 more than 9 times of 10."
        )
        show("")
    show_followers(trained, untrained)
    if quiet:
        return
    show_sentences(
        "Each unit was chosen on one half of the text (r there in brackets), and r and AUC are "
        "those of the other half. Compare them with the best untrained unit's: what only the "
        "trained unit has, it learned. --unit shows one of them."
    )
    if trained.absent:
        show_sentences(f"Not in this text, or always: {', '.join(trained.absent)}.")


def show_saturation(trained: Neurons, untrained: Neurons) -> None:
    """Print how often gates are nearly shut or open."""
    rows = []
    for after, before in zip(trained.saturation, untrained.saturation, strict=True):
        rows.append(
            [
                after.layer,
                after.gate,
                f"{after.mean:.2f}",
                f"{after.below:.1%}",
                f"{after.above:.1%}",
                f"{before.below:.1%}",
                f"{before.above:.1%}",
                f"{after.mostly_below}",
                f"{after.mostly_above}",
            ]
        )
    show_table(
        f"gates and states on {trained.symbols:,} characters",
        ["layer", "gate", "mean", "< 0.1", "> 0.9", "start <", "start >", "shut", "open"],
        rows,
        ["layer", "gate"],
    )


def show_followers(trained: Neurons, untrained: Neurons) -> None:
    """Print the units that follow each feature best."""
    rows = []
    for feature, followers in trained.followers.items():
        start = untrained.followers.get(feature, [None])[0]
        for rank, each in enumerate(followers):
            first = rank == 0
            rows.append(
                [
                    feature if first else "",
                    f"{each.layer}:{each.unit} {each.state}",
                    f"({each.chosen_r:+.2f})",
                    number(each.r, "+.2f"),
                    number(each.auc, ".3f"),
                    number(start.r, "+.2f") if first and start else "",
                    number(start.auc, ".3f") if first and start else "",
                ]
            )
    show_table(
        "what units follow, on the half of the text that did not choose them",
        ["feature", "unit", "chosen", "r", "AUC", "start r", "start AUC"],
        rows,
        ["feature", "unit"],
    )


def show_portrait(
    found: Portrait, symbols: Sequence[str], vocabulary: Vocabulary, quiet: bool
) -> None:
    """Print one unit: its values, the text with marks, what it follows and what drives it."""
    quantiles = ", ".join(f"{name} {value:+.2f}" for name, value in found.quantiles.items())
    show(f"unit {found.layer}:{found.unit}, {found.state}, on {found.symbols:,} characters")
    show(f"mean {found.mean:+.3f}, deviation {found.deviation:.3f}; quantiles {quantiles}")
    gates = (
        f"{name} {below:.0%} below 0.1, {above:.0%} above 0.9"
        for name, (below, above) in found.gates.items()
    )
    show_sentences("share of time: " + "; ".join(gates))
    show("")
    show_key()
    show_marked(symbols, levels(found), MARKS, STYLES)
    show("")
    show_table(
        "what it follows: chosen on one half, judged on the other",
        ["feature", "chosen r", "r", "AUC"],
        [each_feature(follower) for follower in found.follows],
        ["feature"],
    )
    show_drives(found.drives, vocabulary)
    if not quiet:
        show_sentences(
            "r is the correlation of the unit with the feature, AUC the probability that it tells "
            "where the feature is true from where it is not (0.5: not at all). The last table has "
            "the mean change of the unit when the model reads a character."
        )


def each_feature(follower: Follower) -> list[str]:
    """Return a feature's row."""
    held = number(follower.r, "+.3f"), number(follower.auc, ".3f")
    return [follower.feature, f"{follower.chosen_r:+.3f}", *held]


def show_drives(drives: Sequence[Drive], vocabulary: Vocabulary) -> None:
    """Print the characters that raise and lower a unit most."""
    raising = [drive for drive in drives[:DRIVERS] if drive.change > 0]
    lowering = [drive for drive in drives[: -DRIVERS - 1 : -1] if drive.change < 0]
    rows = []
    for n in range(max(len(raising), len(lowering))):
        row: list[str] = []
        for part in (raising, lowering):
            row += drive_cells(part[n], vocabulary) if n < len(part) else ["", "", ""]
        rows.append(row)
    show_table(
        "the characters that drive it most",
        ["up", "change", "times", "down", "change ", "times "],
        rows,
        ["up", "down"],
    )


def drive_cells(drive: Drive, vocabulary: Vocabulary) -> list[str]:
    """Return a character's cells."""
    return [vocabulary.name(drive.symbol), f"{drive.change:+.3f}", f"{drive.times:,}"]


def show_key() -> None:
    """Print what the marks or colours mean."""
    meanings = [(n, meaning) for n, meaning in enumerate(MEANINGS) if meaning]
    if has_colours():
        show_pieces((f" {meaning} ", STYLES[n]) for n, meaning in meanings)
    else:
        show("below each line: " + ", ".join(f"{MARKS[n]} {meaning}" for n, meaning in meanings))


def levels(found: Portrait) -> list[int]:
    """Return a level for each value at the text's beginning: 2 is near the median."""
    median, spread = found.quantiles["50%"], found.spread or 1.0
    shares = ((value - median) / spread for value in found.beginning)
    return [next((level for edge, level in LEVELS if share < edge), 4) for share in shares]


def number(value: float | None, form: str) -> str:
    """Return a number for a table."""
    return NONE if value is None else format(value, form)
