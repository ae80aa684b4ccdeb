"""What states tell of earlier symbols."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from delay_line import delay_line
from looked_into import small_model

from charnn.analysis import probes
from charnn.analysis.probes import Probes, entropy_of, probed, probes_of, standardised, told_apart
from charnn.analysis.softmax_regression import descended, fitted, penalised
from charnn.analysis.stretches import stretches_of
from charnn.analysis.trace import trace
from charnn.arrays import Array

V, K = 6, 3
IDS = np.random.default_rng(1).integers(0, V, 4_000)


def check_memory(found: Probes) -> None:
    """K symbols are known, all of each, and nothing of the others."""
    bits = np.array([probe.bits for probe in found.states[0].probes])
    entropy = np.array([probe.entropy for probe in found.states[0].probes])
    np.testing.assert_allclose(entropy, math.log2(V), atol=0.01)
    assert (bits <= entropy).all()
    assert (entropy - bits)[:K].max() < 0.1
    assert bits[K:].max() < 0.03


def test_a_delay_line_remembers_k_symbols() -> None:
    """Of uniform symbols log2 V bits each, and 0 beyond."""
    found = probes_of(delay_line(V, K), IDS, K + 2, 1, seed=1)
    check_memory(found)
    assert found.classes == V
    assert found.fitted + found.scored < len(IDS)
    assert [probe.lag for probe in found.states[0].probes] == list(range(K + 3))


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_lag_that_is_off_by_one_is_noticed(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the states' symbols are those of the step before or after."""
    original = probes.told_apart

    def late(ids: Array, size: int) -> tuple[Array, int]:
        symbols, classes = original(ids, size)
        return np.roll(symbols, shift), classes

    monkeypatch.setattr(probes, "told_apart", late)
    with pytest.raises(AssertionError):
        check_memory(probes_of(delay_line(V, K), IDS, K + 2, 1, seed=1))


def bits_of_noise(choose: Callable[[list[Array]], list[Array]]) -> float:
    """Return what probes find in noise, with the parts of the data as `choose` gives them."""
    random = np.random.default_rng(2)
    rows = [random.standard_normal((600, 40)) for _ in range(3)]
    symbols = random.integers(0, V, 1_800)
    places = [np.arange(600 * n, 600 * (n + 1))[:, None] for n in range(3)]
    (probe,) = probed(choose(rows), choose(places), symbols, V, 0, lambda _: None)
    return probe.bits


def test_noise_tells_nothing() -> None:
    """The bound does not rise above 0 by the fit alone."""
    assert bits_of_noise(lambda parts: parts) < 0.01


def test_scores_on_what_was_fitted_are_noticed() -> None:
    """A planted fault: one half fits, chooses and scores."""
    assert bits_of_noise(lambda parts: parts[:1] * 3) > 0.1


def test_states_are_those_of_the_whole_text() -> None:
    """Stretches begin at carried states, and each state stands at its symbol's place."""
    model = small_model(cell="lstm")
    ids = np.random.default_rng(3).integers(0, 5, 250)
    stretches = stretches_of(len(ids), 250, 512, seed=1)
    whole = trace(model, ids).layers[1].states
    found = probes.states_in(model, ids, stretches.starts, stretches.length, 2)
    at = stretches.starts + np.arange(stretches.length)[:, None]
    for state in ("h", "c"):
        np.testing.assert_allclose(found[state], whole[state][at + 1, 0], rtol=1e-10)


def test_gradient_of_the_regression() -> None:
    """Against central differences, ridge and bias too."""
    random = np.random.default_rng(4)
    x, y = random.standard_normal((9, 3)), random.integers(0, 4, 9)
    objective = penalised(x, y, ridge=2.0)
    weights = random.standard_normal((4, 4))
    value, gradient = objective(weights)
    logits = x @ weights[:-1] + weights[-1]
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    naive = -np.log(chances[np.arange(9), y]).sum() + (weights[:-1] ** 2).sum()
    assert value == pytest.approx(naive / 9)
    for at in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[at] = 1e-5
        slope = (objective(weights + step)[0] - objective(weights - step)[0]) / 2e-5
        assert gradient[at] == pytest.approx(slope, abs=1e-8)
    best = descended(objective, weights, 60)
    assert np.abs(objective(best)[1]).max() < 1e-5


def test_a_regression_finds_what_is_there() -> None:
    """The symbol is one of the numbers: nothing else is needed to know it."""
    random = np.random.default_rng(5)
    y = random.integers(0, 3, 500)
    x = np.eye(3)[y] + 0.01 * random.standard_normal((500, 3))
    found = fitted(x[:400], y[:400], (x[400:], y[400:]), 3)
    assert found.ridge is not None
    assert found.losses(x[400:], y[400:]).mean() < 0.1


def test_rare_symbols_are_one_class() -> None:
    """The common ones are told apart, and the rest is the last class."""
    ids = np.concatenate([np.arange(400), np.arange(100, 355)])
    found, classes = told_apart(ids, 400)
    assert classes == 256
    assert (found[:100] == 255).all()
    assert len(set(found[100:355].tolist())) == 255
    assert told_apart(ids, 256)[1] == 256


def test_numbers() -> None:
    """The entropy of shares; units are standardised by the first part, constant ones are left."""
    assert entropy_of(np.array([0, 0, 3, 5])) == pytest.approx(1.5)
    part = np.array([[[1.0, 7.0]], [[3.0, 7.0]]])
    first, second = standardised([part, part + 2])
    np.testing.assert_allclose(first, [[-1, 0], [1, 0]])
    np.testing.assert_allclose(second, [[1, 2], [3, 2]])
