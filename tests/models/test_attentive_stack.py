"""Attention over a language model's own past states, against an oracle that loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from reference import REFERENCES
from sequence_oracle import context, under

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.attentive_stack import band
from charnn.models.gradient_check import check_model
from charnn.models.language_model import LanguageModel
from charnn.models.stack import LayerStates
from charnn.models.stepper import Stepper
from charnn.nn.central_differences import TOLERANCE
from charnn.nn.parameters import Gradients
from charnn.registry import ATTENTIONS
from charnn.text.batches import Batch

T, B, V, H, M = 6, 2, 5, 7, 3  # steps, texts, symbols, hidden units, past states
every_score = pytest.mark.parametrize("attention", ATTENTIONS)
every_span = pytest.mark.parametrize("span", [1, M, T, 11])


def model_of(attention: str = "general", span: int = M, **options: Any) -> LanguageModel:
    """Return a model with random weights in float64."""
    config = ModelConfig(
        **{"cell": "gru", "hidden_size": H, "dropout": 0.0} | options,
        attention=attention,
        attention_span=span,
    )
    model = LanguageModel.initialized(config, V, 1, np.float64)
    random = np.random.default_rng(2)
    model.parameters.flat[:] = 0.6 * random.standard_normal(model.parameters.flat.size)
    return model


def ids_of(steps: int = T, texts: int = B, seed: int = 3) -> Array:
    """Return random symbols."""
    return np.random.default_rng(seed).integers(0, V, (steps, texts))


def random_states(model: LanguageModel, texts: int = B) -> LayerStates:
    """Return random states and past ones."""
    random = np.random.default_rng(4)
    zeros = model.zero_states(texts)
    return [tuple(random.standard_normal(state.shape) for state in layer) for layer in zeros]


def oracle(model: LanguageModel, ids: Array, states: LayerStates) -> tuple[Array, Array]:
    """Return the logits (T, B, V) and the past states (B, M, H): one text, one step at a time."""
    p, config = model.parameters, model.config
    W, form = under("attention", p), config.gru_reset if config.cell == "gru" else ""
    step, found, pasts = REFERENCES[config.cell, form].step, [], []
    for b in range(ids.shape[1]):
        *layers, (memory,) = states
        own = [tuple(state[b : b + 1] for state in layer) for layer in layers]
        past, rows = list(memory[b]), []
        for symbol in ids[:, b]:
            x = p["E"][symbol][None] if "E" in p else np.eye(V)[symbol][None]
            for number in range(config.num_layers):
                own[number] = step(x, own[number], under(f"layer{number + 1}", p))
                x = own[number][0]
            h = x[0]
            c = context(config.attention, h, past[-config.attention_span :], W)
            seen = np.tanh(np.concatenate([c, h]) @ W["W_c"])
            out = p["E"].T if config.tie_weights else p["W_hy"]
            rows.append(seen @ out + p["b_y"])
            past.append(h)
        found.append(rows)
        pasts.append(past[-config.attention_span :])
    return np.array(found).swapaxes(0, 1), np.array(pasts)


def logits_of(model: LanguageModel, ids: Array, states: LayerStates) -> tuple[Array, LayerStates]:
    """Return a window's logits (T, B, V) and the states after it."""
    logits, final, _ = model.logits(ids, states)
    return logits.reshape(*ids.shape, V), final


@every_score
@every_span
def test_logits_are_the_oracles(attention: str, span: int) -> None:
    """From any states on, with any score, whether the span is shorter or longer than a window."""
    model = model_of(attention, span)
    states, ids = random_states(model), ids_of()
    logits, final = logits_of(model, ids, states)
    expected, past = oracle(model, ids, states)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(final[-1][0], past, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "num_layers": 2},
        {"embedding_size": 4, "cell": "layernorm-lstm"},
        {"embedding_size": H, "tie_weights": True},
    ],
    ids=["two layers", "embedding", "tied weights"],
)
def test_other_forms_of_the_model(options: dict[str, Any]) -> None:
    """The states that are looked back at are those of the last layer."""
    model = model_of("additive", **options)
    states, ids = random_states(model), ids_of()
    logits, _ = logits_of(model, ids, states)
    np.testing.assert_allclose(logits, oracle(model, ids, states)[0], rtol=0, atol=1e-12)


def test_the_loss_is_the_oracles() -> None:
    """The mean over all symbols, from the beginning of a text on."""
    model, ids = model_of(), ids_of(T + 1)
    zeros = model.zero_states(B)
    z, _ = oracle(model, ids[:-1], zeros)
    nats = [
        math.log(sum(math.exp(v) for v in z[t, b])) - z[t, b, ids[t + 1, b]]
        for t in range(T)
        for b in range(B)
    ]
    loss, _, _ = model.loss(Batch(ids[:-1], ids[1:]), zeros)
    assert loss == pytest.approx(sum(nats) / len(nats), abs=1e-13)


@every_span
@pytest.mark.parametrize("cuts", [[1], [2, 3], [1, 2, 3, 4, 5]])
def test_windows_are_the_whole_text(span: int, cuts: list[int]) -> None:
    """The past states are handed on: a text in windows has the logits that it has at once."""
    model, ids = model_of(span=span), ids_of()
    whole, final = logits_of(model, ids, model.zero_states(B))
    parts, states = [], model.zero_states(B)
    for window in np.split(ids, cuts):
        logits, states = logits_of(model, window, states)
        parts.append(logits)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-13)
    for ours, theirs in zip(states, final, strict=True):
        for state, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(state, expected, rtol=0, atol=1e-13)


@every_score
@every_span
def test_steps_are_the_window(attention: str, span: int) -> None:
    """Reading symbol by symbol gives the window's logits and states."""
    model, ids = model_of(attention, span), ids_of()
    states = random_states(model)
    before = [state.copy() for layer in states for state in layer]
    logits, final = logits_of(model, ids, states)
    stepper = Stepper(model, B, states)
    for t, symbols in enumerate(ids):
        np.testing.assert_allclose(stepper.step(symbols), logits[t], rtol=0, atol=1e-13)
    for ours, theirs in zip(stepper.states, final, strict=True):
        for state, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(state, expected, rtol=0, atol=1e-13)
    after = [state for layer in states for state in layer]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("attention", "span", "layers"), [("dot", 2, 1), ("general", 2, 2), ("additive", 5, 1)]
)
def test_every_gradient(attention: str, span: int, layers: int) -> None:
    """Every coordinate of every weight, state and past state, with all that is dropped."""
    drops = {"dropout": 0.3, "weight_drop": 0.2}
    model = model_of(attention, span, hidden_size=3, num_layers=layers, **drops)
    ids = ids_of(4)
    found = check_model(
        model, Batch(ids[:-1], ids[1:]), random_states(model), random_seed=1, smoothing=0.1
    )
    names = {comparison.name for comparison in found}
    assert {"attention/W_c", "attention/memory0", f"layer{layers}/h0"} <= names
    assert {c.name for c in found if not c.error < TOLERANCE} == set()


def test_gradients_of_the_states_after_a_window() -> None:
    """What comes from the next window joins: the stack's own `d_final`, as chunks need it."""
    model, ids = model_of(), ids_of()
    states = random_states(model)
    dh = np.random.default_rng(6).standard_normal((T, B, H))
    whole, parts = model.parameters.zeros_like(), model.parameters.zeros_like()
    _, _, backward = model.hidden(ids, states)
    expected = backward(dh, Gradients(whole), None)
    _, between, backward_first = model.hidden(ids[:4], states)
    _, _, backward_second = model.hidden(ids[4:], between)
    d_between = backward_second(dh[4:], Gradients(parts), None)
    found = backward_first(dh[:4], Gradients(parts), d_between)
    np.testing.assert_allclose(parts.flat, whole.flat, rtol=0, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        for state, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(state, other, rtol=0, atol=1e-12)


@every_score
def test_the_future_is_not_seen(attention: str) -> None:
    """A symbol changes the logits from its own step on, and no earlier one by a bit."""
    model, ids = model_of(attention, span=T), ids_of()
    before, _ = logits_of(model, ids, model.zero_states(B))
    for t in range(T):
        changed = ids.copy()
        changed[t] = (changed[t] + 1) % V
        after, _ = logits_of(model, changed, model.zero_states(B))
        assert np.array_equal(after[:t], before[:t])
        assert (after[t] != before[t]).any(axis=1).all()


def test_only_the_last_states_are_looked_at() -> None:
    """Of memory and window together, each step sees the M states before it, itself not."""
    model, ids = model_of(span=M), ids_of()
    states = random_states(model)
    before, _ = logits_of(model, ids, states)
    for place in range(M):
        *recurrent, (memory,) = states
        changed = memory.copy()
        changed[:, place] += 1
        after, _ = logits_of(model, ids, [*recurrent, (changed,)])
        differs = (after != before).any(axis=(1, 2))
        assert differs.tolist() == [t <= place for t in range(T)]


def test_the_band() -> None:
    """Query t looks at the states t to t + M - 1 of memory and window, of which M is its own."""
    allowed = band(4, 2, 3)
    assert allowed.shape == (2, 4, 7)
    for t, row in enumerate(allowed[1]):
        assert np.flatnonzero(row).tolist() == [t, t + 1, t + 2]


def test_before_its_beginning_a_text_has_zeros() -> None:
    """The past states of a new text are 0, so its first context is 0: only h_1 is seen."""
    model, ids = model_of(), ids_of(1)
    zeros = model.zero_states(B)
    assert [state.shape for state in zeros[-1]] == [(B, M, H)]
    assert not any(state.any() for layer in zeros for state in layer)
    (h,) = REFERENCES["gru", "before"].step(
        np.eye(V)[ids[0]], zeros[0], under("layer1", model.parameters)
    )
    p = model.parameters
    expected = np.tanh(h @ p["attention/W_c"][H:]) @ p["W_hy"] + p["b_y"]
    np.testing.assert_allclose(logits_of(model, ids, zeros)[0][0], expected, rtol=0, atol=1e-13)


def test_shapes_of_parameters_and_states() -> None:
    """Without attention a model has none of its parameters, and carries no past states."""
    model = model_of("additive")
    own = {name: shape for name, shape in model.parameters.shapes.items() if "attention" in name}
    assert own == {
        "attention/W_q": (H, H),
        "attention/W_k": (H, H),
        "attention/v_a": (H,),
        "attention/W_c": (2 * H, H),
    }
    assert model.state_shapes(B) == {"layer1/h": (B, H), "attention/memory": (B, M, H)}
    plain = LanguageModel.initialized(ModelConfig(hidden_size=H), V, 1)
    assert not any("attention" in name for name in (*plain.parameters, *plain.state_shapes(B)))
