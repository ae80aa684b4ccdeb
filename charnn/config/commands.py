"""The options of single commands, each declared once."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.config.tasks import TASKS
from charnn.errors import ConfigError
from charnn.options import Section, option, options_of, shown
from charnn.registry import ATTENTIONS, CELLS

# What `charnn make` makes, each with the task that it is for and the options that it alone reads.
MADE = {
    "addition": ("transduce", ("digits", "reverse")),
    "copy": ("transduce", ("min_length", "max_length", "symbols")),
    "reverse": ("transduce", ("min_length", "max_length", "symbols")),
    "memorise": ("tag", ("min_length", "max_length", "symbols", "lag")),
    "first-plus-last": ("classify", ("min_length", "max_length", "symbols")),
    "brackets": ("classify", ("min_length", "max_length", "symbols")),
}


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

    task: str = option(
        "lm",
        "lm: learn to spell a word; transduce: to turn one word into another.",
        choices=("lm", "transduce"),
    )
    text: str = option("hello", "The word to spell, or to turn into another.")
    cell: str = option("rnn", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(8, "Hidden units.", minimum=1, maximum=256)
    gru_reset: str = option(
        "before",
        "GRU: reset gate applied before or after the recurrent product.",
        choices=("before", "after"),
    )
    seed: int = option(1, "Seed of the weights and the sample.", minimum=0, maximum=2**63 - 1)
    target: str | None = option(
        None, "The word that it becomes (none: the text backwards).", tasks=("transduce",)
    )
    attention: str = option(
        "general", "Score of the attention.", choices=ATTENTIONS, tasks=("transduce",)
    )

    def __post_init__(self) -> None:
        """Check that every option is one of the task's, too."""
        super().__post_init__()
        for name, declared in options_of(type(self)).items():
            value = getattr(self, name)
            if not declared.serves(self.task) and value != declared.default:
                raise ConfigError(
                    f"{name} is {shown(value)}, but it is an option of the task "
                    f"{' or '.join(declared.tasks or ())}, and this task is {self.task}; "
                    "leave it out."
                )


@dataclass(frozen=True)
class GradcheckConfig(Section):
    """What `charnn gradcheck` checks."""

    task: str = option("lm", "Whose models are checked.", choices=(*TASKS, "all"))
    cell: str | None = option(None, "Check one cell only (none: all).", choices=CELLS)
    layers: int | None = option(
        None, "Number of recurrent layers (none: one, then two).", minimum=1, maximum=8
    )
    hidden_size: int | None = option(
        None, "Hidden units (none: 4 with --task lm, 3 with others).", minimum=1, maximum=1024
    )
    seq_length: int = option(3, "Time steps.", minimum=1, maximum=256)
    seed: int = option(
        1, "Seed of weights, symbols, states and masks.", minimum=0, maximum=2**63 - 1
    )
    tolerance: float = option(1e-6, "Largest relative error that passes.", above=0)
    directional: bool = option(
        False, "Check random directions instead of every coordinate (for large models)."
    )


@dataclass(frozen=True)
class MakeConfig(Section):
    """A data set that is made by a rule."""

    kind: str = option("addition", "What to make.", choices=MADE)
    examples: int = option(1000, "Number of lines, all different.", minimum=1, maximum=10_000_000)
    seed: int = option(1, "Same seed, same lines.", minimum=0, maximum=2**63 - 1)
    digits: int | None = option(
        None, "addition: most digits of each number (none: 3).", minimum=1, maximum=100
    )
    reverse: bool = option(
        False, "addition: write each sum backwards, so that it begins with the last digits."
    )
    min_length: int | None = option(
        None,
        "All but addition: symbols in the shortest line (none: 1; memorise: the lag and 10; "
        "first-plus-last: 5; brackets: 2).",
        minimum=1,
        maximum=1000,
    )
    max_length: int | None = option(
        None,
        "All but addition: symbols in the longest line (none: 10; memorise: the lag and 20; "
        "first-plus-last: 5; brackets: 20).",
        minimum=1,
        maximum=1000,
    )
    symbols: str | None = option(
        None,
        "All but addition: characters to choose from, for brackets in pairs, for first-plus-last "
        "from the lowest number to the highest (none: a to j; a to i for -4 to 4; or ()[]{}).",
    )
    lag: int | None = option(
        None, "memorise: steps back to the symbol to repeat (none: 1).", minimum=1, maximum=900
    )

    def __post_init__(self) -> None:
        """Check every value, and refuse the options of other kinds. Raises ConfigError."""
        super().__post_init__()
        for name in options_of(MakeConfig):
            kinds = [kind for kind, (_, names) in MADE.items() if name in names]
            if kinds and self.kind not in kinds and getattr(self, name) not in {None, False}:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is for {', '.join(kinds)}; leave it out for "
                    f"{self.kind}."
                )
