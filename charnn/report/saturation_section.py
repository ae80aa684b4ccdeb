"""How often gates are nearly shut or open, and states saturated."""

from __future__ import annotations

from charnn.pictures import bar_chart
from charnn.report.material import Material
from charnn.report.parts import Figure, Section, Table


def saturation(material: Material) -> Section:
    """Return the shares of time below 0.1 and above 0.9, by gate."""
    trained, untrained = material.watched
    sentence = (
        f"On {trained.symbols:,} {material.unit}s of the text, each gate of each unit was counted "
        "as nearly shut where it is below 0.1, and nearly open where it is above 0.9. A state is "
        "saturated where |h| is above 0.9: there the derivative of tanh, 1 - h^2, is below 0.19."
    )
    names = [f"{each.layer} {each.gate}" for each in trained.saturation]
    picture = bar_chart(
        names,
        {
            "below 0.1": [each.below for each in trained.saturation],
            "above 0.9": [each.above for each in trained.saturation],
        },
        title="Gates that are nearly shut or nearly open",
        x_label="share of time steps and units",
        limits=(0.0, 1.0),
        description="For each gate of the trained model, and for the size of its states.",
    )
    caption = (
        "The shares of time in the trained model. Compare them with the untrained model's in the "
        "table: what differs was learned. A forget gate that is open keeps its unit's state and "
        "lets the gradient through; one that is shut forgets."
    )
    rows = [
        (
            name,
            *(f"{value:.2f}" for value in (after.mean, before.mean)),
            *(f"{v:.1%}" for v in (after.below, before.below, after.above, before.above)),
            f"{after.mostly_below}, {after.mostly_above}",
        )
        for name, after, before in zip(names, trained.saturation, untrained.saturation, strict=True)
    ]
    columns = (
        *("gate", "mean", "untrained", "below 0.1", "untrained", "above 0.9", "untrained"),
        "units mostly below, above",
    )
    table = Table("The gates, trained and untrained; mostly: 9 times of 10", columns, rows)
    return Section("Saturation", [sentence], [Figure(picture, caption), table])
