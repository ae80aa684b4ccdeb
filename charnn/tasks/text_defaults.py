"""Defaults of a language model that follow from its cell, its text and the length of its run.

    steps           the cell's most, or the updates of its most passes over a short text
    learning_rate   rate (6,000 / steps)^power, up to a highest one: short runs take large steps;
                    times sqrt(256 / units) for more than 256 units, and times 1,000,000 / symbols
                    for a longer text, down to the cell's lowest factor
    dropout         share (passes / many)^2 (units / 256)^2 (1,000,000 / symbols), up to the share,
                    the last two factors together up to 2: the more passes, and the more weights for
                    each symbol, the more dropout
    optimizer, weight_decay, beta2, clip_norm
                    AdamW, and what else goes with the cell's learning rates, if the learning rate
                    is chosen; the weight decay is that of long texts, times 1,000,000 / symbols for
                    a shorter one, up to the cell's highest

Each follows from those before it, or from what was asked for in their place, which is never
changed. The constants were chosen on parts of the training parts of texts of 60 kB to 45 MB, for
RNNs, LSTMs and GRUs of about 256 units; docs/results.md has the measurements. Without weight decay
the gradients of these cells explode sooner, so then their learning rates are the careful ones of
the other cells, for which nothing was measured; optimisers other than Adam and AdamW keep the
constant.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from charnn.config import DEFAULT_STEPS, Config
from charnn.options import Value

WIDTH = 256  # units; wider networks take smaller steps
MILLION = 1_000_000  # symbols; WIDTH units are large for a shorter text
CROWDED = 2  # the highest factor for that in the dropout
ADAMS = ("adam", "adamw")  # the optimisers whose learning rate is chosen
SHORT, FEWEST = 1_000, 300  # symbols of a text that is to be learnt by heart, and updates for it


@dataclass(frozen=True)
class Rule:
    """What suits one cell."""

    steps: int  # at the most
    passes: float  # at the most
    rate: float  # learning rate of 6,000 updates
    power: float  # of how much shorter a run is, for its learning rate
    highest: float  # learning rate
    dropout: float  # of `many` passes and more
    many: float
    lowest: float = 1.0  # factor of the learning rate for long texts
    decay: float = 0.0  # weight decay of long texts
    highest_decay: float = 0.0  # of short ones
    own: Mapping[str, Value] = field(default_factory=dict)  # more that goes with these rates

    def learning_rate(self, steps: int, units: int, symbols: int) -> float:
        """Return the learning rate of so many updates of a network on a text."""
        rate = min(self.highest, self.rate * (DEFAULT_STEPS / steps) ** self.power)
        rate *= math.sqrt(min(1, WIDTH / units))
        rate *= max(self.lowest, min(1, MILLION / symbols))
        return float(f"{rate:.2g}")

    def companions(self, symbols: int) -> dict[str, Value]:
        """Return the options that go with the learning rates, for a text of so many symbols."""
        if not self.decay:
            return {}
        decay = min(self.highest_decay, self.decay * max(1, MILLION / symbols))
        return {"optimizer": "adamw", "weight_decay": float(f"{decay:.2g}"), **self.own}


LSTM = Rule(
    steps=6_000,
    passes=11,
    rate=0.016,
    power=0.4,
    highest=0.04,
    dropout=0.5,
    many=12,
    decay=0.03,
    highest_decay=0.05,
)
GRU = Rule(
    steps=9_000,
    passes=11,
    rate=0.012,
    power=0.4,
    highest=0.025,
    dropout=0.5,
    many=15,
    lowest=0.83,
    decay=0.05,
    highest_decay=0.05,
)
RNN = Rule(
    steps=20_000,
    passes=50,
    rate=0.0115,
    power=0.5,
    highest=0.015,
    dropout=0.1,
    many=50,
    lowest=0.5,
    decay=0.03,
    highest_decay=0.03,
    # The gradients come in bursts: Adam notices them sooner, and their norm is limited.
    own={"beta2": 0.99, "clip_norm": 0.25},
)
OTHER = Rule(steps=6_000, passes=11, rate=0.008, power=0.25, highest=0.02, dropout=0.4, many=10)
RULES = {
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    "mingru": OTHER,
    "peephole-lstm": LSTM,
    "layernorm-lstm": OTHER,
    "layernorm-gru": OTHER,
    "layernorm-rnn": OTHER,
}


def decayed(values: Mapping[str, Value]) -> bool:
    """Return whether an optimiser makes weights decay beside the gradient's steps."""
    return values["optimizer"] == "adamw" and bool(values["weight_decay"])


def suited(config: Config, symbols: int, asked: Collection[str]) -> tuple[Config, list[str]]:
    """Return a configuration with defaults for a text of so many symbols, and a note of them.

    Options that were `asked` for, or have another value than their default, keep it. Where `time`
    says how long the run is, the number of updates is not known yet, and nothing changes.
    """
    training, rule, values = config.training, RULES[config.model.cell], config.values()
    if training.time is not None:
        return config, []
    free = {
        name
        for name, declared in Config.options().items()
        if declared.by_text and name not in asked and values[name] == declared.default
    }
    window = training.batch_size * training.seq_length
    chosen: dict[str, Value] = {}
    if training.epochs is not None:
        steps = max(1, round(training.epochs * symbols / window))
    elif training.steps is not None:
        steps = training.steps
    else:
        fewest = FEWEST if symbols < SHORT else 1
        most = min(rule.steps, math.ceil(rule.passes * symbols / window))
        steps = chosen["steps"] = max(fewest, most)
    if "learning_rate" in free and training.optimizer in ADAMS:
        own = {name: value for name, value in rule.companions(symbols).items() if name in free}
        decays = decayed(values | own)
        rates = rule if decays else OTHER
        chosen["learning_rate"] = rates.learning_rate(steps, config.model.hidden_size, symbols)
        chosen |= own if decays else {}
    if "dropout" in free:
        often = (steps * window / symbols / rule.many) ** 2
        crowded = min(CROWDED, (config.model.hidden_size / WIDTH) ** 2 * MILLION / symbols)
        chosen["dropout"] = (
            0.0 if symbols < SHORT else round(rule.dropout * min(1, often * crowded), 2)
        )
    if not chosen:
        return config, []
    words = ", ".join(f"{name}={value}" for name, value in chosen.items())
    return config.replace(**chosen), [
        f"defaults for the cell {config.model.cell} and {symbols:,} symbols: {words}"
    ]
