"""`charnn hello --task transduce`: an encoder-decoder learns to turn one word into another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from charnn.cli.hello_numbers import by, show_gradients, shown, shown_text, vector

if TYPE_CHECKING:
    from charnn.models.walkthrough_transduce import DecoderStep, TransductionWalkthrough

SHOWN_UNITS = 8

Tell = Callable[[str], None]


def as_data(example: TransductionWalkthrough) -> dict[str, Any]:
    """Return the whole walkthrough as data."""
    import numpy as np

    loss, gradients = example.backward()
    return {
        "text": example.text,
        "target": example.target,
        "source_symbols": example.source_symbols,
        "target_symbols": example.target_symbols,
        "delimiter": example.model.delimiter,
        "shapes": {name: list(shape) for name, shape in example.model.parameters.shapes.items()},
        "before": run(example),
        "summed_loss": loss,
        "summed_loss_of_chance": example.summed_loss_of_chance,
        "gradient_norms": {name: float(np.linalg.norm(g)) for name, g in gradients.items()},
        "training": [asdict(milestone) for milestone in example.train()],
        "after": run(example),
        "decoding": [asdict(choice) for choice in example.decode()],
    }


def run(example: TransductionWalkthrough) -> dict[str, Any]:
    """Return every number of encoder, bridge and decoder as data."""
    return {
        "encoder": [asdict(step) for step in example.encoder_steps()],
        "bridge": [asdict(bridge) for bridge in example.bridges()],
        "decoder": [asdict(step) for step in example.decoder_steps()],
    }


def narrate(example: TransductionWalkthrough, quiet: bool) -> None:
    """Print the walkthrough, chapter by chapter."""
    from charnn.cli.console import show

    def tell(text: str) -> None:
        if not quiet:
            show(text)

    tell(f"How a network learns to turn {example.text!r} into {example.target!r}\n")
    show_task(example, tell)
    show_network(example, tell)
    show_encoder(example, tell)
    tell("5. The decoder, untrained: it reads the target's symbols, and looks back at each step.")
    steps = example.decoder_steps()
    show_decoder(steps)
    show_attention(example, steps, "before training")
    show_outputs(example, steps, "before training")
    loss, gradients = example.backward()
    T, V = len(example.targets), len(example.outputs)
    show(
        f"   summed loss {loss:.4f} nats; even odds would have T ln V = {T} ln {V} = "
        f"{example.summed_loss_of_chance:.4f}\n"
    )
    tell("6. Backward: from the outputs through decoder, attention and bridge into the encoder.")
    show_gradients({f" {name}": gradient for name, gradient in gradients.items()})
    show_training(example, tell)
    steps = example.decoder_steps()
    tell(
        "8. The decoder again, trained. One pair can be learned by heart, so what it looks at need"
    )
    tell("   not be the symbol that it writes; with many pairs nothing else helps.")
    show_attention(example, steps, "after training")
    show_outputs(example, steps, "after training")
    show_decoding(example, tell)
    tell("\nNext: charnn make reverse, charnn gradcheck --task transduce, charnn train --help")


def show_task(example: TransductionWalkthrough, tell: Tell) -> None:
    """Print the symbols of both sides, and what is to be read and predicted."""
    from charnn.cli.console import show, show_table

    tell("1. Two vocabularies. Begin and end of a target are one more id, which no text contains:")
    tell("   read, it begins the target; predicted, it ends it.")
    ends = f"{example.shown(example.model.delimiter, 'begin')} or end"
    sources, targets = example.source_symbols, [*example.target_symbols, ends]
    rows = [
        [
            n,
            shown(sources[n]) if n < len(sources) else "",
            name_of(targets[n]) if n < len(targets) else "",
        ]
        for n in range(max(len(sources), len(targets)))
    ]
    show_table("symbols", ["id", "source", "target"], rows, ["source", "target"])
    tell("2. The task: read the source, then predict the target symbol by symbol. In training the")
    tell("   decoder reads the right symbol before, whatever it has predicted (teacher forcing).")
    inputs = [example.shown(int(n), "<begin>") for n in example.inputs[:, 0]]
    targets = [example.shown(int(n), "<end>") for n in example.targets[:, 0]]
    show(f"   source   {' '.join(map(shown, example.text))}")
    show(f"   reads    {' '.join(map(name_of, inputs))}")
    show(f"   predicts {' '.join(map(name_of, targets))}\n")


def show_network(example: TransductionWalkthrough, tell: Tell) -> None:
    """Print the equations and the parameters."""
    from charnn.cli.console import show, show_table

    H = example.model.config.hidden_size
    tell(f"3. The network: {example.model.cell}, H = {H} hidden units in each direction of the")
    tell(f"   encoder and in the decoder; attention: {example.attention.title}.")
    for line in (
        *example.model.cell.equations,
        "",
        "k_s = [->h_s; <-h_s]                 encoder, forwards and backwards",
        "s_0 = tanh([->h_S; <-h_1] W_s + b_s) bridge",
        f"{example.attention.equation:<36} score, q_t = h_t",
        "alpha_ts = exp(e_ts) / sum_s exp(e_ts)",
        "c_t = sum_s alpha_ts k_s             context",
        "h~_t = tanh([c_t; h_t] W_c)",
        "y_t = softmax(h~_t W_hy + b_y)",
        "L_t = -ln y_t[target]",
        "",
    ):
        show(f"   {line}")
    rows = [
        [
            name,
            by(map(str, spec.shape)),
            math.prod(spec.shape),
            f"{by(axis.name for axis in spec.axes)}: {spec.meaning}",
        ]
        for name, spec in example.model.specs.items()
    ]
    show_table("parameters", ["name", "shape", "count", "what"], rows, ["name", "what"])


def show_encoder(example: TransductionWalkthrough, tell: Tell) -> None:
    """Print the encoder's states, and what the bridge makes of the last ones."""
    from charnn.cli.console import show_table

    tell("4. The encoder reads forwards from s = 1 on, and backwards from the end on.")
    steps = example.encoder_steps()
    for title, states in (
        ("forwards, ->h_s", [step.forward for step in steps]),
        ("backwards, <-h_s", [step.backward for step in steps]),
    ):
        rows = [
            [s, shown(step.symbol), units(state)]
            for s, (step, state) in enumerate(zip(steps, states, strict=True), 1)
        ]
        show_table(f"encoder, {title}", ["s", "reads", "state"], rows, ["state"])
    tell("   The bridge: what both directions end with becomes what the decoder begins with.")
    rows = []
    for bridge in example.bridges():
        H = len(bridge.first)
        rows += [
            [f"->{bridge.state}", units(bridge.final[:H])],
            [f"<-{bridge.state}", units(bridge.final[H:])],
            [f"{bridge.state}_0", units(bridge.first)],
        ]
    show_table("bridge", ["state", "values"], rows, ["state", "values"])


def show_decoder(steps: list[DecoderStep]) -> None:
    """Print the vectors of every step of the decoder."""
    from charnn.cli.console import show_table

    K = len(steps[0].context)
    for title, vectors in (
        ("h_t", [step.h for step in steps]),
        ("c_t, the forward half", [step.context[: K // 2] for step in steps]),
        ("c_t, the backward half", [step.context[K // 2 :] for step in steps]),
        ("h~_t", [step.attentional for step in steps]),
    ):
        rows = [
            [t, name_of(step.symbol), units(values)]
            for t, (step, values) in enumerate(zip(steps, vectors, strict=True), 1)
        ]
        show_table(f"decoder, {title}", ["t", "reads", "values"], rows, ["values"])


def show_attention(example: TransductionWalkthrough, steps: list[DecoderStep], when: str) -> None:
    """Print the scores, and the weights that they become: the attention matrix."""
    from charnn.cli.console import show_table

    columns = [f"{s}\n{shown(symbol)}" for s, symbol in enumerate(example.text, 1)]
    for title, digits, table in (
        ("scores e_ts", "+.2f", [step.scores for step in steps]),
        ("attention alpha_ts", ".3f", [step.attention for step in steps]),
    ):
        rows = [
            [t, name_of(step.target), *(format(value, digits) for value in values)]
            for t, (step, values) in enumerate(zip(steps, table, strict=True), 1)
        ]
        show_table(f"{title}, {when}", ["t", "predicts", *columns], rows)


def show_outputs(example: TransductionWalkthrough, steps: list[DecoderStep], when: str) -> None:
    """Print the outputs and losses of every step."""
    from charnn.cli.console import show_table

    rows = [
        [
            t,
            vector(s.logits, 2),
            vector(s.y, 3),
            name_of(s.target),
            f"{s.target_probability:.4f}",
            f"{s.loss:.4f}",
        ]
        for t, s in enumerate(steps, 1)
    ]
    names = " ".join(map(name_of, example.outputs))
    headings = ["t", "logits", "softmax", "target", "its share", "loss"]
    show_table(f"output for {names}, {when}", headings, rows, ["logits", "softmax"])


def show_training(example: TransductionWalkthrough, tell: Tell) -> None:
    """Train, and print how what the decoder writes changed on the way."""
    from charnn.cli.console import show_table
    from charnn.models.walkthrough import LEARNING_RATE

    tell("7. Training: take a small step down the gradient, forward again, and so on.")
    milestones = example.train()
    show_table(
        f"gradient descent, learning rate {LEARNING_RATE:g}",
        ["update", "summed loss", "writes"],
        [[m.update, f"{m.loss:.4f}", shown_text(m.says)] for m in milestones],
        ["writes"],
    )
    last = milestones[-1]
    tell(
        f"   After {last.update:,} updates it writes {last.says!r}.\n"
        if last.says == example.target
        else f"   After {last.update:,} updates it still writes {last.says!r}; try another "
        "--hidden-size or --seed.\n"
    )


def show_decoding(example: TransductionWalkthrough, tell: Tell) -> None:
    """Print how the trained decoder writes by itself."""
    from charnn.cli.console import show, show_table

    tell("9. Greedy decoding: no target to read now, each step reads what the one before chose.")
    choices = example.decode()
    rows = [
        [
            t,
            name_of(choice.symbol),
            *(f"{share:.3f}" for share in choice.y),
            name_of(choice.chosen),
        ]
        for t, choice in enumerate(choices, 1)
    ]
    columns = ["t", "reads", *map(name_of, example.outputs), "chooses"]
    show_table("decoding, the likeliest symbol at each step", columns, rows)
    show(f"   {shown_text(example.text)} -> {shown_text(example.says())}")


def name_of(symbol: str) -> str:
    """Return a target's symbol, or the begin or end symbol, as a table shows it."""
    return shown(symbol) if len(symbol) == 1 else symbol


def units(values: list[float]) -> str:
    """Return a state as a row of numbers, the first ones of many."""
    return vector(values[:SHOWN_UNITS], 2) + " ..." * (len(values) > SHOWN_UNITS)
