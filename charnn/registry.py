"""What can be chosen by name: one line for each cell, attention, optimiser and schedule.

An entry says where the thing lives, so that its name can be listed (by `--help`, say) without
importing it. To add one, write it in its room and name it here: the command line, the checks of
gradients, the tests and the documentation's tables find it from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any


class Registry(Mapping[str, Any]):
    """Names in a fixed order; an entry's module is imported when the entry is looked up."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Any:
        """Return the entry itself. Raises KeyError for a name that is not listed."""
        module, attribute = self._places[name].split(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


CELLS = Registry(
    {
        "rnn": "charnn.nn.rnn:RNN",
        "lstm": "charnn.nn.lstm:LSTM",
        "gru": "charnn.nn.gru:GRU",
        "mingru": "charnn.nn.min_gru:MinGRU",
        "peephole-lstm": "charnn.nn.peephole_lstm:PeepholeLSTM",
        "layernorm-lstm": "charnn.nn.layer_norm_lstm:LayerNormLSTM",
        "layernorm-gru": "charnn.nn.layer_norm_gru:LayerNormGRU",
        "layernorm-rnn": "charnn.nn.layer_norm_rnn:LayerNormRNN",
    }
)

ATTENTIONS = Registry(
    {
        "dot": "charnn.nn.attention_scores:Dot",
        "general": "charnn.nn.attention_scores:General",
        "additive": "charnn.nn.attention_scores:Additive",
    }
)

OPTIMIZERS = Registry(
    {
        "sgd": "charnn.nn.optimizers:SGD",
        "momentum": "charnn.nn.optimizers:Momentum",
        "adagrad": "charnn.nn.optimizers:Adagrad",
        "rmsprop": "charnn.nn.optimizers:RMSProp",
        "adam": "charnn.nn.optimizers:Adam",
        "adamw": "charnn.nn.optimizers:AdamW",
    }
)

SCHEDULES = Registry(
    {
        "constant": "charnn.nn.schedules:constant",
        "step": "charnn.nn.schedules:step_decay",
        "cosine": "charnn.nn.schedules:cosine",
        "plateau": "charnn.nn.schedules:plateau",
    }
)
