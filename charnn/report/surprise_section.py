"""How surprising the text is to the model, and what is hard about it."""

from __future__ import annotations

from charnn.analysis.surprise import Reading, Surprise, read
from charnn.errors import CorpusError
from charnn.pictures import coloured_html
from charnn.report.material import Material
from charnn.report.parts import Figure, Section, Table

LONGEST = 100_000  # symbols of the text that are read
SHOWN = 1_000
HIGHEST = 9  # bits: the strongest shade


def surprise(material: Material) -> Section:
    """Return the classes of errors, and the beginning of the text coloured by its surprise."""
    ids = material.ids[:LONGEST]
    notes = []
    if len(ids) < len(material.ids):
        notes.append(f"Only the first {LONGEST:,} {material.unit}s of the text were read.")
    try:
        text = material.training
        notes += [f"{note[0].upper()}{note[1:]}" for note in text.notes]
        train = text.train
    except CorpusError as error:
        notes.append(f"There are no classes n-gram and rare word: {error}")
        train = None
    found = read(material.model, material.vocabulary, ids, train, part=(0, SHOWN))
    worst = ", ".join(
        f"“{material.sign_of(each.symbol)}” after “{before(material, each)}” ({each.bits:.1f} bits)"
        for each in found.surprising[:3]
    )
    unit = material.unit
    meaning = (
        f"The surprise of a {unit} is -log2 of the probability that the model gave it: 1 bit at a "
        f"chance of 1/2, 8 bits at 1/256. Its mean over {found.symbols:,} {unit}s is "
        f"{found.bits / found.symbols:.3f} bits: the loss, and also what a compressor that uses "
        f"the model would need. {found.errors / found.symbols:.1%} had a chance below 1/2: these "
        "are errors, and each belongs to the first class of the table that fits it."
    )
    sentences = [meaning, f"The most surprising ones: {worst}.", *notes]
    return Section("Surprise", sentences, [classes(found), passage(material, found.shown)])


def classes(found: Reading) -> Table:
    """Return the classes with their shares of the loss."""
    rows = [
        (
            kind.name,
            kind.definition,
            f"{kind.symbols:,}",
            f"{kind.bits / (found.bits or 1):.1%}",
            f"{kind.bits / kind.symbols:.2f}" if kind.symbols else "-",
        )
        for kind in found.kinds
    ]
    return Table(
        "What is hard about the text. Compare the class n-gram with the others: there, knowing the "
        "training text by heart would have helped",
        ("class", "what is in it", "symbols", "of the loss", "bits each"),
        rows,
    )


def passage(material: Material, shown: list[Surprise]) -> Figure:
    """Return symbols coloured by their surprise, each with what was likelier as a note."""
    picture = coloured_html(
        [each.symbol for each in shown],
        [float("nan") if each.bits is None else each.bits for each in shown],
        title="The beginning of the text, coloured by surprise in bits",
        low=0,
        high=HIGHEST,
        notes=[note(material, each) for each in shown],
    )
    caption = (
        f"The text's first {len(shown):,} {material.unit}s: the stronger the colour, the less the "
        f"model expected the {material.unit} (bits; {HIGHEST} and more look the same). Rest the "
        "mouse on one to see the five likeliest. Compare the beginnings of words with their ends."
    )
    return Figure(picture, caption)


def note(material: Material, each: Surprise) -> str:
    """Return a symbol's surprise and the likeliest ones before it in words."""
    if each.bits is None:
        return "not predicted"
    guesses = ", ".join(f"{material.sign_of(s)} {p:.0%}" for s, p in each.guesses)
    return f"{each.bits:.1f} bits; likeliest: {guesses}"


def before(material: Material, each: Surprise, letters: int = 20) -> str:
    """Return the text before a symbol, with signs for line ends."""
    text = material.vocabulary.decode(
        material.ids[max(0, each.place - letters) : each.place].tolist()
    )
    return text.replace("\n", "↵")
