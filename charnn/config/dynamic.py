"""The options of dynamic evaluation, which is a part of `charnn eval`."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.config.tasks import LM
from charnn.errors import ConfigError
from charnn.options import Section, option, options_of, shown

BECAUSE = "dynamic evaluation reads a text from beginning to end"


@dataclass(frozen=True)
class DynamicConfig(Section):
    """Whether a model goes on learning from the text that it is scored on, and how."""

    dynamic: bool = option(
        False,
        "Show also the loss of a model that goes on learning from each segment once it is scored.",
        tasks=LM,
        because=BECAUSE,
    )
    dynamic_rate: float = option(
        7e-4,
        "How far a segment moves the weights (with --dynamic; 0: not at all).",
        minimum=0,
        tasks=LM,
        because=BECAUSE,
    )
    dynamic_decay: float = option(
        0.003,
        "Share of their way back to the trained weights that weights go with each segment, on "
        "average (with --dynamic).",
        minimum=0,
        maximum=1,
        tasks=LM,
        because=BECAUSE,
    )
    dynamic_segment: int = option(
        40,
        "Symbols of a segment (with --dynamic).",
        minimum=1,
        maximum=1_000_000,
        tasks=LM,
        because=BECAUSE,
    )

    def __post_init__(self) -> None:
        """Refuse options of what was not asked for, too. Raises ConfigError."""
        super().__post_init__()
        for name, declared in options_of(DynamicConfig).items():
            value = getattr(self, name)
            if not self.dynamic and value != declared.default:
                raise ConfigError(
                    f"{name} is {shown(value)}, but without dynamic evaluation it has no effect; "
                    "add --dynamic, or leave it out."
                )
