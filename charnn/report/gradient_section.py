"""How far gradients reach back."""

from __future__ import annotations

from charnn.analysis.clipping_record import clipping_of
from charnn.analysis.gradient_flow import GradientFlow, LayerFlow, gradient_flow, places_in
from charnn.report.gradient_picture import gradient_picture
from charnn.report.gradient_words import clipping_in_words, meaning
from charnn.report.material import Material
from charnn.report.parts import Figure, Section, Table

LAGS, POSITIONS = 200, 100


def gradients(material: Material) -> Section:
    """Return the norms of a loss's gradients by lag, beside those of the untrained weights."""
    ids, window = material.ids, material.saved.config.training.seq_length
    places = places_in(len(ids), LAGS, POSITIONS, material.seed)
    trained, untrained = (
        gradient_flow(model, ids, places, window) for model in (material.model, material.untrained)
    )
    shown = (
        f"The loss at {trained.positions} places T of the text, followed {trained.lags} steps "
        "back: the norm of its gradient by the state k steps before says how much a small change "
        "of that state would have changed the loss. Where the gradient has vanished, the model "
        "cannot learn from what it read there."
    )
    sentences = [shown]
    for after, before in zip(trained.layers, untrained.layers, strict=True):
        said = " ".join(sentence.strip() for sentence in meaning(after, before, window))
        sentences.append(said if len(trained.layers) == 1 else f"{after.name}: {said}")
    clipping, unknown = clipping_of(material.path, material.saved)
    if clipping is not None:
        sentences.append(clipping_in_words(clipping))
    elif unknown is not None:
        sentences.append(f"{unknown[0].upper()}{unknown[1:]}")
    caption = (
        "The median norm by lag, on a logarithmic axis, where a constant factor a step is a "
        "straight line. Compare the trained weights with the same weights before training, and the "
        "whole gradient with the direct path, where there is one: where the whole lies above it, "
        "the rest has come through the weights."
    )
    table = Table(
        "What the lines come to",
        ("state", "factor a step", "half-life (steps)", "below 1 % from lag"),
        [*rows(trained, "trained"), *rows(untrained, "untrained")],
    )
    picture = gradient_picture(trained, untrained, window)
    return Section("Gradient flow", sentences, [Figure(picture, caption), table])


def rows(flow: GradientFlow, which: str) -> list[tuple[str, ...]]:
    """Return a row for each state of each layer, and for its direct path."""
    return [row for layer in flow.layers for row in rows_of(layer, which)]


def rows_of(layer: LayerFlow, which: str) -> list[tuple[str, ...]]:
    """Return the rows of a layer."""
    found = []
    for state in layer.states:
        decays = {state.state: state.decay, f"{state.state}, direct path alone": state.direct_decay}
        for name, decay in decays.items():
            if decay is not None:
                figures = (decay.factor, ".4f"), (decay.half_life, ".1f")
                found.append(
                    (
                        f"{which}, {layer.name} {name}",
                        *("-" if value is None else format(value, form) for value, form in figures),
                        "-" if decay.lag_at_one_percent is None else f"{decay.lag_at_one_percent}",
                    )
                )
    return found
