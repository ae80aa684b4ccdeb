"""The options of single commands, each declared once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from charnn.config.tasks import TASKS, in_words
from charnn.errors import ConfigError
from charnn.options import Section, option, options_of, shown
from charnn.registry import ATTENTIONS, CELLS

TRANSDUCE = ("transduce",)

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
        500,
        "Symbols to sample; in lines of a class, the most in a line (none: until interrupted).",
        minimum=0,
        flag="--len",
    )
    temperature: float = option(
        1.0,
        "Below 1: safer text; above 1: wilder text; 0: always the likeliest symbol.",
        minimum=0,
    )
    top_k: int | None = option(
        None, "Draw only from the k likeliest symbols (none: from all).", minimum=1
    )
    top_p: float | None = option(
        None,
        "Draw only from the likeliest symbols that together have this probability (none: all).",
        above=0,
        maximum=1,
    )
    prime: str = option("", "Text to continue; - reads it from standard input.")
    stop: str = option(
        "",
        "End when this text appears; the text itself is left out.",
        tasks=("lm",),
        because="its lines end by themselves",
    )
    seed: int | None = option(
        None, "Same seed, same text (none: a new seed each time).", minimum=0, maximum=2**63 - 1
    )
    num: int = option(1, "Number of samples.", minimum=1, maximum=65_536)
    label: str | None = option(
        None,
        "Class of the lines to draw (none: --num lines of each class).",
        tasks=("generate",),
        because="it knows no classes",
    )


def length_penalty_option() -> Any:
    """Declare the length penalty of a beam search."""
    return option(
        0.0,
        "How strongly longer predictions are preferred (Wu et al.; 0: not at all).",
        minimum=0,
        maximum=10,
        tasks=TRANSDUCE,
    )


def max_length_option() -> Any:
    """Declare the length at which a prediction is ended."""
    return option(
        None,
        "Longest prediction, in symbols (none: 20 more than twice the length of its input).",
        minimum=1,
        maximum=1_000_000,
        tasks=TRANSDUCE,
    )


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How a text is scored."""

    streams: int = option(
        64,
        "Pieces of a long text scored side by side; 1 reads it from beginning to end.",
        minimum=1,
        maximum=65_536,
        tasks=("lm",),
        because="its examples are lines",
    )
    encoding: str = option("utf-8", "Encoding of the files.")
    confusion: bool = option(
        False,
        "Show how often each class or tag was taken for each of the others.",
        tasks=("classify", "tag"),
        because="it has no classes to confuse",
    )
    beam: int = option(
        1,
        "Hypotheses kept at each step (1: greedy decoding, which evaluations during training use).",
        minimum=1,
        maximum=1_024,
        tasks=TRANSDUCE,
    )
    length_penalty: float = length_penalty_option()
    max_length: int | None = max_length_option()


@dataclass(frozen=True)
class PredictionConfig(Section):
    """How predictions are made, and how many are shown."""

    top: int = option(
        1,
        "Number of classes to show for each line, the likeliest first.",
        minimum=1,
        tasks=("classify",),
    )
    beam: int | None = option(
        None,
        "Hypotheses kept at each step (none: as many as --n-best; 1: greedy decoding).",
        minimum=1,
        maximum=1_024,
        tasks=TRANSDUCE,
    )
    n_best: int = option(
        1,
        "Number of predictions to show for each line, the best first.",
        minimum=1,
        maximum=1_024,
        tasks=TRANSDUCE,
    )
    length_penalty: float = length_penalty_option()
    max_length: int | None = max_length_option()
    encoding: str = option("utf-8", "Encoding of the input.")

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        if self.beam is not None and self.beam < self.n_best:
            raise ConfigError(
                f"n_best is {self.n_best}, but beam is {self.beam}, and no more predictions than "
                "that are kept; raise --beam."
            )

    @property
    def width(self) -> int:
        """The hypotheses of a beam."""
        return self.n_best if self.beam is None else self.beam


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
                    f"{name} is {shown(value)}, but it is an option of "
                    f"{in_words(declared.tasks)}, and this task is {self.task}; "
                    "leave it out."
                )


@dataclass(frozen=True)
class GradcheckConfig(Section):
    """What `charnn gradcheck` checks."""

    task: str = option("lm", "Task whose models are checked.", choices=(*TASKS, "all"))
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
        None, "addition: the most digits of a number (none: 3).", minimum=1, maximum=100
    )
    reverse: bool = option(
        False, "addition: write each sum backwards, so that it begins with the last digits."
    )
    min_length: int | None = option(
        None,
        "All but addition: symbols in the shortest line (none: 1; memorise: --lag + 10; "
        "first-plus-last: 5; brackets: 2).",
        minimum=1,
        maximum=1000,
    )
    max_length: int | None = option(
        None,
        "All but addition: symbols in the longest line (none: 10; memorise: --lag + 20; "
        "first-plus-last: 5; brackets: 20).",
        minimum=1,
        maximum=1000,
    )
    symbols: str | None = option(
        None,
        "All but addition: characters to choose from (none: abcdefghij; brackets: ()[]{}, in "
        "pairs; first-plus-last: abcdefghi, from the lowest number, -4, to the highest, 4).",
    )
    lag: int | None = option(
        None,
        "memorise: how many steps back the symbol to repeat is (none: 1).",
        minimum=1,
        maximum=900,
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


def check_task(section: type[Section], names: Iterable[str], task: str) -> None:
    """Raise ConfigError where one of the options named is not for a model's task."""
    options = options_of(section)
    for name in names:
        declared = options.get(name)
        if declared is not None and not declared.serves(task):
            raise ConfigError(
                f"{name} is an option for models of {in_words(declared.tasks)}, "
                f"and this model's task is {task}"
                f"{': ' + declared.because if declared.because else ''}; leave it out."
            )
