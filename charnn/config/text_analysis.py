"""The options of the commands that look at texts: `charnn read` and `charnn novelty`."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.config.commands import SamplingConfig
from charnn.errors import ConfigError
from charnn.options import Section, option, shown

LARGEST_SAMPLE = 100_000  # symbols


@dataclass(frozen=True)
class ReadingConfig(Section):
    """How a text is read, and which part of it is shown."""

    start: int = option(0, "The first character that is shown, counted from 0.", minimum=0)
    length: int | None = option(
        1_000,
        "How many characters are shown (none: all that follow).",
        minimum=0,
        flag="--len",
    )
    order: int = option(
        9,
        "The most characters that the n-gram model reads before it predicts one.",
        minimum=5,
        maximum=32,
    )
    encoding: str = option("utf-8", "Encoding of the text.")


@dataclass(frozen=True)
class NoveltyConfig(Section):
    """Which samples are compared with the training text, and how."""

    temperature: str = option(
        "1", "Temperature of the samples; several with commas between them: 0.5,0.8,1."
    )
    length: int = option(
        20_000, "Symbols to sample.", minimum=2, maximum=LARGEST_SAMPLE, flag="--len"
    )
    seed: int = option(1, "Same seed, same samples.", minimum=0, maximum=2**63 - 1)
    run: int | None = option(
        None,
        "How many symbols a copied run has at least (none: so many that less than 1 % of the "
        "held-out text's n-grams stand in the training text).",
        minimum=1,
        maximum=LARGEST_SAMPLE,
    )
    show: int = option(400, "How many symbols are shown around the longest copied run.", minimum=0)
    encoding: str = option("utf-8", "Encoding of the sample.")

    def __post_init__(self) -> None:
        """Check the temperatures, too. Raises ConfigError."""
        super().__post_init__()
        if not self.samplings:
            raise ConfigError(
                f"temperature is {shown(self.temperature)}; give numbers with commas between them."
            )

    @property
    def samplings(self) -> dict[float, SamplingConfig]:
        """By temperature how its sample is drawn."""
        words = [word for word in self.temperature.split(",") if word.strip()]
        drawn = [
            SamplingConfig(length=self.length, seed=self.seed, temperature=word)  # type: ignore[arg-type]
            for word in words
        ]
        return {each.temperature: each for each in drawn}
