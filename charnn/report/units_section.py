"""The units that follow something a reader can name, and the text coloured by the best of them."""

from __future__ import annotations

from charnn.analysis.features import Alphabet
from charnn.analysis.neurons import Follower, Neurons
from charnn.analysis.surprise import names
from charnn.analysis.unit_portrait import portrait
from charnn.pictures import coloured_html
from charnn.report.material import Material
from charnn.report.neurons_picture import neurons_picture
from charnn.report.parts import Figure, Section

COLOURED = 3  # units
SHOWN = 500  # symbols of the text for each


def units(material: Material) -> Section:
    """Return the best unit for each feature of the text, and some of them in the text's colours."""
    trained, untrained = material.watched
    compared = (
        "Each of the model's units was compared with things that a reader could keep count of. The "
        "best unit for each was chosen on one half of the text, and is judged on the other, so "
        "that chance is not taken for a finding."
    )
    best = best_units(trained)
    sentences = [compared, *(in_words(each) for each in best)]
    if trained.absent:
        sentences.append(f"Not in this text, or always: {', '.join(trained.absent)}.")
    caption = (
        "The correlation of the best unit with each feature; in brackets its layer, number and "
        "state. Compare each bar with the best untrained unit's: random weights follow simple "
        "features, too, and only the difference was learned."
    )
    figures = [Figure(neurons_picture(trained, untrained), caption)]
    figures += [coloured(material, each) for each in best]
    return Section("Units", sentences, figures)


def best_units(found: Neurons) -> list[Follower]:
    """Return the units that follow their features best on the half that did not choose them."""
    firsts = [followers[0] for followers in found.followers.values()]
    ranked = sorted((each for each in firsts if each.r is not None), key=lambda e: -abs(e.r or 0))
    chosen: dict[tuple[int, int, str], Follower] = {}
    for each in ranked:
        chosen.setdefault((each.layer, each.unit, each.state), each)
    return list(chosen.values())[:COLOURED]


def in_words(each: Follower) -> str:
    """Return what a unit follows, and how well, as a sentence."""
    auc = "" if each.auc is None else (
        f", and tells a symbol of which it is true from one of which it is not {each.auc:.1%} of "
        "the time (AUC)"
    )  # fmt: skip
    return (
        f"Unit {each.layer}:{each.unit} ({each.state}) follows “{each.feature}” with r = "
        f"{each.r:+.2f} on the half that did not choose it{auc}."
    )


def coloured(material: Material, each: Follower) -> Figure:
    """Return the text's beginning coloured by a unit."""
    place = each.layer, each.unit, each.state
    alphabet = Alphabet(material.vocabulary)
    found = portrait(material.model, material.ids, alphabet, material.stretches, place, SHOWN)
    median = found.quantiles["50%"]
    title = f"Unit {each.layer}:{each.unit}, {each.state}: {each.feature}"
    shown = coloured_html(
        names(material.ids[:SHOWN], material.vocabulary),
        [value - median for value in found.beginning],
        title=title,
        scale="diverging",
        high=found.spread or 1.0,
    )
    caption = (
        f"{title}. Blue: the unit's value after reading the {material.unit} is above its median; "
        "orange and underlined: below. Compare where the colour changes with the feature's own "
        "beginnings and ends."
    )
    return Figure(shown, caption)
