"""How much of the past the model uses, and what its states still hold of it."""

from __future__ import annotations

from charnn.analysis.context import context_use
from charnn.analysis.probes import FEWEST_SYMBOLS, Probes, probes_of
from charnn.report.context_picture import context_picture, probes_picture
from charnn.report.context_words import context_in_words, probes_in_words
from charnn.report.material import Material
from charnn.report.parts import Figure, Section

LENGTH, PLACES = 256, 400
PROBED = 16_000  # symbols of the text on which probes are fitted and scored
LAGS = 12


def context(material: Material) -> Section:
    """Return the loss by the symbols read, and the probes of the last layer's states."""
    window = material.saved.config.training.seq_length
    used = context_use(material.model, material.ids, LENGTH, PLACES, material.seed)
    shown = (
        f"The model begins with zero states at {used.places:,} random places of the text. The "
        "loss falls with each character that it has read, as far as it makes use of them."
    )
    sentences = [shown, context_in_words(used, window)]
    loss = (
        "The loss by the number of characters read. Compare it with the level line, the loss with "
        "all of the context: where the curve meets it, the past makes no difference to the model "
        "any more, although the gates could keep it."
    )
    figures = [Figure(context_picture(used, window), loss)]
    ids = material.ids[:PROBED]
    if len(ids) < FEWEST_SYMBOLS:
        sentences.append(f"The text is too short for probes, which need {FEWEST_SYMBOLS} symbols.")
        return Section("Context", sentences, figures)
    layer = len(material.model.stack.layers)
    trained, untrained = (
        probes_of(model, ids, LAGS, layer, material.seed)
        for model in (material.model, material.untrained)
    )
    sentences.append(
        "A softmax regression guesses the character k steps back from the state alone. By how "
        "many bits it beats H(x), the entropy of a character, is a lower bound of the mutual "
        f"information I(h_t; x_(t-k)). {probes_in_words(trained, untrained)}"
    )
    figures.append(Figure(probes_picture(trained, untrained), probes_caption(trained)))
    return Section("Context", sentences, figures)


def probes_caption(trained: Probes) -> str:
    """Return what the picture of the probes shows, and what to compare it with."""
    compared = "h with c, the state that only the output gate hides; " if len(trained.states) > 1 \
        else ""  # fmt: skip
    return (
        "What is left of a character k steps after it was read, in bits, at least. Compare "
        f"{compared}the trained weights with the untrained ones, and both with H(x), all that "
        "there is to know."
    )
