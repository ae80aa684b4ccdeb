"""The options of single commands, each declared once."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.options import Section, option
from charnn.registry import CELLS


@dataclass(frozen=True)
class SamplingConfig(Section):
    """How text is drawn from a model."""

    length: int | None = option(
        500, "Characters to sample (none: until interrupted).", minimum=0, flag="--len"
    )
    temperature: float = option(
        1.0,
        "Below 1: safer text; above 1: wilder text; 0: always the likeliest character.",
        minimum=0,
    )
    top_k: int | None = option(
        None, "Draw only from the k likeliest characters (none: from all).", minimum=1
    )
    top_p: float | None = option(
        None,
        "Draw only from the likeliest characters that together have this probability (none: all).",
        above=0,
        maximum=1,
    )
    prime: str = option("", "Text to continue; - reads it from standard input.")
    stop: str = option("", "End when this text appears; the text itself is left out.")
    seed: int | None = option(
        None, "Same seed, same text (none: a new seed each time).", minimum=0, maximum=2**63 - 1
    )
    num: int = option(1, "Number of samples.", minimum=1, maximum=65_536)


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How a text is scored."""

    streams: int = option(
        64,
        "Pieces of a long text scored side by side; 1 reads it from beginning to end.",
        minimum=1,
        maximum=65_536,
    )
    encoding: str = option("utf-8", "Encoding of the text files.")


@dataclass(frozen=True)
class WalkthroughConfig(Section):
    """The tiny network of `charnn hello`."""

    text: str = option("hello", "The word to spell.")
    cell: str = option("rnn", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(8, "Hidden units.", minimum=1, maximum=256)
    gru_reset: str = option(
        "before",
        "GRU: reset gate applied before or after the recurrent product.",
        choices=("before", "after"),
    )
    seed: int = option(1, "Seed of the weights and the sample.", minimum=0, maximum=2**63 - 1)


@dataclass(frozen=True)
class GradcheckConfig(Section):
    """What `charnn gradcheck` checks."""

    cell: str | None = option(None, "Check one cell only (none: all).", choices=CELLS)
    layers: int | None = option(
        None, "Number of recurrent layers (none: one, then two).", minimum=1, maximum=8
    )
    hidden_size: int = option(4, "Hidden units.", minimum=1, maximum=1024)
    seq_length: int = option(3, "Time steps.", minimum=1, maximum=256)
    seed: int = option(
        1, "Seed of weights, symbols, states and masks.", minimum=0, maximum=2**63 - 1
    )
    tolerance: float = option(1e-6, "Largest relative error that passes.", above=0)
    directional: bool = option(
        False, "Check random directions instead of every coordinate (for large models)."
    )
