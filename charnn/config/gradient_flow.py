"""The options of `charnn gradflow`."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.errors import ConfigError
from charnn.options import Section, option, shown, suggestion
from charnn.registry import CELLS

STARTS = ("orthogonal", "gaussian")


@dataclass(frozen=True)
class GradientFlowConfig(Section):
    """Where gradients are looked at, and the networks of the experiment."""

    lags: int = option(200, "Steps back from a loss.", minimum=1, maximum=1_000)
    positions: int = option(
        100, "Random places in the text whose losses are followed.", minimum=1, maximum=100_000
    )
    seed: int = option(1, "Same seed, same places.", minimum=0, maximum=2**63 - 1)
    encoding: str = option("utf-8", "Encoding of the text.")
    cell: str | None = option(
        None,
        "Instead of a checkpoint: untrained networks of 64 units with these cells, on random "
        "symbols. Several with commas between them: rnn,lstm,gru.",
    )
    init: str = option(
        "orthogonal", "How the recurrent weights of --cell's networks start.", choices=STARTS
    )

    def __post_init__(self) -> None:
        """Check the cells, too. Raises ConfigError."""
        super().__post_init__()
        for name in self.cells:
            if name not in CELLS:
                raise ConfigError(
                    f"cell is {shown(name)}; choose among {', '.join(CELLS)}."
                    f"{suggestion(name, CELLS)}"
                )
        if self.cell is not None and not self.cells:
            raise ConfigError(f"cell is {shown(self.cell)}; choose among {', '.join(CELLS)}.")

    @property
    def cells(self) -> list[str]:
        """The cells of the experiment, each once."""
        names = (name.strip() for name in (self.cell or "").split(","))
        return list(dict.fromkeys(name for name in names if name))
