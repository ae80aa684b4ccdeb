"""What of the model's samples stands in the training text."""

from __future__ import annotations

import numpy as np

from charnn.analysis.novelty import Novelty, novelty
from charnn.arrays import Array
from charnn.config import SamplingConfig
from charnn.generation.sampling import sample_ids
from charnn.pictures import Series, coloured_html, line_chart
from charnn.report.copied_runs import around, levels, symbols_of
from charnn.report.material import Material
from charnn.report.parts import Figure, Section

TEMPERATURES = (0.5, 0.8, 1.0)
LENGTH = 10_000  # symbols of a sample
SHOWN = 600


def copied_text(material: Material) -> Section:
    """Return the samples' n-grams that stand in the training text. Raises CorpusError."""
    text = material.training
    samples = {f"temperature {each:.1f}": drawn(material, each) for each in TEMPERATURES}
    found = novelty(samples, text.train, text.held_out, material.vocabulary)
    shown = (
        f"The model writes {LENGTH:,} {material.unit}s at each of three temperatures. For some n, "
        "every piece of n symbols in them is looked up in the training text. New text by the same "
        "author repeats the training text, too, so the held-out text of the run is the yardstick: "
        "only what goes beyond it is copying."
    )
    verdicts = (f"At {each.name}: {found.verdict(each)}" for each in found.samples)
    sentences = [shown, *verdicts, *text.notes]
    if found.held_out is None:
        sentences.append("The run held out no text to compare with.")
    figures = [Figure(picture(found), CAPTION)]
    figures += copied_passage(material, found, samples)
    return Section("Novelty", sentences, figures)


CAPTION = (
    "The share of n-grams that stand in the training text, by n. Compare each temperature with the "
    "held-out text: above its line the model repeats more than the author does, below it less, for "
    "instance because it misspells."
)


def drawn(material: Material, temperature: float) -> Array:
    """Return a sample, ids (N,)."""
    options = SamplingConfig(length=LENGTH, temperature=temperature, seed=material.seed)
    ids = np.empty(LENGTH, material.vocabulary.id_dtype)
    steps = sample_ids(material.model, material.vocabulary, options, ids[:0])
    for at, step in enumerate(steps):
        ids[at] = step[0]
    return ids


def picture(found: Novelty) -> str:
    """Return the shares by n as SVG."""
    series = []
    for each in (*found.samples, *([] if found.held_out is None else [found.held_out])):
        known = {n: share for n, share in each.known.items() if share is not None}
        series.append(Series(each.name, list(known), list(known.values())))
    return line_chart(
        series,
        title="What stands in the training text",
        x_label="n (symbols)",
        y_label="share of the n-grams",
        description="Of each text, the share of its n-grams that occur in the training text.",
    )


def copied_passage(material: Material, found: Novelty, samples: dict[str, Array]) -> list[Figure]:
    """Return the part around the longest of all copied runs, the copied symbols coloured."""
    best = max(found.samples, key=lambda each: each.longest.length if each.longest else 0)
    longest = best.longest
    if longest is None:
        return []
    begin, end = around(longest.start, longest.length, SHOWN, best.size)
    shown = coloured_html(
        symbols_of(samples[best.name][begin:end], material.vocabulary),
        levels(best, begin, end),
        title=f"A sample at {best.name}, with its copied runs",
        low=0,
        high=1,
    )
    caption = (
        f"The sample at {best.name} around its longest run that stands in the training text: "
        f"{longest.length:,} symbols, first in line {longest.line:,}. Runs of {found.run} symbols "
        "or more are coloured. Compare what is coloured with what is not: names, headings and set "
        "phrases stand in a text many times, and new text by the author has them, too."
    )
    return [Figure(shown, caption)]
