"""Every optimiser against its formula, written number by number in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import TrainingConfig
from charnn.nn.optimizers import CHUNK
from charnn.registry import OPTIMIZERS
from charnn.training import optimizers

Memory = dict[str, float]
Rule = Callable[[float, float, float, int, Memory, TrainingConfig], float]


def sgd(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Gradient descent."""
    return p - lr * (g + c.weight_decay * p)


def momentum(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Polyak's heavy ball."""
    m["v"] = c.momentum * m.get("v", 0.0) + (g + c.weight_decay * p)
    return p - lr * m["v"]


def adagrad(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Duchi et al., 2011."""
    g += c.weight_decay * p
    m["s"] = m.get("s", 0.0) + g**2
    return p - lr * g / (math.sqrt(m["s"]) + 1e-10)


def rmsprop(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Hinton, 2012."""
    g += c.weight_decay * p
    m["s"] = c.rms_decay * m.get("s", 0.0) + (1 - c.rms_decay) * g**2
    return p - lr * g / (math.sqrt(m["s"]) + 1e-8)


def adam(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Kingma and Ba, 2015."""
    g += c.weight_decay * p
    m["m"] = c.beta1 * m.get("m", 0.0) + (1 - c.beta1) * g
    m["v"] = c.beta2 * m.get("v", 0.0) + (1 - c.beta2) * g**2
    mean, square = m["m"] / (1 - c.beta1**t), m["v"] / (1 - c.beta2**t)
    return p - lr * mean / (math.sqrt(square) + 1e-8)


def adamw(p: float, g: float, lr: float, t: int, m: Memory, c: TrainingConfig) -> float:
    """Loshchilov and Hutter, 2019: the decay is not part of the gradient."""
    p -= lr * c.weight_decay * p
    m["m"] = c.beta1 * m.get("m", 0.0) + (1 - c.beta1) * g
    m["v"] = c.beta2 * m.get("v", 0.0) + (1 - c.beta2) * g**2
    mean, square = m["m"] / (1 - c.beta1**t), m["v"] / (1 - c.beta2**t)
    return p - lr * mean / (math.sqrt(square) + 1e-8)


RULES: dict[str, Rule] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
}
UNUSUAL = {"momentum": 0.7, "beta1": 0.8, "beta2": 0.95, "rms_decay": 0.85}
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
UPDATES = 6


def updated(
    name: str, config: TrainingConfig, p: Array, gradients: list[Array], rates: list[float]
) -> tuple[Array, dict[str, Array]]:
    """Return what an optimiser makes of some parameters, and its memory afterwards."""
    p = p.copy()
    optimizer = OPTIMIZERS[name].fresh(config, p.size, p.dtype)
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        optimizer.update(p, g.copy(), lr, t)
    return p, optimizer.state


def naively(
    name: str, config: TrainingConfig, p: Array, gradients: list[Array], rates: list[float]
) -> list[float]:
    """Return the same by the formula, one parameter after the other."""
    memories: list[Memory] = [{} for _ in p]
    values = p.tolist()
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        values = [
            RULES[name](value, float(slope), lr, t, memory, config)
            for value, slope, memory in zip(values, g, memories, strict=True)
        ]
    return values


def problem(size: int) -> tuple[Array, list[Array], list[float]]:
    """Return parameters, gradients of several updates, and their learning rates."""
    random = np.random.default_rng(5)
    p = random.standard_normal(size)
    gradients = [random.standard_normal(size) * scale for scale in (1, 0.1, 3, 1e-4, 1, 0.5)]
    return p, gradients, [0.1, 0.05, 0.2, 0.1, 0.01, 0.1]


@every_optimizer
@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
@pytest.mark.parametrize("constants", [{}, UNUSUAL], ids=["defaults", "unusual"])
def test_an_optimizer_follows_its_formula(
    name: str, weight_decay: float, constants: dict[str, float]
) -> None:
    """Six updates agree with the formula to 1e-12, with and without weight decay."""
    config = TrainingConfig(optimizer=name, weight_decay=weight_decay, **constants)
    p, gradients, rates = problem(11)
    found, _ = updated(name, config, p, gradients, rates)
    assert found == pytest.approx(naively(name, config, p, gradients, rates), rel=1e-12)


@every_optimizer
def test_chunks_do_not_show(name: str) -> None:
    """On both sides of the borders between chunks, parameters are updated by the formula."""
    config = TrainingConfig(optimizer=name, weight_decay=0.02)
    p, gradients, rates = problem(2 * CHUNK + 3)
    found, state = updated(name, config, p, gradients, rates)
    for around in (0, CHUNK, 2 * CHUNK):
        at = slice(max(0, around - 2), around + 3)
        expected = naively(name, config, p[at], [g[at] for g in gradients], rates)
        assert found[at] == pytest.approx(expected, rel=1e-12)
    assert all(np.count_nonzero(vector) == p.size for vector in state.values())


@every_optimizer
def test_the_size_of_chunks_does_not_change_a_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of 7 give the same bits as one chunk, in float32."""
    config = TrainingConfig(optimizer=name, weight_decay=0.02)
    p, gradients, rates = problem(50)
    single = p.astype(np.float32), [g.astype(np.float32) for g in gradients], rates
    whole, memory = updated(name, config, *single)
    monkeypatch.setattr(optimizers, "CHUNK", 7)
    cut, other_memory = updated(name, config, *single)
    assert whole.tobytes() == cut.tobytes()
    assert whole.dtype == np.float32
    assert {slot: vector.tobytes() for slot, vector in memory.items()} == {
        slot: vector.tobytes() for slot, vector in other_memory.items()
    }


@every_optimizer
def test_the_memory_is_what_was_declared(name: str) -> None:
    """One vector of zeros for each slot, of the parameters' size and type."""
    kind = OPTIMIZERS[name]
    optimizer = kind.fresh(TrainingConfig(optimizer=name), 5, np.float32)
    assert tuple(optimizer.state) == kind.slots
    for vector in optimizer.state.values():
        assert vector.dtype == np.float32
        assert vector.tolist() == [0.0] * 5


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_zero_gradient_moves_nothing(name: str, dtype: Any) -> None:
    """Without gradient and decay, parameters stay as they are: no 0 / 0 anywhere."""
    p = np.array([1.5, -2.0, 0.0], dtype)
    found, _ = updated(name, TrainingConfig(optimizer=name), p, [np.zeros(3, dtype)] * 3, [0.1] * 3)
    assert found.tolist() == [1.5, -2.0, 0.0]


@every_optimizer
def test_every_optimizer_finds_a_minimum(name: str) -> None:
    """A parabola's minimum is reached from afar."""
    optimizer = OPTIMIZERS[name].fresh(TrainingConfig(optimizer=name), 2, np.float64)
    target, p = np.array([1.0, -2.0]), np.array([4.0, 3.0])
    for t in range(1, 1_001):
        optimizer.update(p, p - target, 0.3 * (1 - t / 1_001), t)
    assert p == pytest.approx(target, abs=0.01)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adams_first_step_has_the_learning_rates_length(name: str) -> None:
    """With both means corrected, the first update is lr times the gradient's sign."""
    p = np.zeros(3)
    optimizer = OPTIMIZERS[name].fresh(TrainingConfig(optimizer=name), 3, np.float64)
    optimizer.update(p, np.array([1e-3, -7.0, 100.0]), 0.1, 1)
    assert p == pytest.approx([-0.1, 0.1, -0.1], rel=1e-4)


def test_weight_decay_is_decoupled_in_adamw_only() -> None:
    """Without a gradient, AdamW shrinks weights by 1 - lr decay; Adam follows a penalty."""
    p, zero = np.array([2.0]), [np.zeros(1)]
    config = TrainingConfig(weight_decay=0.1)
    shrunk, _ = updated("adamw", config, p, zero, [0.5])
    penalised, _ = updated("adam", config, p, zero, [0.5])
    assert shrunk[0] == pytest.approx(2 * (1 - 0.5 * 0.1), rel=1e-12)
    assert penalised[0] == pytest.approx(2 - 0.5, rel=1e-6)


def test_every_optimizer_has_a_formula_here() -> None:
    """No registered optimiser goes untested."""
    assert list(RULES) == list(OPTIMIZERS)
