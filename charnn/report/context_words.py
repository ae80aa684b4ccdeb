"""What a model's use of the past means, in sentences."""

from __future__ import annotations

from charnn.analysis.context import ContextUse
from charnn.analysis.probes import Probes

EXCESS = (
    "The excess is the loss after k characters minus the same characters' loss after 256 more (+- "
    "standard error)."
)
TENTH = 0.1  # bits: a character of which a state tells less is as good as forgotten


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
