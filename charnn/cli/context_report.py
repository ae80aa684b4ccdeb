"""What `charnn context` prints."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.analysis.context import ContextUse, doubled
from charnn.analysis.probes import Probes
from charnn.cli.console import show, show_table
from charnn.cli.marked_text import show_sentences
from charnn.cli.text_plot import Points, text_plot

LAGS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 200)  # of a table
EXCESS = (
    "The excess is the loss after k characters minus the same characters' loss after 256 more (+- "
    "standard error)."
)
TENTH = 0.1  # bits: a character of which a state tells less is as good as forgotten


@dataclass(frozen=True)
class Findings:
    """A model's use of its context, and its probes beside those of its untrained weights."""

    checkpoint: str
    cell: str
    unit: str
    symbols: int
    seq_length: int
    context: ContextUse
    trained: Probes | None
    untrained: Probes | None


def show_findings(found: Findings, quiet: bool) -> None:
    """Print the tables, plots and what they mean."""
    show(f"{found.checkpoint}: {found.cell}, {found.symbols:,} symbols")
    show("")
    show_context(found.context, found.unit)
    if not quiet:
        show_sentences(context_in_words(found.context, found.seq_length))
        show("")
    if found.trained is None or found.untrained is None:
        return
    show_probes(found.trained, found.untrained)
    if not quiet:
        plot_probes(found.trained)
        show("")
        show_sentences(probes_in_words(found.trained, found.untrained))


def show_context(context: ContextUse, unit: str) -> None:
    """Print the loss by the number of characters read."""
    last = len(context.loss) - 1
    rows = []
    for k in dict.fromkeys([*doubled(last), last]):
        gain, error = context.gains.get(k, (None, None))
        rows.append(
            [
                f"{k}",
                f"{context.loss[k]:.3f}",
                f"{context.excess[k]:.3f} +- {context.error[k]:.3f}",
                "" if gain is None else f"{gain:.3f} +- {error:.3f}",
            ]
        )
    rows.append(["all", f"{context.full:.3f}", "", ""])
    show_table(
        f"loss after reading k characters from zero states, {context.places:,} places",
        ["k", f"bits/{unit}", "excess", "saved by 2k"],
        rows,
    )


def context_in_words(context: ContextUse, window: int) -> str:
    """Return what the losses mean."""
    sentences = [EXCESS]
    for bits, k in context.enough.items():
        sentences.append(
            f"It is still above {bits} bits after {len(context.loss) - 1} characters."
            if k is None
            else f"From {k} characters on it is below {bits} bits."
        )
    if None not in context.enough.values():
        sentences.append("What lies further back, the model makes next to no use of.")
    sentences.append(f"A window of its training had {window}.")
    return " ".join(sentences)


def show_probes(trained: Probes, untrained: Probes) -> None:
    """Print what the states tell of earlier characters."""
    lags = len(trained.states[0].probes)
    rows = [
        [
            f"{lag}",
            f"{trained.states[0].probes[lag].entropy:.2f}",
            *(
                f"{state.probes[lag].bits:.3f}"
                for probes in (trained, untrained)
                for state in probes.states
            ),
        ]
        for lag in dict.fromkeys([*(lag for lag in LAGS if lag < lags), lags - 1])
    ]
    names = [
        f"{which} {state.state}"
        for which, probes in (("trained", trained), ("untrained", untrained))
        for state in probes.states
    ]
    show_table(
        f"{trained.layer}: bits that a state tells of the character k steps back, at least",
        ["k", "H(x)", *names],
        rows,
    )


def plot_probes(trained: Probes) -> None:
    """Draw the bits by lag."""
    groups = [
        Points(mark, [(probe.lag, probe.bits) for probe in state.probes])
        for mark, state in zip("ho", trained.states, strict=False)
    ]
    marks = zip("ho", trained.states, strict=False)
    show(", ".join(f"{mark} by {state.state}" for mark, state in marks))
    for line in text_plot(groups, "k", "bits"):
        show(line.rstrip())


def probes_in_words(trained: Probes, untrained: Probes) -> str:
    """Return what the probes mean."""
    counts = (
        f"Probes were fitted on {trained.fitted:,} positions and scored on {trained.scored:,} "
        "others. H(x) is the most that there is to know, and a bound below 0 is shown as 0."
    )
    sentences = [counts]
    for state in trained.states:
        known = [probe.lag for probe in state.probes if probe.bits >= TENTH]
        last = len(state.probes) - 1
        sentences.append(
            f"{state.state} tells at least {TENTH} bits of characters up to {known[-1]} steps back"
            f"{' or more' if known[-1] == last else ''}."
            if known
            else f"{state.state} tells less than {TENTH} bits of any."
        )
    totals = [
        sum(probe.bits for probe in probes.states[-1].probes) for probes in (trained, untrained)
    ]
    if totals[0] < totals[1]:
        sentences.append(
            "Untrained weights tell more in all: they keep what comes, useful or not; training "
            "makes room for what helps to predict."
        )
    else:
        sentences.append("What the untrained weights tell, training did not have to bring about.")
    return " ".join(sentences)
