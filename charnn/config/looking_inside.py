"""The options of the commands that look at a model's states: `charnn context`, `charnn neurons`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from charnn.errors import ConfigError
from charnn.options import Section, option, shown


@dataclass(frozen=True)
class ContextConfig(Section):
    """How the use of the past is measured."""

    length: int = option(
        256, "The most characters that are read from a zero state.", minimum=1, maximum=4_096
    )
    positions: int = option(
        600, "Random places in the text where reading begins.", minimum=2, maximum=100_000
    )
    lags: int = option(
        20, "Characters back that the probes try to read from a state.", minimum=0, maximum=200
    )
    layer: int | None = option(None, "The layer whose states are probed (none: last).", minimum=1)
    seed: int = option(1, "Same seed, same places.", minimum=0, maximum=2**63 - 1)
    encoding: str = option("utf-8", "Encoding of the text.")


@dataclass(frozen=True)
class NeuronsConfig(Section):
    """Which part of a text the units are watched on, and which of them is shown."""

    symbols: int = option(
        100_000,
        "The most characters of the text on which units are watched; of a longer text, random "
        "stretches.",
        minimum=64,
        maximum=5_000_000,
    )
    top: int = option(2, "Units that are shown for each feature.", minimum=1, maximum=100)
    unit: str | None = option(
        None, "Show a unit: its layer and its number, both from 1, as in 1:37."
    )
    state: str | None = option(
        None, "The state of the unit that is shown, h or c (none: the cell's last)."
    )
    length: int = option(
        600, "How many characters are coloured by the unit.", minimum=1, flag="--len"
    )
    seed: int = option(1, "Same seed, same stretches and halves.", minimum=0, maximum=2**63 - 1)
    encoding: str = option("utf-8", "Encoding of the text.")

    def __post_init__(self) -> None:
        """Check the unit, too. Raises ConfigError."""
        super().__post_init__()
        if self.unit is not None and not re.fullmatch(r"[1-9]\d{0,8}:[1-9]\d{0,8}", self.unit):
            raise ConfigError(
                f"unit is {shown(self.unit)}; give a layer and a unit of it, both counted from 1, "
                "as in 1:37."
            )

    @property
    def place(self) -> tuple[int, int] | None:
        """The layer and the number of the unit that is shown, both from 1."""
        if self.unit is None:
            return None
        layer, _, number = self.unit.partition(":")
        return int(layer), int(number)
