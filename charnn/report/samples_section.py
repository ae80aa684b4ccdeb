"""Samples at several temperatures."""

from __future__ import annotations

from charnn.config import SamplingConfig
from charnn.report.material import Material
from charnn.report.parts import Passage, Section

TEMPERATURES = {
    0.5: "mostly what the model is surest of: more words that exist, and more repetition.",
    0.8: "between the two.",
    1.0: "the model's own probabilities: as varied as its text, with more invented words.",
}
LENGTH = 500  # symbols of a sample


def samples(material: Material) -> Section:
    """Return a sample at each temperature."""
    passages = []
    for temperature, words in TEMPERATURES.items():
        options = SamplingConfig(length=LENGTH, temperature=temperature, seed=material.seed)
        (found,) = material.saved.task.samples(material.model, material.vocabulary, options)
        passages.append(Passage(str(found["text"]), f"Temperature {temperature:.1f}: {words}"))
    sentence = (
        f"The model writes {LENGTH} {material.unit}s at each of three temperatures, from nothing, "
        f"with seed {material.seed}. Its logits are divided by the temperature before the softmax: "
        "below 1, likely symbols become likelier. Compare the spelling and the line ends with "
        "those of the text that it learned from."
    )
    return Section("Samples", [sentence], passages)
