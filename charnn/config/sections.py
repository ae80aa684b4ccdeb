"""Every option of charnn, declared once, and how options are read from and written to YAML.

Users see a flat configuration, with one key (in YAML) or one flag for each option. The code sees
sections: how text is prepared (`DataConfig`), the network (`ModelConfig`) and its training
(`TrainingConfig`). The remaining sections each belong to one command, such as `SamplingConfig` to
`charnn sample`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charnn.errors import ConfigError
from charnn.options import Option, Section, Value, option, options_of, shown, suggestion
from charnn.registry import CELLS, OPTIMIZERS, SCHEDULES

LARGEST_YAML = 65_536  # bytes; all options together take some 2,000
DEFAULT_STEPS = 6_000


@dataclass(frozen=True)
class ModelConfig(Section):
    """The network."""

    cell: str = option("lstm", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(256, "Hidden units in each layer.", minimum=1, maximum=65_536)
    num_layers: int = option(1, "Number of recurrent layers.", minimum=1, maximum=64)
    dropout: float = option(
        0.1,
        "Share of units dropped in training, between layers and before the output.",
        minimum=0,
        below=1,
    )
    gru_reset: str = option(
        "before",
        "GRU: reset gate applied before (Cho et al.) or after (cuDNN) the recurrent product.",
        choices=("before", "after"),
    )
    embedding_size: int | None = option(
        None,
        "Width of a learned embedding (none: one-hot input).",
        minimum=1,
        maximum=65_536,
    )
    recurrent_init: str = option(
        "orthogonal", "How the recurrent weights are initialised.", choices=("orthogonal", "glorot")
    )
    forget_bias: float = option(1.0, "LSTM: initial bias of the forget gate.")


@dataclass(frozen=True)
class DataConfig(Section):
    """How text is turned into ids and divided into parts for training, validation and test."""

    val_fraction: float = option(
        0.1,
        "Share of the text kept for validation: its end, or what precedes the test part.",
        minimum=0,
        below=1,
    )
    test_fraction: float = option(
        0.0, "Share of the text, at its end, kept for a final test.", minimum=0, below=1
    )
    tokens: str = option(
        "characters",
        "Whether the model reads and writes characters or bytes.",
        choices=("characters", "bytes"),
    )
    min_count: int = option(
        1, "Characters that occur less often become the unknown symbol.", minimum=1
    )
    encoding: str = option("utf-8", "Encoding of the text files.")
    vocab: str | None = option(
        None, "Vocabulary file written by `charnn vocab --out` (none: taken from the text)."
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError(
                f"val_fraction {self.val_fraction:g} and test_fraction {self.test_fraction:g} "
                "leave nothing to train on; their sum must be below 1."
            )
        if self.tokens == "bytes" and self.min_count > 1:
            raise ConfigError(
                f"min_count is {self.min_count}, but a byte vocabulary always holds all "
                "256 bytes; leave min_count at 1."
            )
        if self.vocab is not None and self.min_count > 1:
            raise ConfigError(
                f"min_count is {self.min_count}, but the vocabulary is read from "
                f"{shown(self.vocab)}; leave out one of the two."
            )


@dataclass(frozen=True)
class TrainingConfig(Section):
    """How the network is trained."""

    epochs: float | None = option(
        None,
        "Passes over the training part (none: as many as --steps takes).",
        above=0,
        maximum=1e6,
    )
    steps: int | None = option(
        None,
        f"Updates of the weights (none: as many as --epochs takes, or else {DEFAULT_STEPS:,}).",
        minimum=1,
    )
    learning_rate: float = option(8e-3, "Learning rate after warm-up.", above=0)
    batch_size: int = option(16, "Streams of text read side by side.", minimum=1, maximum=65_536)
    seq_length: int = option(
        64, "Time steps in a window; gradients do not flow beyond it.", minimum=1, maximum=1_000_000
    )
    seed: int = option(1, "Seed of all random numbers.", minimum=0, maximum=2**63 - 1)
    state_reset: float = option(
        0.0,
        "Probability that a stream starts a window from a zero state, as at a text's beginning.",
        minimum=0,
        below=1,
    )
    optimizer: str = option("adam", "Optimiser that updates the weights.", choices=OPTIMIZERS)
    momentum: float = option(0.9, "Momentum (only with --optimizer momentum).", minimum=0, below=1)
    beta1: float = option(0.9, "Decay rate of the mean gradient (Adam, AdamW).", minimum=0, below=1)
    beta2: float = option(
        0.999, "Decay rate of the mean squared gradient (Adam, AdamW).", minimum=0, below=1
    )
    rms_decay: float = option(
        0.99, "Decay rate of the mean squared gradient (RMSProp).", minimum=0, below=1
    )
    weight_decay: float = option(
        0.0,
        "Weight decay: decoupled with AdamW, added to the gradient with other optimisers.",
        minimum=0,
    )
    ema_decay: float | None = option(
        None,
        "Decay rate of an exponential moving average of the weights, used to evaluate and sample "
        "(none: no average).",
        above=0,
        below=1,
        formerly="average",
    )
    lr_schedule: str = option(
        "cosine", "How the learning rate changes after warm-up.", choices=SCHEDULES
    )
    warmup_steps: int = option(
        50, "Updates over which the learning rate rises to its full value.", minimum=0
    )
    lr_floor: float = option(
        0.02,
        "Lowest learning rate, as a share of --learning-rate (cosine, step, plateau).",
        minimum=0,
        maximum=1,
    )
    lr_decay: float = option(
        0.5, "Factor of each reduction of the learning rate (step, plateau).", above=0, maximum=1
    )
    lr_decay_every: int = option(
        2_000, "Updates between reductions of the learning rate (step).", minimum=1
    )
    lr_patience: int = option(
        2,
        "Evaluations without improvement before the learning rate is reduced (plateau).",
        minimum=1,
    )
    clip_norm: float | None = option(
        1.0, "Scale the gradient down to this global norm (none: never).", above=0
    )
    clip_value: float | None = option(
        None, "Limit each element of the gradient to +- this value (none: no limit).", above=0
    )
    eval_every: int = option(500, "Updates between evaluations, each with a checkpoint.", minimum=1)
    save_every: float = option(
        120.0,
        "Longest time between checkpoints, in seconds.",
        minimum=1,
        maximum=3_600,
    )
    early_stopping: int | None = option(
        None, "Stop after this many evaluations without improvement (none: never).", minimum=1
    )
    sample_length: int = option(
        160, "Characters of the sample shown at each evaluation.", minimum=0, maximum=100_000
    )
    shards: int | None = option(
        None,
        "Processes that share the work on each batch (none: chosen from the core count).",
        minimum=1,
        maximum=1024,
    )
    max_rollbacks: int = option(
        3, "How often a diverging run may return to its last good state.", minimum=0
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        if self.epochs is not None and self.steps is not None:
            raise ConfigError(
                f"epochs is {self.epochs:g} and steps is {self.steps}; give one of the two."
            )
        if self.shards is not None and self.shards > self.batch_size:
            raise ConfigError(
                f"shards is {self.shards}, but batch_size is {self.batch_size}; each shard "
                "needs a stream, so lower shards."
            )


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


@dataclass(frozen=True)
class Config:
    """The whole configuration of a training run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    @classmethod
    def sections(cls) -> dict[str, type[Section]]:
        """Return the sections by the name of their field."""
        return {"model": ModelConfig, "training": TrainingConfig, "data": DataConfig}

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return every option by name; names are unique over the sections."""
        return {
            name: declared
            for section in cls.sections().values()
            for name, declared in options_of(section).items()
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Config:
        """Build from flat values; options left out keep their defaults. Raises ConfigError."""
        values = current_names(values)
        check_names(values)
        parts: dict[str, Any] = {}
        for field_name, section in cls.sections().items():
            names = options_of(section).keys() & values.keys()
            parts[field_name] = section(**{name: values[name] for name in names})
        return cls(**parts)

    def values(self) -> dict[str, Value]:
        """Return the values of all options in one flat dictionary."""
        return {
            name: value
            for field_name in self.sections()
            for name, value in dataclasses.asdict(getattr(self, field_name)).items()
        }

    def replace(self, **changes: Value) -> Config:
        """Return a copy with some options changed."""
        return Config.from_values(self.values() | changes)


def current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names that their options have now."""
    renamed = {
        declared.formerly: name for name, declared in Config.options().items() if declared.formerly
    }
    return {renamed.get(name, name): value for name, value in values.items()}


def check_names(values: Mapping[str, Any], place: str = "the configuration") -> None:
    """Raise ConfigError for a key that is not an option, suggesting the closest option."""
    known = Config.options()
    for name in values:
        if name not in known:
            key = shown(name)
            guess = suggestion(key.strip("'"), known)
            raise ConfigError(
                f"{place} has the unknown key {key}.{guess} `charnn config` lists all keys."
            )


def read_yaml(path: Path) -> dict[str, Value]:
    """Read a YAML file of options. Raises ConfigError naming the file and the key."""
    import yaml

    try:
        if path.stat().st_size > LARGEST_YAML:
            raise ConfigError(
                f"config file '{path}' is larger than {LARGEST_YAML:,} bytes; it should hold "
                "one `key: value` per line."
            )
        content = from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"config file '{path}' cannot be read ({error.strerror}); check the path."
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"config file '{path}' cannot be read as YAML ({reason[:300]}); write one "
            "`key: value` per line."
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"config file '{path}' holds a value of type {type(content).__name__} instead of "
            "options; write one `key: value` per line."
        )
    content = current_names(content)
    check_names(content, f"config file '{path}'")
    known = Config.options()
    try:
        return {name: known[name].parse(value) for name, value in content.items()}
    except ConfigError as error:
        raise ConfigError(f"config file '{path}': {error}") from error


def from_yaml(text: str) -> object:
    """Return the content of a YAML text. Raises yaml.YAMLError, ValueError and similar errors.

    Aliases (`*a`) are refused because a few lines of them can expand to billions of values. A key
    that appears twice is refused, too.
    """
    import yaml

    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise yaml.YAMLError("it contains an alias, `*name`; write out the value")
    node = yaml.compose(text, yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, number in keys.items():
            if number > 1:
                raise yaml.YAMLError(f"the key {shown(key)} appears {number} times")
    try:
        return yaml.safe_load(text)
    except (AttributeError, LookupError, TypeError) as error:  # raised by PyYAML's constructors
        raise yaml.YAMLError("a value does not match its !!tag") from error


def to_yaml(values: Mapping[str, Value], comments: Mapping[str, str] | None = None) -> str:
    """Return options as YAML, one per line, each with its comment if it has one."""
    import yaml

    lines = []
    for name, value in values.items():
        shown = "none" if value is None else value
        # U+0085 ends a line in YAML, and PyYAML escapes it only within double quotes.
        style = '"' if "\x85" in str(shown) else None
        line = yaml.safe_dump({name: shown}, default_style=style, allow_unicode=True, width=1_000)
        line = line.removesuffix("\n")
        comment = (comments or {}).get(name)
        lines.append(f"{line:<28}  # {comment}" if comment else line)
    return "\n".join(lines) + "\n"
