"""The run and its text: what was trained, on what, and how well it predicts."""

from __future__ import annotations

import math

import numpy as np

from charnn.report.material import Material
from charnn.report.parts import Section, Table
from charnn.tasks.language_modelling import unknown_notes


def run_and_text(material: Material) -> Section:
    """Return what was trained, on what, and its loss beside that of guessing."""
    saved, model = material.saved, material.saved.config.model
    parts = ", ".join(f"{name} {size:,}" for name, size in saved.corpus.parts.items())
    inputs = "one-hot" if model.embedding_size is None else f"embedding of {model.embedding_size}"
    rows = [
        ("model", f"{material.model.cell}, layers: {model.num_layers}, units: {model.hidden_size}"),
        ("input", inputs),
        ("attention", model.attention or "none"),
        ("parameters", f"{saved.parameters.flat.size:,}"),
        ("trained on", f"{saved.corpus.name} ({parts})"),
        ("vocabulary", f"{len(material.vocabulary)} {material.vocabulary.tokens}"),
        ("progress", f"{saved.progress.update:,} updates"),
        ("text of this report", f"{material.text}, {len(material.ids):,} {material.unit}s"),
    ]
    sentences = [*losses(material), *unknown_notes(material.outside, material.vocabulary, "read")]
    return Section(
        "The run and its text",
        sentences,
        [Table("The model and its texts", ("fact", "value"), rows)],
    )


def losses(material: Material) -> list[str]:
    """Return the model's best loss beside those of two ways of guessing, as sentences."""
    unit, best = material.unit, material.saved.progress.best_loss
    size = len(material.vocabulary)
    entropy = entropy_of(material.ids, size)
    sentences = []
    if best is not None:
        val = any(row[2] is not None for row in material.saved.progress.history)
        sentences.append(
            f"The best loss of the run is {best:.4f} nats per {unit}, which is "
            f"{best / math.log(2):.3f} bits, on the {'validation' if val else 'training'} part."
        )
    sentences.append(
        f"To compare: who knows nothing and gives all {size} symbols the same probability needs "
        f"{math.log2(size):.3f} bits per {unit}; who knows how often each symbol occurs, and not "
        f"what precedes it, needs {entropy:.3f} bits on the text of this report (its entropy "
        "H(x))."
    )
    return sentences


def entropy_of(ids: np.ndarray, size: int) -> float:
    """Return the entropy of the symbols' shares in bits: ids (N,) -> H(x)."""
    shares = np.bincount(ids, minlength=size) / len(ids)
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum()) + 0.0
