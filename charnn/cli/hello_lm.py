"""`charnn hello`: a language model learns to spell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from charnn.cli.hello_numbers import (
    by,
    show_gradients,
    shown,
    shown_text,
    vector,
)

if TYPE_CHECKING:
    from charnn.models.walkthrough import TimeStep, Walkthrough
    from charnn.nn.parameters import ParameterSpec

SHOWN_UNITS = 8


def as_data(example: Walkthrough) -> dict[str, Any]:
    """Return the whole walkthrough as data."""
    import numpy as np

    before = [asdict(step) for step in example.time_steps()]
    loss, gradients = example.backward()
    return {
        "symbols": example.symbols,
        "one_hot": [example.one_hot(n) for n in range(len(example.symbols))],
        "shapes": {name: list(shape) for name, shape in example.model.parameters.shapes.items()},
        "before": before,
        "summed_loss": loss,
        "summed_loss_of_chance": example.summed_loss_of_chance,
        "gradient_norms": {name: float(np.linalg.norm(g)) for name, g in gradients.items()},
        "training": [asdict(milestone) for milestone in example.train()],
        "after": [asdict(step) for step in example.time_steps()],
        "sampling": [asdict(draw) for draw in example.draws()],
    }


def narrate(example: Walkthrough, quiet: bool) -> None:
    """Print the walkthrough, chapter by chapter."""
    from charnn.cli.console import show

    def tell(text: str) -> None:
        if not quiet:
            show(text)

    tell(f"How a network learns to say {example.text!r}\n")
    show_task(example, tell)
    show_network(example, tell)
    tell("\n4. Forward, untrained: h_0 is zero, and each step's loss is -ln of the target's share.")
    show_steps(example, "before training")
    loss, gradients = example.backward()
    T, V = len(example.inputs), len(example.symbols)
    show(
        f"   summed loss {loss:.4f} nats; even odds would have T ln V = {T} ln {V} = "
        f"{example.summed_loss_of_chance:.4f}\n"
    )
    tell("5. Backward through time: from the last step to the first, the gradients summed.")
    show_gradients({own_name(name): g for name, g in gradients.items()})
    show_training(example, tell)
    tell("7. Forward again, the same table, trained.")
    show_steps(example, "after training")
    show_sampling(example, tell)
    tell("\nNext: charnn hello --cell lstm, charnn gradcheck, charnn train data/the-tide-clock.txt")


def show_task(example: Walkthrough, tell: Callable[[str], None]) -> None:
    """Print the vocabulary, and what is to be predicted."""
    from charnn.cli.console import show, show_table

    tell("1. The vocabulary: each symbol has an id, and a vector that is 1 at its id, 0 elsewhere.")
    show_table(
        f"vocabulary, V = {len(example.symbols)}",
        ["id", "symbol", "one-hot"],
        [[n, shown(s), vector(example.one_hot(n), 0)] for n, s in enumerate(example.symbols)],
        ["symbol", "one-hot"],
    )
    T = len(example.inputs)
    tell(f"2. The task: at each of T = {T} time steps, read a symbol and predict the next one.")
    show(f"   input   {' '.join(map(shown, example.text[:-1]))}")
    show(f"   target  {' '.join(map(shown, example.text[1:]))}\n")


def show_network(example: Walkthrough, tell: Callable[[str], None]) -> None:
    """Print the equations, the parameters, and the network unrolled."""
    from charnn.cli.console import show, show_table

    H = example.model.config.hidden_size
    tell(f"3. The network: {example.model.cell}, H = {H} hidden units, a state that it carries on.")
    for line in equations(example):
        show(f"   {line}")
    show_table(
        "parameters",
        ["name", "shape", "count", "what"],
        [
            [own_name(name), by(map(str, spec.shape)), math.prod(spec.shape), meaning(spec)]
            for name, spec in example.model.specs.items()
        ],
        ["name", "what"],
    )
    tell("   Unrolled over time it is one network, the same weights at every step:\n")
    for line in diagram(example.text[:-1], example.text[1:], recurrent_weights(example)):
        show(line)


def show_training(example: Walkthrough, tell: Callable[[str], None]) -> None:
    """Train, and print how the network's spelling changed on the way."""
    from charnn.cli.console import show_table
    from charnn.models.walkthrough import LEARNING_RATE

    tell("6. Training: take a small step down the gradient, forward again, and so on.")
    milestones = example.train()
    show_table(
        f"gradient descent, learning rate {LEARNING_RATE:g}",
        ["update", "summed loss", "says"],
        [[m.update, f"{m.loss:.4f}", shown_text(example.text[0] + m.says)] for m in milestones],
        ["says"],
    )
    last = milestones[-1]
    tell(
        f"   After {last.update:,} updates it says {last.says!r}.\n"
        if last.says == example.text[1:]
        else f"   After {last.update:,} updates it still says "
        f"{last.says!r}; try another --hidden-size or --seed.\n"
    )


def show_sampling(example: Walkthrough, tell: Callable[[str], None]) -> None:
    """Print what the trained network draws, and from which distributions."""
    from charnn.cli.console import show, show_table

    tell(f"8. Sampling: from {shown(example.text[0])} on it reads what it has drawn itself.")
    draws = example.draws()
    show_table(
        "sampling, temperature 1",
        ["t", "reads", *(shown(symbol) for symbol in example.symbols), "draws"],
        [
            [t, shown(draw.symbol), *(f"{share:.3f}" for share in draw.y), shown(draw.drawn)]
            for t, draw in enumerate(draws, 1)
        ],
    )
    show(f"   {shown_text(example.text[0] + ''.join(draw.drawn for draw in draws))}")


def show_steps(example: Walkthrough, when: str) -> None:
    """Print the table of every number of every time step."""
    from charnn.cli.console import show_table

    steps: list[TimeStep] = example.time_steps()
    H = len(steps[0].h)
    rows = [
        [
            t,
            shown(s.symbol),
            vector(s.x, 0),
            vector(s.h[:SHOWN_UNITS], 2) + (" ..." * (H > SHOWN_UNITS)),
        ]
        for t, s in enumerate(steps, 1)
    ]
    show_table(f"input and state, {when}", ["t", "reads", "x_t", "h_t"], rows, ["x_t", "h_t"])
    rows = [
        [
            t,
            vector(s.logits, 2),
            vector(s.y, 3),
            shown(s.target),
            f"{s.target_probability:.4f}",
            f"{s.loss:.4f}",
        ]
        for t, s in enumerate(steps, 1)
    ]
    names = " ".join(map(shown, example.symbols))
    show_table(
        f"output for {names}, {when}",
        ["t", "logits", "softmax", "target", "its share", "loss"],
        rows,
        ["logits", "softmax"],
    )


def equations(example: Walkthrough) -> list[str]:
    """Return the equations of the whole network."""
    output = ["y_t = softmax(h_t W_hy + b_y)", "L_t = -ln y_t[target]", ""]
    return [*example.model.cell.equations, *output]


def meaning(spec: ParameterSpec) -> str:
    """Return what a parameter is for, with the names of its axes."""
    return f"{by(axis.name for axis in spec.axes)}: {spec.meaning}"


def own_name(name: str) -> str:
    """Return a parameter's name without that of its layer, since there is only one."""
    return name.rpartition("/")[2]


def recurrent_weights(example: Walkthrough) -> str:
    """Return the name of what leads from state to state: the weights, if there are any."""
    for name, spec in example.model.specs.items():
        if [axis.name for axis in spec.axes].count("H") == 2:
            return own_name(name)
    return "state"


def diagram(inputs: str, targets: str, recurrent: str) -> list[str]:
    """Draw the network unrolled over the word."""
    width = 9
    steps = range(1, len(inputs) + 1)

    def row(label: str, cells: list[str]) -> str:
        return f"   {label:<8}      " + "".join(cell.ljust(width) for cell in cells)

    bars = ["|"] * len(inputs)
    return [
        row("target", [shown(symbol) for symbol in targets]),
        row("softmax", [f"y_{t}" for t in steps]),
        row("W_hy", bars),
        f"   {recurrent:<8}h_0 > " + " > ".join(f"h_{t}".ljust(width - 3) for t in steps).rstrip(),
        row("W_xh", bars),
        row("input", [shown(symbol) for symbol in inputs]),
    ]
