"""The learning curves of the run."""

from __future__ import annotations

from charnn.analysis.curves import compare
from charnn.report.curves_picture import curves_picture
from charnn.report.material import Material
from charnn.report.parts import Figure, Section


def curves(material: Material) -> Section:
    """Return the losses over updates in bits."""
    found = compare([material.path], "updates", "bits")
    (run,) = found.runs
    sentences = [f"{note[0].upper()}{note[1:]}" for note in found.notes]
    if not (run.train.x or run.val.x):
        return Section("Learning curves", [*sentences, "There is no loss to draw."])
    if run.val.y and run.train.y:
        gap = run.val.y[-1] - run.train.y[-1]
        sentences.append(
            f"At the end the validation loss is {run.val.y[-1]:.3f} bits per {material.unit} and "
            f"the training loss {run.train.y[-1]:.3f}; the difference is {gap:.3f} bits."
        )
    caption = (
        "The smoothed loss of the training batches, and the loss of text that was not learned "
        "from. Compare the two: while both fall, the model learns what texts of this kind have in "
        "common; where the validation loss rises and the training loss falls, it learns its own "
        "text by heart."
    )
    return Section("Learning curves", sentences, [Figure(curves_picture(found), caption)])
