"""The options of a training run, each declared once: its default, its bounds and its help."""

from __future__ import annotations

from dataclasses import dataclass

from charnn.config.tasks import FED_BACK, LM, WHOLE
from charnn.config.times import seconds_of
from charnn.errors import ConfigError
from charnn.options import Section, option, shown
from charnn.registry import OPTIMIZERS, SCHEDULES

DEFAULT_STEPS = 6_000


@dataclass(frozen=True)
class DataConfig(Section):
    """How text is turned into ids and divided into parts for training, validation and test."""

    val_fraction: float = option(
        0.1,
        "Share of the data kept for validation: the end of a text, before any test part, or a "
        "random choice of examples.",
        minimum=0,
        below=1,
    )
    test_fraction: float = option(
        0.0,
        "Share of the data kept for a final test: the end of a text, or a random choice of "
        "examples.",
        minimum=0,
        below=1,
    )
    tokens: str = option(
        "characters",
        "Whether the model reads and writes characters or bytes.",
        choices=("characters", "bytes"),
        tasks=LM,
    )
    min_count: int = option(
        1, "Symbols that occur less often become the unknown symbol.", minimum=1
    )
    encoding: str = option("utf-8", "Encoding of the files.")
    vocab: str | None = option(
        None,
        "Vocabulary file written by `charnn vocab --out` (none: taken from the text).",
        tasks=LM,
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
        "Updates of the weights (none: as many as --epochs or --time takes, or the default).",
        minimum=1,
        by_task={"classify": 1500, "tag": 1000, "transduce": 2000, "generate": 1500},
        by_text=True,
    )
    time: str | None = option(
        None,
        "Time that the run may take, such as 90s, 3m or 1h30m; as many updates as fit into it are "
        "made (none: as --steps or --epochs say).",
    )
    learning_rate: float = option(
        8e-3,
        "Learning rate after warm-up.",
        above=0,
        by_task={"classify": 0.003, "tag": 0.003, "transduce": 0.002, "generate": 0.005},
        by_text=True,
    )
    batch_size: int = option(
        16,
        "Streams of a text that are read side by side, or examples in a batch.",
        minimum=1,
        maximum=65_536,
        by_task={"classify": 64, "generate": 64},
    )
    seq_length: int = option(
        64,
        "Time steps in a window; gradients do not flow beyond it.",
        minimum=1,
        maximum=1_000_000,
        tasks=LM,
        because="its sequences are whole lines",
    )
    seed: int = option(1, "Seed of all random numbers.", minimum=0, maximum=2**63 - 1)
    state_reset: float = option(
        0.0,
        "Probability that a stream starts a window from a zero state, as at a text's beginning.",
        minimum=0,
        below=1,
        tasks=LM,
    )
    optimizer: str = option(
        "adam", "Optimiser that updates the weights.", choices=OPTIMIZERS, by_text=True
    )
    momentum: float = option(0.9, "Momentum (only with --optimizer momentum).", minimum=0, below=1)
    beta1: float = option(0.9, "Decay rate of the mean gradient (Adam, AdamW).", minimum=0, below=1)
    beta2: float = option(
        0.999,
        "Decay rate of the mean squared gradient (Adam, AdamW).",
        minimum=0,
        below=1,
        by_text=True,
    )
    rms_decay: float = option(
        0.99, "Decay rate of the mean squared gradient (RMSProp).", minimum=0, below=1
    )
    weight_decay: float = option(
        0.0,
        "Weight decay: decoupled with AdamW, added to the gradient with other optimisers.",
        minimum=0,
        by_text=True,
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
        1.0, "Scale the gradient down to this global norm (none: never).", above=0, by_text=True
    )
    clip_value: float | None = option(
        None, "Limit each element of the gradient to +- this value (none: no limit).", above=0
    )
    eval_every: int = option(
        500,
        "Updates between evaluations, each with a checkpoint.",
        minimum=1,
        by_task={"classify": 100, "tag": 100, "transduce": 250, "generate": 100},
    )
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
        160,
        "Characters of the sample shown at each evaluation.",
        minimum=0,
        maximum=100_000,
        tasks=("lm", "generate"),
    )
    shards: int | None = option(
        None,
        "Processes that share the work on each batch (none: chosen from the core count).",
        minimum=1,
        maximum=1024,
    )
    select: str = option(
        "loss",
        "Whether the best checkpoint is that with the lowest loss or the highest accuracy.",
        choices=("loss", "accuracy"),
        tasks=WHOLE,
        because="it has no right answers to count",
    )
    label_smoothing: float = option(
        0.0,
        "Probability that the loss spreads evenly over all outputs, in training.",
        minimum=0,
        below=1,
    )
    scheduled_sampling: str | None = option(
        None,
        "How the share of inputs that come from the data, not from the model, falls in the course "
        "of training (none: it stays 1).",
        choices=("linear", "exponential", "inverse-sigmoid"),
        tasks=FED_BACK,
        because="it does not read its own output",
    )
    sampling_floor: float = option(
        0.75,
        "Share of inputs from the data at the end (with --scheduled-sampling).",
        above=0,
        maximum=1,
        tasks=FED_BACK,
    )
    curriculum: int | None = option(
        None,
        "Updates over which the length of training sequences grows to the full one (none: full "
        "from the start).",
        minimum=1,
        maximum=1_000_000,
    )
    max_rollbacks: int = option(
        3, "How often a diverging run may return to its last good state.", minimum=0
    )

    def __post_init__(self) -> None:
        """Check the options against each other, too."""
        super().__post_init__()
        self._check_length()
        if self.shards is not None and self.shards > self.batch_size:
            raise ConfigError(
                f"shards is {self.shards}, but batch_size is {self.batch_size}; each shard "
                "needs a part of each batch, so lower shards."
            )

    def _check_length(self) -> None:
        """Raise ConfigError where the length of the run is said twice, or is no time."""
        if self.epochs is not None and self.steps is not None:
            raise ConfigError(
                f"epochs is {self.epochs:g} and steps is {self.steps}; give one of the two."
            )
        if self.time is None:
            return
        seconds_of(self.time)
        for name, value in (("epochs", self.epochs), ("steps", self.steps)):
            if value is not None:
                raise ConfigError(
                    f"time is {shown(self.time)} and {name} is {value:g}; give one of the two."
                )
