"""The trace: what cells compute on a text, and a loss's gradient by every earlier state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from looked_into import (
    GATES,
    B,
    H,
    V,
    central_differences,
    group,
    naive,
    random_ids,
    random_states,
    small_model,
)

import charnn
from charnn.analysis import observed as observing
from charnn.analysis import trace as tracing
from charnn.analysis.trace import state_gradients, trace, trace_windows
from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.errors import ConfigError, CorpusError
from charnn.models import stack as stacks
from charnn.models.language_model import LanguageModel
from charnn.models.model import Sizes
from charnn.models.tagger import Tagger
from charnn.nn.cell import Cell, StepBackward, StepWeights
from charnn.nn.kernels.kernel import States
from charnn.training.checkpoint import Checkpoint

T = 6
MORE: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 3, "embedding_size": 3},
    {"embedding_size": H, "tie_weights": True},
    {"attention": "dot", "attention_span": 3},
    {"weight_drop": 0.4, "recurrent_dropout": 0.2},
]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def furthest(first: list[dict[str, Array]], second: list[dict[str, Array]]) -> float:
    """Return the largest difference between the arrays of layers."""
    assert [layer.keys() for layer in first] == [layer.keys() for layer in second]
    return max(
        float(np.abs(layer[name] - other[name]).max())
        for layer, other in zip(first, second, strict=True)
        for name in layer
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_is_what_the_model_computes(cell_options: dict[str, str], dtype: str) -> None:
    """Logits and final states are those of the kernels, for every cell and form."""
    model = small_model(dtype, **cell_options)
    ids, states = random_ids(T), random_states(model)
    found = trace(model, ids, states)
    logits, final, _ = model.logits(ids, states)
    assert found.logits.dtype == dtype
    assert found.logits.shape == (T, B, V)
    assert np.abs(found.logits.reshape(-1, V) - logits).max() <= TOLERANCE[dtype]
    for ours, theirs in zip(sum(found.final, ()), sum(final, ()), strict=True):
        assert np.abs(ours - theirs).max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("more", MORE, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_structure(more: dict[str, Any], dtype: str) -> None:
    """So it is with more layers, embeddings, tied weights, attention and dropout, which is off."""
    model = small_model(dtype, cell="lstm", **more)
    ids = random_ids(T)
    found = trace(model, ids)
    logits, _, _ = model.logits(ids, model.zero_states(B))
    assert np.abs(found.logits.reshape(-1, V) - logits).max() <= TOLERANCE[dtype]
    assert [layer.name for layer in found.layers] == model.stack.layers


def test_states_are_those_of_the_equations(cell_options: dict[str, str]) -> None:
    """All states of all layers, the initial ones first, by the naive oracle."""
    model = small_model(**cell_options)
    ids, states = random_ids(T), random_states(model)
    logits, expected = naive(model, ids, states)
    found = trace(model, ids, states)
    assert furthest([layer.states for layer in found.layers], expected) < 1e-12
    assert np.abs(found.logits - logits).max() < 1e-12


def test_gates_make_the_states(cell_options: dict[str, str]) -> None:
    """Gates are activations: put into the cell's last equations, they give its states."""
    model = small_model(**cell_options)
    for layer in trace(model, random_ids(T), random_states(model)).layers:
        gates, states = layer.gates, layer.states
        assert set(gates) == set(model.cell.gates)
        assert {gate.shape for gate in gates.values()} == {(T, B, H)}
        h, before = states["h"][1:], states["h"][:-1]
        for name in set(gates) & set("iforz"):
            assert 0 < gates[name].min() < 0.5 < gates[name].max() < 1
        if "c" in states:
            kept = gates["f"] * states["c"][:-1] + gates["i"] * gates["g"]
            assert np.abs(states["c"][1:] - kept).max() < 1e-12
            assert gates["g"].min() < 0
            if "layernorm" not in model.config.cell:
                assert np.abs(h - gates["o"] * np.tanh(states["c"][1:])).max() < 1e-12
        elif "z" in gates:
            mixed = (1 - gates["z"]) * before + gates["z"] * gates["n"]
            assert np.abs(h - mixed).max() < 1e-12
        else:
            assert np.array_equal(gates["h"], h)


def test_gates_are_the_equations(kind: tuple[str, str], cell_options: dict[str, str]) -> None:
    """Every gate of both layers by itself, by the naive oracle."""
    model = small_model(**cell_options)
    ids = random_ids(T)
    x = np.eye(V)[ids]
    for number, layer in enumerate(trace(model, ids, random_states(model)).layers):
        W = group(model, f"layer{number + 1}")
        for t in range(T):
            before = tuple(state[t] for state in layer.states.values())
            after = tuple(state[t + 1] for state in layer.states.values())
            for name, expected in GATES[kind](x[t], before, after, W).items():
                assert np.abs(layer.gates[name][t] - expected).max() < 1e-12
        x = layer.states["h"][1:]


@pytest.mark.parametrize("more", [{}, {"attention": "dot", "attention_span": 3}], ids=str)
def test_windows_are_the_whole(more: dict[str, Any]) -> None:
    """The windows of a text, states carried, are its trace; the last may be shorter."""
    model = small_model(cell="lstm", **more)
    ids, states = random_ids(T + 1), random_states(model)
    whole = trace(model, ids, states)
    parts = list(trace_windows(model, ids, states, window=3))
    assert [len(part.logits) for part in parts] == [3, 3, 1]
    assert np.abs(np.concatenate([p.logits for p in parts]) - whole.logits).max() < 1e-12
    for n, layer in enumerate(whole.layers):
        for name, expected in layer.gates.items():
            joined = np.concatenate([part.layers[n].gates[name] for part in parts])
            assert np.abs(joined - expected).max() < 1e-12


def test_a_missing_carry_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that all begin at zero are not the whole (a test of the test)."""
    model, ids = small_model(cell="lstm"), random_ids(T)
    monkeypatch.setattr(tracing, "trace", lambda model, ids, _: trace(model, ids))
    parts = list(trace_windows(model, ids, window=3))
    whole = trace(model, ids)
    assert np.abs(np.concatenate([p.logits for p in parts]) - whole.logits).max() > 0.01


def test_one_text() -> None:
    """Ids (T,) are one text."""
    model, ids = small_model(cell="gru"), random_ids(T)
    alone = trace(model, ids[:, 1])
    assert alone.logits.shape == (T, 1, V)
    assert np.abs(alone.logits[:, 0] - trace(model, ids).logits[:, 1]).max() < 1e-12


@pytest.mark.parametrize("ids", [np.zeros(0, int), np.zeros((2, 2, 2), int), np.zeros((3, 0))])
def test_what_is_no_text(ids: Array) -> None:
    """Nothing, or too many axes."""
    with pytest.raises(ValueError, match="ids have the shape"):
        trace(small_model(cell="rnn"), ids)


def gradients_of(model: LanguageModel, lags: int = T - 1) -> tuple[Any, list[dict[str, Array]]]:
    """Return a model's gradients by its states, and the central differences."""
    ids, states = random_ids(T + 1), random_states(model)
    return (
        state_gradients(model, ids, lags, states),
        central_differences(model, ids, states, lags),
    )


def test_gradients_are_central_differences(cell_options: dict[str, str]) -> None:
    """Every coordinate of every state of both layers at every lag, for every cell and form."""
    found, expected = gradients_of(small_model(**cell_options))
    assert max(np.abs(layer["h"]).max() for layer in expected) > 0.05
    assert furthest(found.layers, expected) < 1e-8


@pytest.mark.parametrize("more", MORE, ids=str)
def test_gradients_of_every_structure(more: dict[str, Any]) -> None:
    """So it is through embeddings, three layers, tied weights and attention."""
    found, expected = gradients_of(small_model(cell="lstm", **more), lags=3)
    assert furthest(found.layers, expected) < 1e-8


def test_the_losses_and_the_trace_beside_them() -> None:
    """The losses are those of the last step; what was traced is the trace."""
    model, ids = small_model(cell="peephole-lstm"), random_ids(T + 1)
    found, whole = state_gradients(model, ids, 2), trace(model, ids[:-1])
    scores = np.exp(whole.logits[-1])
    p = (scores / scores.sum(axis=1, keepdims=True))[np.arange(B), ids[-1]]
    assert found.losses == pytest.approx(-np.log(p), rel=1e-12)
    for ours, theirs in zip(found.traced, whole.layers, strict=True):
        assert ours.name == theirs.name
        assert furthest([ours.gates, ours.states], [theirs.gates, theirs.states]) == 0


def test_fewer_lags_are_the_first() -> None:
    """The lags that are asked for, and no more: up to the state after the first symbol."""
    model, ids = small_model(cell="gru"), random_ids(T + 1)
    whole = state_gradients(model, ids, T - 1).layers
    few = state_gradients(model, ids, 2).layers
    assert few[0]["h"].shape == (3, B, H)
    assert np.array_equal(few[1]["h"], whole[1]["h"][:3])
    for lags in (-1, T):
        with pytest.raises(ValueError, match=f"lags is {lags}, but 6 steps have lags from 0 to 5"):
            state_gradients(model, ids, lags)


class Linear(Cell):
    """`h_t = x_t W_xh + h_{t-1} W_hh + b_h`: no tanh."""

    title = "linear"
    gates = ("h",)

    def step(self, a: Array, previous: States, W: StepWeights) -> tuple[States, StepBackward]:
        """One step."""
        u, backward_u = W.multiply(previous[0])
        (h,) = a + u
        W.note(h=h)

        def backward(d_states: States) -> tuple[Array, States]:
            return d_states[0][None], (backward_u(d_states[0][None]),)

        return (h,), backward


def linear_model(monkeypatch: pytest.MonkeyPatch, scale: float, units: int) -> LanguageModel:
    """Return a linear network whose recurrent weights are an orthogonal matrix times `scale`."""
    monkeypatch.setattr(stacks, "make_cell", lambda _: Linear())
    model = small_model(cell="rnn", hidden_size=units, num_layers=1)
    Q, _ = np.linalg.qr(np.random.default_rng(4).standard_normal((units, units)))
    model.parameters["layer1/W_hh"][0] = scale * Q
    return model


@pytest.mark.parametrize("scale", [0.9, 1.0, 1.1])
def test_in_a_linear_network_the_norm_is_a_power(
    monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    """With W_hh = lambda Q the gradient at lag k has lambda^k times its norm at lag 0."""
    model = linear_model(monkeypatch, scale, units=7)
    ids = random_ids(102)
    norms = np.linalg.norm(state_gradients(model, ids, 100).layers[0]["h"], axis=-1)
    expected = norms[0] * scale ** np.arange(101)[:, None]
    assert norms == pytest.approx(expected, rel=1e-10)


def test_tutorials_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred steps of 0.9 leave 2.66e-5, of 1.1 they make 13,781."""
    for scale, word in ((0.9, "2.66e-05"), (1.1, "13,781")):
        model = linear_model(monkeypatch, scale, units=3)
        g = state_gradients(model, random_ids(102), 100).layers[0]["h"]
        ratio = np.linalg.norm(g[100, 0]) / np.linalg.norm(g[0, 0])
        assert f"{ratio:.2e}" == word or f"{ratio:,.0f}" == word


def late(kernel: type) -> Callable[..., States]:
    """Return a backward step that keeps what it returns: the gradient one lag further back."""
    original = observing.ReadableKernel.step_backward

    def step_backward(self: Any, *arguments: Any) -> States:
        found = original(self, *arguments)
        self._notes.gradients[self._h].append(found[0].copy())
        return found

    return step_backward


def other_state(kernel: type) -> Callable[..., States]:
    """Return a backward step that keeps the gradient of the last state in place of h's."""
    original = observing.ReadableKernel.step_backward

    def step_backward(self: Any, d_states: States, *arguments: Any) -> States:
        self._notes.gradients[self._h].append(d_states[-1].copy())
        return original(self, d_states, *arguments)

    return step_backward


@pytest.mark.parametrize("fault", [late, other_state])
def test_planted_faults_of_the_gradient(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[type], Any]
) -> None:
    """A lag off by one, and the gradient of another state, are far from the differences."""
    kernel = observing.TellingKernel
    monkeypatch.setattr(kernel, "step_backward", fault(kernel))
    found, expected = gradients_of(small_model(cell="lstm"))
    assert furthest(found.layers, expected) > 1e-3


def test_the_way_through_h_is_part_of_the_gradient_by_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the gradient by the last c would be 0 (a test of the test)."""
    model = small_model(cell="lstm", num_layers=1)
    found, expected = gradients_of(model)
    assert np.abs(found.layers[0]["c"][0]).min() > 0
    cut = [{"h": found.layers[0]["h"], "c": np.roll(found.layers[0]["c"], -1, axis=0)}]
    assert furthest(cut, expected) > 1e-3


# From Python


TEXT = "the tide goes out and the lamp stays lit; all night a bell rings. " * 20
TINY = {"hidden_size": 6, "batch_size": 4, "seq_length": 10, "steps": 2, "embedding_size": 3}


@pytest.fixture(scope="module")
def saved() -> Checkpoint:
    """Return a checkpoint of a small model."""
    run = charnn.train(charnn.corpus(TEXT), **TINY)
    list(run)
    return run.checkpoint


def test_a_text_and_its_ids(saved: Checkpoint) -> None:
    """A checkpoint reads a text; a model reads ids, and goes on where a trace ended."""
    text = "a lamp stays lit"
    ids = saved.vocabulary.encode(text)
    found = charnn.trace(saved, text)
    assert found.logits.shape == (len(text), 1, len(saved.vocabulary))
    assert np.array_equal(charnn.trace(saved.model, ids).logits, found.logits)
    rest = charnn.trace(saved, text[6:], charnn.trace(saved, text[:6]).final)
    assert np.abs(rest.logits - found.logits[6:]).max() < 1e-6


def test_what_cannot_be_traced(saved: Checkpoint) -> None:
    """An unknown character, no text, a text without a vocabulary, and a model of another task."""
    with pytest.raises(CorpusError, match="'€', which the model does not know"):
        charnn.trace(saved, "a €")
    with pytest.raises(CorpusError, match="the text is empty"):
        charnn.trace(saved, "")
    with pytest.raises(ConfigError, match="has no vocabulary"):
        charnn.trace(saved.model, "a lamp")
    tagger = Tagger.started(ModelConfig(hidden_size=4), Sizes(5, 3), seed=1)
    with pytest.raises(ConfigError, match="of another task"):
        charnn.trace(tagger, random_ids(3))


def test_training_does_not_listen() -> None:
    """Steps tell their gates to whoever asks; the weights of training keep nothing."""
    W = observing.RecordingWeights({"W_hh": np.eye(3)[None]}, 2, observing.Buffers())
    W.note(i=np.ones(3))
    W.note_gradients(c=np.ones(3))
    assert not any(np.ones(3) is value for value in vars(W).values())
    assert type(W).note is StepWeights.note
