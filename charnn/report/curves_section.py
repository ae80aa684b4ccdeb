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
        sentences.append(at_the_end(run.train.y[-1], run.val.y[-1], material.unit))
    caption = (
        "The smoothed loss of the training batches, and the loss of text that was not learned "
        "from. Compare the two: while both fall, the model learns what texts of this kind have in "
        "common; where the validation loss rises and the training loss falls, it learns its own "
        "text by heart."
    )
    return Section("Learning curves", sentences, [Figure(curves_picture(found), caption)])


def at_the_end(train: float, val: float, unit: str) -> str:
    """Return the last losses in bits, and which is higher, as a sentence."""
    losses = (
        f"At the end the validation loss is {val:.3f} bits per {unit} and the training loss "
        f"{train:.3f}"
    )
    if val >= train:
        return f"{losses}: text that was not learned from costs {val - train:.3f} bits more."
    return (
        f"{losses}, which is higher because it is smoothed over earlier batches and measured with "
        "dropout, where there is any."
    )
