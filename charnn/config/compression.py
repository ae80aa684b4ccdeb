"""The options of `charnn compress`."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.options import Section, option

LEAST_BITS, MOST_BITS = 6, 12
BITS, BITS_EMBEDDED = 9, 7  # of a weight, its sign included


@dataclass(frozen=True)
class CompressionConfig(Section):
    """How a text is compressed."""

    lanes: int | None = option(
        None,
        "Stretches of a block that are coded side by side: more are faster, and each costs about "
        "8 bytes and a beginning (none: 1 for a short text, up to 64 for a long one).",
        minimum=1,
        maximum=256,
    )
    bits: int | None = option(
        None,
        "Bits of a weight of the model in integers: fewer make a model that is embedded smaller, "
        "and the text larger (none: 9, or 7 where the model is in the file).",
        minimum=LEAST_BITS,
        maximum=MOST_BITS,
    )

    def bits_of(self, embedded: bool) -> int:
        """Return the bits of a weight of a model that is in the file, or is not."""
        return self.bits or (BITS_EMBEDDED if embedded else BITS)
