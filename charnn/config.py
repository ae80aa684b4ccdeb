"""Every option of charnn, declared once; YAML in and out.

A configuration is flat for its users (one key an option, in YAML as in flags) and falls into
sections for the code: what text becomes (`DataConfig`), the network (`ModelConfig`), its training
(`TrainingConfig`). `SamplingConfig` belongs to `charnn sample`.
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

LARGEST_YAML = 65_536  # bytes; all options take some 2,000
DEFAULT_STEPS = 6_000


@dataclass(frozen=True)
class ModelConfig(Section):
    """The network."""

    cell: str = option("lstm", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(256, "Hidden units in each layer.", minimum=1, maximum=65_536)
    num_layers: int = option(1, "Recurrent layers.", minimum=1, maximum=64)
    dropout: float = option(
        0.1, "Share of units dropped between layers and before the output.", minimum=0, below=1
    )
    gru_reset: str = option(
        "before",
        "GRU: reset gate before (Cho et al.) or after (cuDNN) the recurrent product.",
        choices=("before", "after"),
    )
    embedding_size: int | None = option(
        None,
        "Width of a learned embedding; none feeds one-hot vectors.",
        minimum=1,
        maximum=65_536,
    )
    recurrent_init: str = option(
        "orthogonal", "How recurrent weights start.", choices=("orthogonal", "glorot")
    )
    forget_bias: float = option(1.0, "LSTM: the forget gate's bias at the start.")


@dataclass(frozen=True)
class DataConfig(Section):
    """How text becomes ids, and which part of it is for what."""

    val_fraction: float = option(
        0.1, "Share of the text, before the test part, kept for validation.", minimum=0, below=1
    )
    test_fraction: float = option(
        0.0, "Share of the text, at its end, kept for a final test.", minimum=0, below=1
    )
    tokens: str = option(
        "characters", "What the model reads and writes.", choices=("characters", "bytes")
    )
    min_count: int = option(1, "Characters seen less often become the unknown symbol.", minimum=1)
    encoding: str = option("utf-8", "Encoding of the text files.")
    vocab: str | None = option(None, "Vocabulary file made by `charnn vocab --out`.")

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
                f"min_count is {self.min_count}, but a vocabulary of bytes holds all 256; "
                "leave min_count at 1."
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
        "Passes over the training part; none: as many as --steps makes.",
        above=0,
        maximum=1e6,
    )
    steps: int | None = option(
        None, f"Updates of the weights; none with no --epochs: {DEFAULT_STEPS:,}.", minimum=1
    )
    learning_rate: float = option(8e-3, "Learning rate after warm-up.", above=0)
    batch_size: int = option(16, "Streams read side by side.", minimum=1, maximum=65_536)
    seq_length: int = option(
        64, "Time steps of a window, over which gradients flow.", minimum=1, maximum=1_000_000
    )
    seed: int = option(1, "Seed of all randomness.", minimum=0, maximum=2**63 - 1)
    state_reset: float = option(
        0.0,
        "Chance that a stream starts a window afresh, so that beginnings stay familiar.",
        minimum=0,
        below=1,
    )
    optimizer: str = option("adam", "Rule that updates the weights.", choices=OPTIMIZERS)
    momentum: float = option(0.9, "Momentum (optimizer momentum).", minimum=0, below=1)
    beta1: float = option(0.9, "Decay of Adam's mean gradient.", minimum=0, below=1)
    beta2: float = option(0.999, "Decay of the mean squared gradient (Adam).", minimum=0, below=1)
    rms_decay: float = option(
        0.99, "Decay of the mean squared gradient (RMSProp).", minimum=0, below=1
    )
    weight_decay: float = option(
        0.0, "Weight decay: decoupled in AdamW, added to the gradient elsewhere.", minimum=0
    )
    ema_decay: float | None = option(
        None,
        "Decay of an exponential moving average of the weights, which is then what is evaluated "
        "and sampled; none: no average.",
        above=0,
        below=1,
        formerly="average",
    )
    lr_schedule: str = option(
        "cosine", "Course of the learning rate after warm-up.", choices=SCHEDULES
    )
    warmup_steps: int = option(50, "Updates of linear warm-up.", minimum=0)
    lr_floor: float = option(
        0.02, "Lowest learning rate, as a share (cosine, step, plateau).", minimum=0, maximum=1
    )
    lr_decay: float = option(0.5, "Factor of each reduction (step, plateau).", above=0, maximum=1)
    lr_decay_every: int = option(2_000, "Updates between reductions (step).", minimum=1)
    lr_patience: int = option(
        2, "Evaluations without improvement before a reduction (plateau).", minimum=1
    )
    clip_norm: float | None = option(
        1.0, "Scale the gradient down to this global norm; none: never.", above=0
    )
    clip_value: float | None = option(
        None, "Limit each gradient to +- this value; none: never.", above=0
    )
    eval_every: int = option(500, "Updates between evaluations (and checkpoints).", minimum=1)
    save_every: float = option(
        120.0,
        "Longest time between checkpoints, in seconds.",
        minimum=1,
        maximum=3_600,
    )
    early_stopping: int | None = option(
        None, "Stop after this many evaluations without improvement; none: never.", minimum=1
    )
    sample_length: int = option(
        160, "Characters of the sample shown at each evaluation.", minimum=0, maximum=100_000
    )
    shards: int | None = option(
        None,
        "Parts of the batch computed side by side; none: as suits the cores.",
        minimum=1,
        maximum=1024,
    )
    max_rollbacks: int = option(
        3, "Returns to the last good state before a diverging run stops.", minimum=0
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
                f"shards is {self.shards}, but batch_size is {self.batch_size}; a shard needs a "
                "stream, so lower shards."
            )


@dataclass(frozen=True)
class SamplingConfig(Section):
    """How text is drawn from a model."""

    length: int | None = option(
        500, "Characters to sample; none: endless.", minimum=0, flag="--len"
    )
    temperature: float = option(
        1.0, "Below 1 safer, above 1 wilder; 0 always takes the likeliest.", minimum=0
    )
    top_k: int | None = option(
        None, "Draw from the k likeliest characters only; none: all.", minimum=1
    )
    top_p: float | None = option(
        None,
        "Draw from the likeliest characters that hold this share; none: all.",
        above=0,
        maximum=1,
    )
    prime: str = option("", "Text to go on from; - reads standard input.")
    stop: str = option("", "End before this text appears.")
    seed: int | None = option(
        None, "Same seed, same text; none: another each time.", minimum=0, maximum=2**63 - 1
    )
    num: int = option(1, "Samples to draw as one batch.", minimum=1, maximum=65_536)


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How a text is scored."""

    streams: int = option(
        64,
        "Stretches of a long text read side by side; 1 reads from beginning to end.",
        minimum=1,
        maximum=65_536,
    )
    encoding: str = option("utf-8", "Encoding of the text files.")


@dataclass(frozen=True)
class WalkthroughConfig(Section):
    """The tiny network of `charnn hello`."""

    text: str = option("hello", "Another short word.")
    cell: str = option("rnn", "Recurrent cell.", choices=CELLS)
    hidden_size: int = option(8, "Hidden units.", minimum=1, maximum=256)
    gru_reset: str = option(
        "before", "GRU: reset gate before or after the product.", choices=("before", "after")
    )
    seed: int = option(1, "Seed of the weights and of the draws.", minimum=0, maximum=2**63 - 1)


@dataclass(frozen=True)
class GradcheckConfig(Section):
    """What `charnn gradcheck` checks."""

    cell: str | None = option(None, "One cell only; none: all.", choices=CELLS)
    layers: int | None = option(
        None, "Recurrent layers; none: one, then two.", minimum=1, maximum=8
    )
    hidden_size: int = option(4, "Hidden units.", minimum=1, maximum=1024)
    seq_length: int = option(3, "Time steps.", minimum=1, maximum=256)
    seed: int = option(
        1, "Seed of weights, symbols, states and masks.", minimum=0, maximum=2**63 - 1
    )
    tolerance: float = option(1e-6, "Largest relative error that passes.", above=0)
    directional: bool = option(
        False, "Random directions instead of every coordinate, for large models."
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
        """Build from flat values; what is left out has its default. Raises ConfigError."""
        values = current_names(values)
        check_names(values)
        parts: dict[str, Any] = {}
        for field_name, section in cls.sections().items():
            names = options_of(section).keys() & values.keys()
            parts[field_name] = section(**{name: values[name] for name in names})
        return cls(**parts)

    def values(self) -> dict[str, Value]:
        """Return all options flat, by name."""
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
    """Raise ConfigError for a key that is not an option, with the closest that is."""
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
                "one `key: value` a line."
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
            "`key: value` a line."
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"config file '{path}' holds {type(content).__name__}, not `key: value` lines."
        )
    content = current_names(content)
    check_names(content, f"config file '{path}'")
    known = Config.options()
    try:
        return {name: known[name].parse(value) for name, value in content.items()}
    except ConfigError as error:
        raise ConfigError(f"config file '{path}': {error}") from error


def from_yaml(text: str) -> object:
    """Return what a YAML text holds. Raises yaml.YAMLError, ValueError and the like.

    Aliases (`*a`) are refused, because a few lines of them can stand for billions of values, and so
    is a key given twice.
    """
    import yaml

    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise yaml.YAMLError("it has an alias, `*name`; write the value itself")
    node = yaml.compose(text, yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, number in keys.items():
            if number > 1:
                raise yaml.YAMLError(f"the key {shown(key)} is there {number} times")
    try:
        return yaml.safe_load(text)
    except (AttributeError, LookupError, TypeError) as error:  # of PyYAML's constructors
        raise yaml.YAMLError("a value is not what its !!tag says") from error


def to_yaml(values: Mapping[str, Value], comments: Mapping[str, str] | None = None) -> str:
    """Write options as YAML, one a line, each with its comment if it has one."""
    import yaml

    lines = []
    for name, value in values.items():
        shown = "none" if value is None else value
        # PyYAML escapes U+0085, the end of a line in YAML, in double quotes only.
        style = '"' if "\x85" in str(shown) else None
        line = yaml.safe_dump({name: shown}, default_style=style, allow_unicode=True, width=1_000)
        line = line.removesuffix("\n")
        comment = (comments or {}).get(name)
        lines.append(f"{line:<28}  # {comment}" if comment else line)
    return "\n".join(lines) + "\n"
