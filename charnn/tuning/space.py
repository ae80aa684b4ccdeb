"""Which configurations a search tries: the one that it starts from, and others around it.

    learning_rate   log-uniform from a quarter of the start's to four times it
    dropout         one of 0, 0.05, 0.1, 0.2, 0.3, 0.5
    hidden_size     the start's times a power of sqrt 2, from a quarter to four times it
    num_layers      1, 2 or 3
    seq_length      32, 64, 128 or 256

In each draw an option keeps the start's value with a probability of at least 1/2: the start has
been chosen with care, and what differs from it in every respect at once is seldom better. The draws
follow from the start and the seed; what does not fit the data or the time is drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from charnn.config import Config
from charnn.errors import ConfigError
from charnn.options import Value

SEARCHED = ("learning_rate", "dropout", "hidden_size", "num_layers", "seq_length")
KEPT = 0.5  # probability of the start's value
FACTOR = 4.0  # of the start's learning rate, at the most
HALF_OCTAVES = 4  # of the hidden size, up and down
MULTIPLE = 8  # of a hidden size
CHOICES: dict[str, tuple[float, ...]] = {
    "dropout": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
    "num_layers": (1, 2, 3),
    "seq_length": (32, 64, 128, 256),
}
DRAWS = 200  # for one configuration, before the space counts as exhausted


def searched(start: Config, fixed: Collection[str]) -> list[str]:
    """Return the options that a search varies: those of the task that are not fixed.

    Raises ConfigError where there are none.
    """
    known, task = Config.options(), start.task.task
    names = [name for name in SEARCHED if known[name].serves(task) and name not in fixed]
    if not names:
        raise ConfigError(
            f"{', '.join(SEARCHED)} are all given, so there is nothing to search; leave one out, "
            "or write them into a file for --config, from which the search starts."
        )
    return names


def values_near(name: str, value: float) -> Sequence[float]:
    """Return the values from which an option is drawn, around the start's."""
    if name == "hidden_size":
        steps = range(-HALF_OCTAVES, HALF_OCTAVES + 1)
        sizes = (value * math.sqrt(2) ** step / MULTIPLE for step in steps)
        return sorted({max(MULTIPLE, MULTIPLE * round(size)) for size in sizes} | {int(value)})
    return sorted({*CHOICES[name], value})


def drawn(start: Config, names: Sequence[str], random: np.random.Generator) -> dict[str, Value]:
    """Return the values of a configuration around the start."""
    found: dict[str, Value] = {}
    whole = start.values()
    for name in names:
        own = whole[name]
        if not isinstance(own, (int, float)):
            raise TypeError(name)
        if random.random() < KEPT:
            found[name] = own
        elif name == "learning_rate":
            rate = own * FACTOR ** random.uniform(-1, 1)
            found[name] = float(f"{rate:.3g}")
        else:
            near = values_near(name, own)
            found[name] = near[int(random.integers(len(near)))]
    return found


def candidates(
    start: Config,
    names: Sequence[str],
    count: int,
    allowed: Callable[[Config], bool],
) -> list[dict[str, Value]]:
    """Return the values of up to `count` different configurations; the first is the start.

    What is not allowed, or what options forbid, is drawn again; fewer are returned where nothing
    else can be drawn.
    """
    whole = start.values()
    found: list[dict[str, Value]] = [{name: whole[name] for name in names}]
    for number in range(1, count):
        random = np.random.default_rng([start.training.seed, number])
        for _ in range(DRAWS):
            values = drawn(start, names, random)
            if values not in found and possible(start, values, allowed):
                found.append(values)
                break
        else:
            break
    return found


def possible(start: Config, values: dict[str, Value], allowed: Callable[[Config], bool]) -> bool:
    """Return whether values make a configuration, and one that is allowed."""
    try:
        config = start.replace(**values)
    except ConfigError:  # tied weights, say, forbid another size
        return False
    return allowed(config)
