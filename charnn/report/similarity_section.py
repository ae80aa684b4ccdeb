"""Which characters the model takes for similar."""

from __future__ import annotations

from charnn.analysis.similarity import similar_symbols
from charnn.pictures import heat_map
from charnn.report.material import Material
from charnn.report.parts import Figure, Section

PAIRS = 5  # that a sentence names


def similarities(material: Material) -> Section:
    """Return the cosine similarities of the most frequent characters' input weights."""
    found = similar_symbols(material.model, material.ids)
    names = [material.sign(symbol) for symbol in found.symbols]
    named = ", ".join(
        f"“{material.sign(one)}” and “{material.sign(other)}” ({value:.2f})"
        for one, other, value in found.pairs(PAIRS)
    )
    source = {
        "embedding": "its row of the embedding",
        "input weights": "its row of the first layer's input weights, of all gates together",
    }[found.source]
    meaning = (
        f"What a character means to the network is a vector of {found.width:,} numbers: {source}. "
        "The cosine of two such vectors is 1 if they point the same way, and 0 if they have "
        f"nothing in common; for random vectors of this length it is {found.by_chance:.2f} in size "
        "on average."
    )
    sentences = [meaning]
    if named:
        sentences.append(f"The pairs that are most alike: {named}.")
    picture = heat_map(
        names,
        names,
        found.cosines,
        title="Cosine similarity of characters",
        scale="diverging",
        high=found.strongest,
    )
    caption = (
        f"The {len(names)} most frequent characters of the text, each beside one that is like it. "
        "Blue is alike, orange is opposite. Compare vowels with consonants, capitals with small "
        "letters, and punctuation with both: nobody told the model of these classes."
    )
    return Section("Similar characters", sentences, [Figure(picture, caption)])
