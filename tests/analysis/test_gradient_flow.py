"""Gradient flow: how fast norms fall, what weights and gates say of it, and a run's clipping."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from looked_into import V, central_differences, small_model

import charnn
from charnn.analysis import gradient_flow as flowing
from charnn.analysis.clipping_record import ClippingRecord, clipping_of
from charnn.analysis.decay import decay_of, lag_below
from charnn.analysis.gradient_flow import (
    direct_path,
    gradient_flow,
    keeping,
    places_in,
    time_constants,
)
from charnn.analysis.positions import states_before, windows_at_random
from charnn.analysis.spectrum import norm, spectra, spectral_radius
from charnn.analysis.trace import state_gradients, trace
from charnn.analysis.vanishing import STEPS, UNITS, Arithmetic, untrained_network, vanishing
from charnn.arrays import Array
from charnn.errors import CorpusError
from charnn.models.language_model import LanguageModel
from charnn.training.checkpoint import Checkpoint


def text_of(N: int, seed: int = 5) -> Array:
    """Return a random text (N,)."""
    return np.random.default_rng(seed).integers(0, V, N)


# How fast norms fall


def test_a_power_law_is_told() -> None:
    """3 * 0.9^k: its factor, half-life, 1 % lag, and what lies beyond a window."""
    found = decay_of(3 * 0.9 ** np.arange(201), window=64)
    assert found.factor == pytest.approx(0.9, rel=1e-12)
    assert found.half_life == pytest.approx(math.log(2) / -math.log(0.9), rel=1e-12)
    assert found.lag_at_one_percent == 44  # 0.9^43 = 1.08 %, 0.9^44 = 0.97 %
    beyond = (0.9**64 - 0.9**201) / (1 - 0.9**201)
    assert found.beyond == pytest.approx(beyond, rel=1e-12)


def test_what_grows_has_no_half_life() -> None:
    """A factor of 1.1: nothing is halved, and nothing falls below 1 %."""
    found = decay_of(1.1 ** np.arange(101), window=500)
    assert found.factor == pytest.approx(1.1, rel=1e-12)
    assert (found.half_life, found.lag_at_one_percent, found.beyond) == (None, None, None)


def test_the_fit_is_that_of_least_squares() -> None:
    """By the normal equations, over the lags from 1; what is 0 is left out."""
    g = np.array([9.0, 1.0, 0.7, 0.2, 0.0, 0.1])
    k, y = np.array([1, 2, 3, 5]), np.log([1.0, 0.7, 0.2, 0.1])
    slope = ((k - k.mean()) * (y - y.mean())).sum() / ((k - k.mean()) ** 2).sum()
    assert decay_of(g).factor == pytest.approx(math.exp(slope), rel=1e-12)
    with_lag_0 = np.polyfit([0, *k], np.log([9.0, *np.exp(y)]), 1)[0]
    assert decay_of(g).factor != pytest.approx(math.exp(with_lag_0), rel=1e-3)


def test_nothing_to_fit() -> None:
    """Zeros, and a single lag."""
    assert decay_of(np.array([1.0, 0, 0, 0])).factor is None
    assert decay_of(np.array([1.0, 0.5])).factor is None
    assert decay_of(np.zeros(4), window=2).beyond is None


def test_one_percent_is_from_there_on() -> None:
    """A norm that rises again has not fallen below 1 %."""
    assert lag_below(np.array([1, 0.005, 0.5, 0.009, 0.001]), 0.01) == 3
    assert lag_below(np.array([1, 0.005, 0.001, 0.02]), 0.01) is None


# What the weights say


def test_spectra_of_known_matrices() -> None:
    """Orthogonal: both are 1. Nilpotent: the radius is 0, and the norm is not."""
    Q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))
    assert (spectral_radius(Q), norm(Q)) == (pytest.approx(1), pytest.approx(1))
    nilpotent = np.array([[0.0, 2.0], [0.0, 0.0]])
    assert (spectral_radius(nilpotent), norm(nilpotent)) == (0, pytest.approx(2))
    rotation = 0.5 * np.array([[0.0, -1.0], [1.0, 0.0]])  # its eigenvalues are +- i / 2
    assert spectral_radius(rotation) == pytest.approx(0.5)


def test_spectra_are_those_of_the_gates() -> None:
    """Each gate by its name, by powers and by the naive largest stretch."""
    model = small_model(cell="gru", hidden_size=6)
    W_hh = model.parameters["layer2/W_hh"]
    found = spectra(model, "layer2")
    assert [gate.gate for gate in found] == ["r", "z", "n"]
    for gate, W in zip(found, W_hh, strict=True):
        k = 2_000
        scaled = np.linalg.matrix_power(W / gate.radius, k)
        assert np.linalg.norm(scaled) ** (1 / k) == pytest.approx(1, abs=0.01)
        eigenvalues = np.linalg.eigvalsh(W.T @ W)
        assert gate.largest_singular == pytest.approx(math.sqrt(eigenvalues[-1]), rel=1e-10)


def test_a_cell_without_recurrent_weights() -> None:
    """The minGRU has none."""
    assert spectra(small_model(cell="mingru"), "layer1") == []


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_bound_holds(scale: float) -> None:
    """In a one-layer RNN no gradient is above the product of sigma max(1 - h^2), nor sigma^k."""
    model = small_model(cell="rnn", num_layers=1, hidden_size=6)
    model.parameters["layer1/W_hh"][...] *= scale
    ids = np.random.default_rng(1).integers(0, V, (12, 8))
    found = state_gradients(model, ids, 9)
    norms = np.linalg.norm(found.layers[0]["h"], axis=-1)
    sigma = spectra(model, "layer1")[0].largest_singular
    slopes = 1 - found.traced[0].states["h"][:0:-1] ** 2  # by lag
    bound = np.cumprod(sigma * slopes.max(axis=-1)[:9], axis=0)
    assert (norms[1:] <= norms[0] * bound * (1 + 1e-12)).all()
    assert (bound <= sigma ** np.arange(1, 10)[:, None] * (1 + 1e-12)).all()


# What the gates say


def state_path(model: LanguageModel, state: str) -> tuple[Array, Array]:
    """Return the direct path by the state, and the whole gradient, of a one-layer network."""
    ids = np.random.default_rng(1).integers(0, V, (10, 3))
    found = state_gradients(model, ids, 8)
    kept = keeping(found.traced[0].gates)
    assert kept is not None
    gradient = found.layers[0][state]
    return direct_path(gradient[0], kept[1]), gradient


@pytest.mark.parametrize(
    ("cell", "state"),
    [("lstm", "c"), ("gru", "h"), ("mingru", "h"), ("layernorm-lstm", "c")],
)
def test_without_recurrent_weights_the_direct_path_is_all(cell: str, state: str) -> None:
    """With W_hh = 0 the state passes through its gate alone: prod f, or prod (1 - z)."""
    model = small_model(cell=cell, num_layers=1)
    if cell != "mingru":
        model.parameters["layer1/W_hh"][...] = 0
    direct, whole = state_path(model, state)
    assert np.abs(whole[8]).max() > 1e-6
    assert direct == pytest.approx(whole, rel=1e-9, abs=1e-15)


def test_with_recurrent_weights_it_is_not() -> None:
    """The direct path is one of many."""
    direct, whole = state_path(small_model(cell="lstm", num_layers=1), "c")
    assert np.array_equal(direct[0], whole[0])
    assert np.abs(direct - whole).max() > 1e-3


@pytest.mark.parametrize("fault", ["no sigmoid", "lag off by one", "z for 1 - z"])
def test_planted_faults_of_the_direct_path(fault: str) -> None:
    """The test above sees pre-activations, a gate of the wrong step, and the wrong gate."""
    model = small_model(cell="gru", num_layers=1)
    model.parameters["layer1/W_hh"][...] = 0
    ids = np.random.default_rng(1).integers(0, V, (10, 3))
    found = state_gradients(model, ids, 8)
    kept = 1 - found.traced[0].gates["z"]
    wrong = {
        "no sigmoid": np.log(kept / (1 - kept)),
        "lag off by one": np.roll(kept, 1, axis=0),
        "z for 1 - z": 1 - kept,
    }[fault]
    whole = found.layers[0]["h"]
    assert np.abs(direct_path(whole[0], wrong) - whole).max() > 1e-3


def test_time_constants() -> None:
    """-1 / ln f: of 0.9 it is 9.49 steps; the quantiles are those of the units."""
    found = time_constants(np.full(4, 0.9))
    assert list(found) == ["10%", "25%", "50%", "75%", "90%"]
    assert list(found.values()) == pytest.approx([-1 / math.log(0.9)] * 5)
    spread = np.exp(-1 / np.arange(1, 102))  # constants 1 to 101
    assert list(time_constants(spread).values()) == pytest.approx([11, 26, 51, 76, 91])
    assert all(math.isfinite(value) for value in time_constants(np.array([0.0, 1.0])).values())


# All of it


def test_it_is_what_one_position_after_the_other_gives(cell_options: dict[str, str]) -> None:
    """Medians and quartiles of norms, and the means of gates, by a loop over positions."""
    model, ids = small_model(**cell_options), text_of(90)
    places = places_in(90, lags=5, positions=6, seed=1, warm_up=10)
    found = gradient_flow(model, ids, places, window=3)
    assert (found.lags, found.positions, found.warm_up) == (5, 6, 10)
    for n, layer in enumerate(found.layers):
        norms: dict[str, list[Array]] = {state: [] for state in model.cell.states}
        slopes, kept = [], []
        for start in places.starts:
            before = trace(model, ids[start - 10 : start]).final
            one = state_gradients(model, ids[start : start + 7], 5, before)
            for state in model.cell.states:
                norms[state].append(np.sqrt((one.layers[n][state][:, 0] ** 2).sum(axis=-1)))
            slopes.append((1 - one.traced[n].states["h"][1:] ** 2).mean())
            gates = one.traced[n].gates
            kept.append(gates["f"] if "f" in gates else 1 - gates["z"] if "z" in gates else None)
        for flow in layer.states:
            every = np.array(norms[flow.state])
            assert flow.median == pytest.approx(np.median(every, axis=0), rel=1e-9)
            assert flow.low == pytest.approx(np.quantile(every, 0.25, axis=0), rel=1e-9)
            assert flow.high == pytest.approx(np.quantile(every, 0.75, axis=0), rel=1e-9)
            assert flow.decay == decay_of(np.array(flow.median), 3)
        assert layer.mean_slope == pytest.approx(np.mean(slopes), rel=1e-12)
        if layer.keeps is None:
            assert (layer.mean_kept, layer.time_constants) == (None, None)
            assert all(flow.direct is None for flow in layer.states)
        else:
            assert layer.mean_kept == pytest.approx(np.mean(kept), rel=1e-12)
            assert [flow.direct is None for flow in layer.states[:-1]] == [True] * (
                len(layer.states) - 1
            )
            assert layer.states[-1].direct[0] == layer.states[-1].median[0]
    assert (found.layers[0].bound is None) == (model.config.cell != "rnn")


def test_the_bound_a_step() -> None:
    """Of the RNN: the geometric mean, over steps and positions, of sigma max(1 - h^2)."""
    model, ids = small_model(cell="rnn"), text_of(90)
    places = places_in(90, lags=5, positions=4, seed=1, warm_up=0)
    logs = []
    for start in places.starts:
        h = trace(model, ids[start : start + 6]).layers[1].states["h"][1:]
        sigma = np.linalg.svd(model.parameters["layer2/W_hh"][0], compute_uv=False)[0]
        logs += [math.log(sigma * max(1 - h_t[0] ** 2)) for h_t in h]
    found = gradient_flow(model, ids, places).layers[1].bound
    assert found == pytest.approx(math.exp(np.mean(logs)), rel=1e-12)


def test_the_norms_are_those_of_central_differences() -> None:
    """End to end: positions of a text against the naive oracle."""
    model, ids = small_model(cell="lstm", num_layers=1), text_of(60)
    places = places_in(60, lags=3, positions=3, seed=2, warm_up=4)
    read = ids[places.starts + np.arange(5)[:, None]]
    before = states_before(model, ids, places.starts, 4)
    expected = central_differences(model, read, before, 3)[0]
    for flow in gradient_flow(model, ids, places).layers[0].states:
        norms = np.linalg.norm(expected[flow.state], axis=-1)
        assert flow.median == pytest.approx(np.median(norms, axis=1), rel=1e-6)


def test_batches_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are computed side by side, as many as memory allows; the figures are the same."""
    model, ids = small_model(cell="lstm"), text_of(300)
    places, done = places_in(300, 6, 11, 1, 8), []
    whole = gradient_flow(model, ids, places)
    monkeypatch.setattr(flowing, "COLUMNS", 4)
    parts = gradient_flow(model, ids, places, advance=done.append)
    assert done == [4, 4, 3]
    monkeypatch.setattr(flowing, "KEPT", 1)
    one = gradient_flow(model, ids, places, advance=done.append)
    assert done[3:] == [1] * 11
    for other in (parts, one):
        for ours, theirs in zip(whole.layers, other.layers, strict=True):
            assert ours.mean_kept == pytest.approx(theirs.mean_kept, rel=1e-12)
            assert ours.mean_slope == pytest.approx(theirs.mean_slope, rel=1e-12)
            assert ours.time_constants == pytest.approx(theirs.time_constants, rel=1e-12)
            for flow, again in zip(ours.states, theirs.states, strict=True):
                assert flow.median == pytest.approx(again.median, rel=1e-9)
                assert flow.direct == again.direct or flow.direct == pytest.approx(again.direct)


def test_float32_does_not_round_to_nothing() -> None:
    """A float32 model's gradients far back are those of float64."""
    model = small_model("float32", cell="rnn", num_layers=1)
    model.parameters["layer1/W_hh"][...] *= 0.05
    places = places_in(500, 60, 2, 1, 0)
    found = gradient_flow(model, text_of(500), places).layers[0].states[0]
    assert 0 < found.median[-1] < 1e-45


def test_states_before_are_carried() -> None:
    """They are those after the symbols that precede; without them the figures differ."""
    model, ids = small_model(cell="gru"), text_of(200)
    starts = np.array([70, 133])
    found = states_before(model, ids, starts, 70)
    for n, start in enumerate(starts):
        expected = trace(model, ids[start - 70 : start]).final
        for ours, theirs in zip(sum(found, ()), sum(expected, ()), strict=True):
            assert np.abs(ours[n] - theirs[0]).max() < 1e-12
    carried = gradient_flow(model, ids, flowing.Places(3, 20, starts))
    fresh = gradient_flow(model, ids, flowing.Places(3, 0, starts))
    assert carried.layers[1].states[0].median != pytest.approx(
        fresh.layers[1].states[0].median, rel=1e-3
    )


def test_places() -> None:
    """Windows are inside the text, with room before them; the same seed gives the same ones."""
    found = windows_at_random(100, span=12, warm_up=30, count=40, seed=1)
    assert np.array_equal(found, windows_at_random(100, 12, 30, 40, 1))
    assert not np.array_equal(found, windows_at_random(100, 12, 30, 40, 2))
    assert found.min() >= 30
    assert found.max() <= 100 - 12
    assert (np.diff(found) > 0).all()
    every = windows_at_random(100, 12, 30, 1_000, 1)
    assert every.tolist() == list(range(30, 89))


@pytest.mark.parametrize("N", [4, 5, 6, 50, 201, 203, 500])
def test_short_texts_have_fewer_lags(N: int) -> None:
    """Whatever a text's length, its windows are inside it, and there is at least one."""
    places = places_in(N, lags=200, positions=100, seed=1)
    assert 1 <= places.lags <= 200
    assert len(places.starts) >= 1
    assert places.starts.min() - places.warm_up >= 0
    assert places.starts.max() + places.lags + 2 <= N
    gradient_flow(small_model(cell="rnn"), text_of(N), places)


def test_a_text_too_short() -> None:
    """Three symbols are no text."""
    with pytest.raises(CorpusError, match="has 3 symbols"):
        places_in(3, 200, 100, 1)


# The experiment


def test_the_tutorials_numbers() -> None:
    """0.9^100 = 2.66e-5, 1.1^100 = 13,781, sigma(1) = 0.73, half-life 2.2 steps."""
    facts = Arithmetic()
    assert f"{facts.shrinking:.2e}" == "2.66e-05"
    assert f"{facts.growing:,.0f}" == "13,781"
    assert f"{facts.gate:.2f}" == "0.73"
    assert f"{facts.half_life:.1f}" == "2.2"
    assert facts.gate**facts.half_life == pytest.approx(0.5)


def test_the_networks_of_the_experiment() -> None:
    """64 units; orthogonal weights have rho = sigma = 1, Gaussian ones rho near 1, sigma near 2."""
    orthogonal, gaussian = (
        spectra(untrained_network("rnn", start, 1), "layer1")[0]
        for start in ("orthogonal", "gaussian")
    )
    assert (orthogonal.radius, orthogonal.largest_singular) == pytest.approx((1, 1))
    assert 0.8 < gaussian.radius < 1.2
    assert 1.7 < gaussian.largest_singular < 2.2
    assert untrained_network("gru", "gaussian", 1).stack.hidden_size == UNITS


def test_cell_against_cell() -> None:
    """50 steps; the LSTM's f starts near sigma(1), the GRU's 1 - z near 1/2, which vanishes."""
    lstm, gru = vanishing("lstm"), vanishing("gru")
    assert lstm.lags == STEPS - 1
    assert len(lstm.layers[0].states[0].median) == STEPS
    assert lstm.layers[0].mean_kept == pytest.approx(0.73, abs=0.03)
    assert gru.layers[0].mean_kept == pytest.approx(0.5, abs=0.03)
    c = lstm.layers[0].states[1].median
    assert c[-1] / c[0] > 100 * gru.layers[0].states[0].median[-1]
    assert vanishing("gru") == gru
    assert vanishing("gru", seed=2) != gru


# What the run's record says


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    """Return a run's folder, with some updates clipped."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    corpus = charnn.corpus("the tide goes out and the lamp stays lit, all night. " * 40)
    list(
        charnn.train(
            corpus, out=folder, hidden_size=8, batch_size=4, seq_length=16, steps=40, eval_every=15,
            clip_norm=0.4,
        )
    )  # fmt: skip
    return folder, charnn.load(folder)


def test_clipping(run: tuple[Path, Checkpoint]) -> None:
    """The record of all evaluations together, from the folder or a file in it."""
    folder, saved = run
    record, why = clipping_of(folder, saved)
    assert why is None
    assert record is not None
    assert (record.counted, record.clip_norm, record.sampled) == (40, 0.4, False)
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    told = [entry for entry in entries if entry["event"] == "evaluation"]
    assert [entry["counted"] for entry in told] == [15, 15, 10]
    assert record.clipped == sum(entry["clipped"] for entry in told)
    assert 0 < record.share < 1
    assert record.norm_max == max(entry["gradient_norm_max"] for entry in told)
    mean = np.average([entry["gradient_norm_mean"] for entry in told], weights=[15, 15, 10])
    assert record.norm_mean == pytest.approx(mean, rel=1e-12)
    assert clipping_of(folder / "best.npz", saved) == (record, None)


def test_an_older_record(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    """Without counts, the steps that were recorded stand for all; damaged lines are passed over."""
    lines: list[Any] = [
        {"event": "step", "gradient_norm": norm} for norm in (0.1, 0.5, 0.9, None, "x", math.nan)
    ]
    lines += [{"event": "evaluation", "val_loss": 2.0}, [1], 5]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n{half")
    record, why = clipping_of(tmp_path, run[1])
    assert why is None
    assert record == ClippingRecord(0.4, 3, 2, pytest.approx(0.5), 0.9, sampled=True)


def test_no_record(run: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    """No file, and a file with nothing in it: None, and why."""
    record, why = clipping_of(tmp_path / "best.npz", run[1])
    assert record is None
    assert "no metrics.jsonl" in str(why)
    (tmp_path / "metrics.jsonl").write_text("")
    record, why = clipping_of(tmp_path, run[1])
    assert record is None
    assert "no gradients' norms" in str(why)
