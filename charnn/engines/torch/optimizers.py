"""PyTorch's optimisers, with charnn's memory.

The rules and their constants are the same (`charnn.nn.optimizers`); the memory has other names, and
counts its updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from charnn.arrays import Array
from charnn.config import TrainingConfig
from charnn.engines.torch.layout import Layout
from charnn.registry import OPTIMIZERS


class Rule(NamedTuple):
    """An optimiser's class, what it calls charnn's slots, and those that are squares."""

    kind: Any
    slots: dict[str, str]
    squares: tuple[str, ...] = ()


RULES = {
    "sgd": Rule(torch.optim.SGD, {}),
    "momentum": Rule(torch.optim.SGD, {"v": "momentum_buffer"}),
    "adagrad": Rule(torch.optim.Adagrad, {"s": "sum"}, ("s",)),
    "rmsprop": Rule(torch.optim.RMSprop, {"s": "square_avg"}, ("s",)),
    "adam": Rule(torch.optim.Adam, {"m": "exp_avg", "v": "exp_avg_sq"}, ("v",)),
    "adamw": Rule(torch.optim.AdamW, {"m": "exp_avg", "v": "exp_avg_sq"}, ("v",)),
}
FUSED_ON_CUDA = ("sgd", "momentum", "adam", "adamw")
FUSED_ON_CPU = (*FUSED_ON_CUDA, "adagrad")


def constants(training: TrainingConfig) -> dict[str, Any]:
    """Return the constants of a run's rule by PyTorch's names."""
    by_rule: dict[str, dict[str, Any]] = {
        "momentum": {"momentum": training.momentum},
        "rmsprop": {"alpha": training.rms_decay},
        "adam": {"betas": (training.beta1, training.beta2)},
        "adamw": {"betas": (training.beta1, training.beta2)},
    }
    epsilon = OPTIMIZERS[training.optimizer].epsilon
    takes_epsilon = training.optimizer not in ("sgd", "momentum")
    return by_rule.get(training.optimizer, {}) | ({"eps": epsilon} if takes_epsilon else {})


class TorchOptimizer:
    """A rule and its memory for a network's weights, whose gradients lie in their `grad`."""

    def __init__(
        self, training: TrainingConfig, weights: Sequence[Tensor], decaying: Sequence[bool]
    ) -> None:
        """Begin with an empty memory; weight decay applies to the weights that are `decaying`."""
        self.rule = RULES[training.optimizer]
        self.weights = list(weights)
        device = weights[0].device.type
        fused = training.optimizer in {"cpu": FUSED_ON_CPU, "cuda": FUSED_ON_CUDA}.get(device, ())
        decay = training.weight_decay
        by_decay: dict[float, list[Tensor]] = {}  # one group where nothing decays: it is faster
        for weight, decays in zip(weights, decaying, strict=True):
            by_decay.setdefault(decay if decays else 0.0, []).append(weight)
        self._optimizer = self.rule.kind(
            [{"params": own, "weight_decay": rate} for rate, own in by_decay.items()],
            lr=training.learning_rate,
            **constants(training),
            **({"fused": True} if fused else {}),
        )
        self._made: int | None = None  # updates that the memory has counted
        for weight in self.weights:
            state = self._optimizer.state[weight]
            if self.rule.kind is not torch.optim.SGD:
                state.setdefault("step", torch.zeros((), device=device if fused else "cpu"))
            for name in self.rule.slots.values():
                state.setdefault(name, torch.zeros_like(weight))

    def update(self, number: int, rate: float) -> None:
        """Make update `number`, counted from 0."""
        if number != self._made and self.rule.kind is not torch.optim.SGD:
            for weight in self.weights:
                self._optimizer.state[weight]["step"].fill_(number)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._made = number + 1

    def export(self, layout: Layout) -> dict[str, Array]:
        """Return the memory as charnn's vectors (P,), by slot."""
        return {
            slot: layout.read(self._slot(slot), slot not in self.rule.squares)
            for slot in self.rule.slots
        }

    def load(self, slots: dict[str, Array], layout: Layout) -> None:
        """Take over a memory of charnn's vectors (P,), by slot."""
        self._made = None
        for slot in self.rule.slots:
            layout.write(slots[slot], self._slot(slot), slot not in self.rule.squares)

    def not_finite(self) -> bool:
        """Return whether the memory has a value that is not finite."""
        return not all(
            bool(torch.isfinite(each).all())
            for slot in self.rule.slots
            for each in self._slot(slot)
        )

    def _slot(self, slot: str) -> list[Tensor]:
        name = self.rule.slots[slot]
        return [self._optimizer.state[weight][name] for weight in self.weights]
