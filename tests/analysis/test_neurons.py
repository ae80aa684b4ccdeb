"""What units follow, how saturated they are, and one of them at close sight."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from delay_line import LETTERS
from looked_into import H, small_model

from charnn.analysis import neurons as module
from charnn.analysis import saturation, unit_portrait
from charnn.analysis.context import context_use
from charnn.analysis.correlation import Sums, area, correlation
from charnn.analysis.features import FEATURES, Alphabet, features_of
from charnn.analysis.neurons import Neurons, best_of, neurons
from charnn.analysis.probes import probes_of
from charnn.analysis.stretches import Stretches, Watched, stretches_of, watch
from charnn.analysis.trace import LayerTrace, Trace, trace
from charnn.analysis.unit_portrait import portrait
from charnn.arrays import Array
from charnn.models.language_model import LanguageModel

ALPHABET = Alphabet(LETTERS)
IDS = np.random.default_rng(1).integers(0, 5, 240)
STRETCHES = stretches_of(len(IDS), 240, 1_024, seed=1)
UNITS = 6


def places(second: bool) -> Array:
    """Return the places of a half's symbols in the text."""
    every = STRETCHES.half(second) + np.arange(STRETCHES.length)[:, None]
    return every.ravel()


def state_of(model: LanguageModel, layer: int, unit: int, state: str) -> Array:
    """Return a unit's states after each symbol of the whole text, read from its beginning."""
    course: Array = trace(model, IDS).layers[layer - 1].states[state][:, 0, unit - 1]
    return course


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_figures_are_those_of_the_whole_text(cell: str) -> None:
    """The best units and their figures, against NumPy's correlations of one long trace."""
    model = small_model(cell=cell)
    found = neurons(model, IDS, ALPHABET, STRETCHES, 2)
    whole = trace(model, IDS)
    table = features_of(IDS, ALPHABET, 0, len(IDS))
    assert found.symbols == 240
    assert found.absent == ["inside quotes", "inside brackets"]
    first, second = places(second=False), places(second=True)
    for name, followers in found.followers.items():
        feature = table[:, FEATURES.index(name)]
        every = [
            abs(np.corrcoef(feature[first], values[1:][first, 0, unit])[0, 1])
            for layer in whole.layers
            for values in layer.states.values()
            for unit in range(H)
        ]
        assert len(followers) == 2
        np.testing.assert_allclose(
            [abs(each.chosen_r) for each in followers], np.sort(every)[:-3:-1], rtol=1e-9
        )
        for each in followers:
            course = state_of(model, each.layer, each.unit, each.state)[1:]
            assert each.chosen_r == pytest.approx(np.corrcoef(feature[first], course[first])[0, 1])
            assert each.r == pytest.approx(np.corrcoef(feature[second], course[second])[0, 1])
            if each.auc is not None:
                signed = np.sign(each.chosen_r) * course[second]
                pairs = np.subtract.outer(signed[feature[second] > 0], signed[feature[second] == 0])
                assert each.auc == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)


def test_saturation_is_counted_on_the_whole_text() -> None:
    """Gates and |h|, by layer; the candidates are no gates."""
    model = small_model(cell="lstm")
    found = neurons(model, IDS, ALPHABET, STRETCHES, 1).saturation
    assert [(each.layer, each.gate) for each in found] == [
        (layer, gate) for layer in ("layer1", "layer2") for gate in ("i", "f", "o", "|h|")
    ]
    whole = trace(model, IDS)
    for each in found:
        layer = whole.layers[int(each.layer[-1]) - 1]
        values = np.abs(layer.states["h"][1:]) if each.gate == "|h|" else layer.gates[each.gate]
        assert each.mean == pytest.approx(values.mean())
        assert each.below == pytest.approx((values < 0.1).mean())
        assert each.above == pytest.approx((values > 0.9).mean())
        assert each.mostly_below == ((values < 0.1).mean(axis=0) > 0.9).sum()
        assert each.mostly_above == ((values > 0.9).mean(axis=0) > 0.9).sum()


def made_up(states: Array) -> Any:
    """Return what stands for `watch`: units whose states (N, U) are given, a window a stretch."""

    def made(_: object, ids: Array, starts: Array, length: int) -> Iterator[Watched]:
        for column, start in enumerate(starts):
            at = start + np.arange(length)[:, None]
            values = np.concatenate([np.zeros((1, 1, UNITS)), states[at]])
            layer = LayerTrace("layer1", {}, {"h": values})
            told = Trace(ids[at], [layer], np.zeros((length, 1, 5)), [])
            yield Watched(at, told, slice(0, length), slice(column, column + 1))

    return made


def watched(states: Array, monkeypatch: pytest.MonkeyPatch, stretches: Stretches) -> Neurons:
    """Return what is found of units whose states are given."""
    monkeypatch.setattr(module, "watch", made_up(states))
    model = small_model(cell="rnn", num_layers=1, hidden_size=UNITS)
    return neurons(model, IDS, ALPHABET, stretches, 1)


def test_a_unit_that_is_a_feature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has r = 1 on both halves, or -1, and an AUC of 1."""
    table = features_of(IDS, ALPHABET, 0, len(IDS))
    states = 0.1 * np.random.default_rng(2).standard_normal((len(IDS), UNITS))
    states[:, 2] = 3 * table[:, FEATURES.index("place in the line")] - 7
    states[:, 4] = -table[:, FEATURES.index("end of the word")]
    found = watched(states, monkeypatch, STRETCHES).followers
    (line,), (word,) = found["place in the line"], found["end of the word"]
    assert (line.layer, line.unit, line.state) == (1, 3, "h")
    assert (line.chosen_r, line.r, line.auc) == (pytest.approx(1), pytest.approx(1), None)
    assert word.unit == 5
    assert (word.chosen_r, word.r, word.auc) == (pytest.approx(-1), pytest.approx(-1), 1)


def check_noise(found: Neurons) -> None:
    """What was chosen among noise is not what is told."""
    names = [name for name in found.followers if name != "after a line's end"]
    chosen = np.mean([abs(found.followers[name][0].chosen_r) for name in names])
    told = [found.followers[name][0] for name in names]
    held = np.mean([np.sign(each.chosen_r) * (each.r or 0) for each in told])
    assert held < 0.6 * chosen


def test_noise_is_not_told_as_it_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise has some correlation on the half that chose the unit, and another on the other."""
    states = np.random.default_rng(3).standard_normal((len(IDS), UNITS))
    check_noise(watched(states, monkeypatch, STRETCHES))


def test_figures_of_the_half_that_chose_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: one half chooses and judges."""
    states = np.random.default_rng(3).standard_normal((len(IDS), UNITS))

    class Same(Stretches):
        def half(self, second: bool) -> Array:
            return super().half(second=False)

    same = Same(STRETCHES.starts, STRETCHES.length, STRETCHES.second)
    with pytest.raises(AssertionError):
        check_noise(watched(states, monkeypatch, same))


def test_states_of_the_step_before_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a state stands at the symbol that is read next."""

    def early(trace: Trace) -> Array:
        return np.concatenate(
            [s[:-1] for layer in trace.layers for s in layer.states.values()], axis=-1
        )

    monkeypatch.setattr(module, "states_in", early)
    with pytest.raises(AssertionError):
        test_figures_are_those_of_the_whole_text("gru")


def test_stretches_that_begin_at_zeros_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: what stands before a stretch is not read."""
    for room, test in (
        (module, lambda: test_figures_are_those_of_the_whole_text("gru")),
        (unit_portrait, test_a_portrait),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(room, "watch", partial(watch, warm_up=0))
            with pytest.raises(AssertionError):
                test()


@pytest.mark.parametrize(
    ("name", "value"), [("SHUT", 0.3), ("OPEN", 0.6), ("CANDIDATES", ("h",)), ("MOSTLY", 0.2)]
)
def test_wrong_counts_are_noticed(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted faults: other limits, or candidates that are taken for gates."""
    monkeypatch.setattr(saturation, name, value)
    with pytest.raises(AssertionError):
        test_saturation_is_counted_on_the_whole_text()


def test_changes_of_the_next_symbol_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: what a symbol does is told of the one before it."""
    original = unit_portrait.drives
    monkeypatch.setattr(
        unit_portrait, "drives", lambda symbols, changes: original(np.roll(symbols, 1), changes)
    )
    with pytest.raises(AssertionError):
        test_a_portrait()


def test_a_portrait() -> None:
    """Values, changes and gates of one unit, against one long trace."""
    model = small_model(cell="lstm")
    found = portrait(model, IDS, ALPHABET, STRETCHES, (2, 3, "c"), 17)
    course = state_of(model, 2, 3, "c")
    assert (found.layer, found.unit, found.state, found.symbols) == (2, 3, "c", 240)
    assert found.mean == pytest.approx(course[1:].mean())
    assert found.deviation == pytest.approx(course[1:].std())
    assert found.quantiles["50%"] == pytest.approx(np.median(course[1:]))
    np.testing.assert_allclose(found.beginning, course[1:18], rtol=1e-9)
    forget = trace(model, IDS).layers[1].gates["f"][:, 0, 2]
    assert found.gates["f"] == (
        pytest.approx((forget < 0.1).mean()),
        pytest.approx((forget > 0.9).mean()),
    )
    changes = np.diff(course)
    assert [each.change for each in found.drives] == sorted(
        (each.change for each in found.drives), reverse=True
    )
    for each in found.drives:
        assert each.change == pytest.approx(changes[each.symbol == IDS].mean())
        assert each.times == (each.symbol == IDS).sum()
    sizes = [abs(each.chosen_r) for each in found.follows]
    assert sizes == sorted(sizes, reverse=True)
    every = neurons(model, IDS, ALPHABET, STRETCHES, 16).followers
    for each in found.follows:
        (same,) = (
            other
            for other in every[each.feature]
            if (other.layer, other.unit, other.state) == (2, 3, "c")
        )
        for name in ("chosen_r", "r", "auc"):
            assert getattr(each, name) == pytest.approx(getattr(same, name))


def test_every_cell_and_form(cell_options: dict[str, str]) -> None:
    """Units, context and probes of all of them can be looked at; there is a row for each state."""
    model = small_model(dtype="float32", attention="dot", embedding_size=3, **cell_options)
    found = neurons(model, IDS, ALPHABET, STRETCHES, 1)
    assert {each.layer for each in found.saturation} == {"layer1", "layer2"}
    assert all(0 <= each.below <= 1 for each in found.saturation)
    context = context_use(model, IDS, 10, 5, seed=1)
    assert np.isfinite(context.loss).all()
    probes = probes_of(model, IDS, 2, 2, seed=1)
    assert [each.state for each in probes.states] == list(model.cell.states)
    assert probes.layer == "layer2"
    place = 1, 2, model.cell.states[-1]
    assert len(portrait(model, IDS, ALPHABET, STRETCHES, place, 9).beginning) == 9


def test_correlation_and_area() -> None:
    """Of sums, as NumPy has it; None or NaN where nothing varies."""
    random = np.random.default_rng(5)
    x, y = random.standard_normal((20, 3)) + 50, random.standard_normal((20, 4))
    y[:, 1] = 0.3
    sums = Sums()
    sums.add(x[:7], y[:7])
    sums.add(x[7:], y[7:])
    r = sums.correlations()
    assert np.isnan(r[:, 1]).all()
    expected = np.corrcoef(x.T, y[:, [0, 2, 3]].T)[:3, 3:]
    np.testing.assert_allclose(r[:, [0, 2, 3]], expected, rtol=1e-9)
    assert correlation(x[:, 0], y[:, 1]) is None
    truth = np.array([True, False, True, False])
    assert area(np.array([2.0, 1.0, 2.0, 2.0]), truth) == 0.75
    assert area(np.ones(4), np.zeros(4, bool)) is None
    assert best_of(np.array([0.1, np.nan, -0.5]), 3).tolist() == [2, 0]
