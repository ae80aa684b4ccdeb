"""What can be chosen by name: one line for each cell, optimiser and schedule.

An entry says where the thing lives, so that its name can be listed (by `--help`, say) without
importing it. To add one, write it in its room and name it here: the command line, the checks of
gradients, the tests and the README's tables find it from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from charnn.nn.cell import Cell
    from charnn.training.optimizers import Optimizer
    from charnn.training.schedules import Schedule

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Names in a fixed order; an entry's module is imported when the entry is looked up."""

    def __init__(self, **places: str) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Entry:
        """Return the entry itself. Raises KeyError for a name that is not listed."""
        module, attribute = self._places[name].split(":")
        entry: Entry = getattr(import_module(module), attribute)
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


CELLS: Registry[type[Cell]] = Registry(
    rnn="charnn.nn.rnn:RNN",
    lstm="charnn.nn.lstm:LSTM",
    gru="charnn.nn.gru:GRU",
)

OPTIMIZERS: Registry[type[Optimizer]] = Registry(
    sgd="charnn.training.optimizers:SGD",
    momentum="charnn.training.optimizers:Momentum",
    adagrad="charnn.training.optimizers:Adagrad",
    rmsprop="charnn.training.optimizers:RMSProp",
    adam="charnn.training.optimizers:Adam",
    adamw="charnn.training.optimizers:AdamW",
)

SCHEDULES: Registry[Schedule] = Registry(
    constant="charnn.training.schedules:constant",
    step="charnn.training.schedules:step_decay",
    cosine="charnn.training.schedules:cosine",
    plateau="charnn.training.schedules:plateau",
)
