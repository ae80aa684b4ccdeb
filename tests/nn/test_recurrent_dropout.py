"""Dropout inside the recurrence: its masks, its equations, its gradients, and what it leaves alone.

The faults that these gradients must show are planted in test_planted_faults.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference import REFERENCES, gate, sequence, sigma
from subjects import Layer, failing, max_error

from charnn.arrays import Array
from charnn.nn.buffers import Buffers
from charnn.nn.kernels.kernel import masked_after, masked_before
from charnn.nn.layers import project
from charnn.nn.masks import RecurrentMasks
from charnn.nn.parameters import Gradients
from charnn.nn.recurrent import unroll
from charnn.nn.recurrent_dropout import KINDS, RecurrentDropout
from charnn.registry import CELLS

FORMS = [form for name in CELLS for form in CELLS[name].forms().values()]
PAIRS = [(form, kind) for form in FORMS for kind in form.dropouts]
KERNELS = [(form, kind) for form, kind in PAIRS if form.kernel is not None]
SIZES = {"T": 3, "B": 2, "D": 4, "H": 5}


def pairs(found):
    """Run a test for each cell and kind of dropout."""
    return pytest.mark.parametrize(("cell", "drop"), found, ids=lambda each: str(each))


def random_masks(kind: str, rate: float, seed: int = 3) -> Array:
    """Return a large window's masks."""
    random = np.random.default_rng(seed)
    masks = RecurrentDropout(kind, rate).masks(random, 20, 30, 50, np.float32, Buffers())
    state, update = masks.state, masks.update
    assert (state is None) != (update is None)
    return update if state is None else state


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_masks_drop_at_the_rate(kind: str, rate: float) -> None:
    """A part `rate` is 0, within 4 standard deviations, and the rest 1 / (1 - rate)."""
    mask = random_masks(kind, rate)
    assert mask.shape == ((30, 50) if kind == "state" else (20, 30, 50))
    assert mask.dtype == np.float32
    deviation = (rate * (1 - rate) / mask.size) ** 0.5
    assert abs((mask == 0).mean() - rate) <= 4 * deviation + 1e-5
    assert np.allclose(mask[mask > 0], 1 / (1 - rate), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_follow_from_the_generator(kind: str) -> None:
    """The same seed gives the same masks, another one others, and so does the next window."""
    mask = random_masks(kind, 0.5)
    assert np.array_equal(mask, random_masks(kind, 0.5))
    assert not np.array_equal(mask, random_masks(kind, 0.5, seed=4))
    random = np.random.default_rng(1)
    first, second = (
        RecurrentDropout(kind, 0.5).masks(random, 3, 4, 5, np.float64, Buffers()) for _ in range(2)
    )
    assert not np.array_equal(getattr(first, kind), getattr(second, kind))


def test_update_masks_differ_from_step_to_step() -> None:
    """The masks of the candidate are new at each step."""
    mask = random_masks("update", 0.5)
    assert all(not np.array_equal(a, b) for a, b in zip(mask[1:], mask[:-1], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_masks_lie_in_the_buffers(kind: str) -> None:
    """A training loop's masks are drawn into the memory of the last window's."""
    random, buffers = np.random.default_rng(1), Buffers()
    first, second = (
        RecurrentDropout(kind, 0.5).masks(random, 3, 4, 5, np.float64, buffers) for _ in range(2)
    )
    assert getattr(first, kind) is getattr(second, kind)


@pairs(PAIRS)
def test_gradients(cell, drop) -> None:
    """Every coordinate, with the same masks in every evaluation."""
    layer = Layer.random(cell, **SIZES, drop=drop)
    mask = getattr(layer.masks, drop)
    assert 0 < np.count_nonzero(mask) < mask.size
    assert failing(layer.comparisons()) == set()


@pairs([(CELLS[name](), kind) for name in ("lstm", "peephole-lstm") for kind in KINDS])
def test_sequences_that_end_early(cell, drop) -> None:
    """With lengths a sequence has the final states and gradients that it has when cut there."""
    layer = Layer.random(cell, T=4, B=3, D=5, H=7, drop=drop)
    lengths = np.array([4, 1, 2])
    a, _ = project(layer.x, layer.weights, Buffers(), Buffers())
    _, final, backward = unroll(
        cell, a, layer.initial, layer.weights, Buffers(), Buffers(), lengths, layer.masks
    )
    gradients = {name: np.zeros_like(weight) for name, weight in layer.weights.items()}
    nothing = np.zeros_like(layer.dh)
    _, d_initial = backward(nothing, Gradients(gradients), layer.d_final)
    for b, length in enumerate(lengths):
        cut = replace(
            layer,
            x=layer.x[:length],
            dh=nothing[:length],
            masks=RecurrentMasks(
                **{drop: layer.masks.state if drop == "state" else layer.masks.update[:length]}
            ),
        )
        _, expected, _ = cut.run()
        found = cut.gradients()
        for name, state, d_state, other in zip(
            cell.states, final, d_initial, expected, strict=True
        ):
            assert max_error(state[b], other[b]) < 1e-12
            assert max_error(d_state[b], found[f"initial {name}"][b]) < 1e-12


@pairs([pair for pair in PAIRS if pair[1] == "state"])
def test_a_masked_state_is_a_state_with_fewer_weights(cell, drop) -> None:
    """A row of the mask drops rows of W_hh, for its sequence alone: the oracle's equations."""
    layer = Layer.random(cell, **SIZES, drop=drop)
    h, final, _ = layer.run()
    kind = next(
        (name, form)
        for name in CELLS
        for form, candidate in CELLS[name].forms().items()
        if str(candidate) == str(cell)
    )
    for b in range(SIZES["B"]):
        row = slice(b, b + 1)
        weights = layer.weights | {
            "W_hh": layer.weights["W_hh"] * layer.masks.state[b][None, :, None]
        }
        initial = tuple(state[row] for state in layer.initial)
        expected_h, expected_final = sequence(
            REFERENCES[kind].step, layer.x[:, row], initial, weights
        )
        assert max_error(h[:, row], expected_h) < 1e-12
        for state, expected in zip(final, expected_final, strict=True):
            assert max_error(state[row], expected) < 1e-12


def test_the_update_of_an_lstm_is_masked() -> None:
    """`c_t = f c_{t-1} + i (g m_t)`, transcribed."""
    layer = Layer.random(CELLS["lstm"](), **SIZES, drop="update")
    h, (_, c_final), _ = layer.run()
    W, (h_t, c_t) = layer.weights, layer.initial
    for x, m, actual in zip(layer.x, layer.masks.update, h, strict=True):
        i, f, o = (sigma(gate(number, x, h_t, W)) for number in range(3))
        c_t = f * c_t + i * (np.tanh(gate(3, x, h_t, W)) * m)
        h_t = o * np.tanh(c_t)
        assert max_error(actual, h_t) < 1e-12
    assert max_error(c_final, c_t) < 1e-12


def test_the_update_of_a_gru_is_masked() -> None:
    """`h_t = (1 - z) h_{t-1} + z (n m_t)`, transcribed."""
    layer = Layer.random(CELLS["gru"](), **SIZES, drop="update")
    h, _, _ = layer.run()
    W, (h_t,) = layer.weights, layer.initial
    for x, m, actual in zip(layer.x, layer.masks.update, h, strict=True):
        r, z = (sigma(gate(number, x, h_t, W)) for number in range(2))
        h_t = (1 - z) * h_t + z * (np.tanh(gate(2, x, r * h_t, W)) * m)
        assert max_error(actual, h_t) < 1e-12


@pairs([pair for pair in PAIRS if pair[1] == "update"])
def test_a_state_whose_updates_are_all_dropped_only_fades(cell, drop) -> None:
    """Without updates the state keeps its sign and shrinks; nothing but that enters it."""
    layer = Layer.random(cell, **SIZES)
    nothing = RecurrentMasks(update=np.zeros((SIZES["T"], SIZES["B"], SIZES["H"])))
    layer = replace(layer, masks=nothing)
    _, final, _ = layer.run()
    faded = final[-1] / layer.initial[-1]  # c of an LSTM, h of a GRU
    assert ((faded > 0) & (faded < 1)).all()
    assert failing(layer.comparisons()) == set()


@pairs(KERNELS)
@pytest.mark.parametrize(("T", "B", "D", "H"), [(2, 3, 5, 7), (9, 1, 4, 6), (3, 64, 40, 256)])
def test_a_kernel_is_its_cells_readable_step(cell, drop, T, B, D, H, monkeypatch) -> None:
    """With masks, too: outputs, final states and every gradient."""
    layer = Layer.random(cell, T, B, D, H, drop=drop)
    h, final, _ = layer.run()
    gradients = layer.gradients()
    monkeypatch.setattr(type(cell), "kernel", None)
    readable_h, readable_final, _ = layer.run()
    assert max_error(h, readable_h) < 1e-12
    for state, expected in zip(final, readable_final, strict=True):
        assert max_error(state, expected) < 1e-12
    for name, expected in layer.gradients().items():
        assert max_error(gradients[name], expected) < 1e-12 * max(1, np.abs(expected).max()), name


@pairs(PAIRS)
def test_masks_of_ones_change_no_bit(cell, drop) -> None:
    """Where nothing is dropped, every number is what it is without masks."""
    layer = Layer.random(cell, **SIZES)
    mask = np.ones((SIZES["B"], SIZES["H"]) if drop == "state" else layer.dh.shape)
    masked = replace(layer, masks=RecurrentMasks(**{drop: mask}))
    assert np.array_equal(layer.run()[0], masked.run()[0])
    for name, gradient in layer.gradients().items():
        assert np.array_equal(gradient, masked.gradients()[name]), name


@pairs([pair for pair in PAIRS if len(pair[0].dropouts) == 2 and pair[1] == "state"])
def test_both_kinds_at_once(cell, drop) -> None:
    """Gradients with masks of both kinds."""
    layer = Layer.random(cell, **SIZES, drop=drop)
    update = Layer.random(cell, **SIZES, drop="update").masks.update
    layer = replace(layer, masks=replace(layer.masks, update=update))
    assert failing(layer.comparisons()) == set()


def test_without_masks_nothing_is_wrapped() -> None:
    """A product that is not masked is the product itself."""

    def multiply(x: Array) -> None:
        raise AssertionError(x)

    assert masked_before(multiply, None) is multiply
    assert masked_after(multiply, None, np.empty(0)) is multiply


def test_which_kinds_a_cell_can_have() -> None:
    """A kind needs what it drops: a recurrent product, a candidate."""
    kinds = {name: CELLS[name]().dropouts for name in CELLS}
    without = {name: found for name, found in kinds.items() if found != KINDS}
    assert without == {"rnn": ("state",), "layernorm-rnn": ("state",), "mingru": ("update",)}


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_cells_candidate_is_one_of_its_gates(form) -> None:
    """What `StepWeights.drop` is for has a name among the gates."""
    assert form.candidate is None or form.candidate in form.gates


@pytest.mark.parametrize(("name", "kind"), [("rnn", "update"), ("mingru", "state")])
def test_masks_that_a_cell_cannot_have_are_refused(name: str, kind: str) -> None:
    """The error names the kind, the cell, and the kind that it has."""
    cell = CELLS[name]()
    layer = Layer.random(cell, **SIZES, drop=kind)
    with pytest.raises(ValueError, match=f"kind {kind} .* {cell}; choose {cell.dropouts[0]}"):
        layer.run()


def test_an_unknown_kind_is_refused() -> None:
    """The error names it and the kinds that there are."""
    with pytest.raises(ValueError, match="'zoneout'; choose state or update"):
        RecurrentDropout("zoneout", 0.1)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    """At 1 nothing would be left."""
    with pytest.raises(ValueError, match=f"rate of recurrent dropout is {rate}"):
        RecurrentDropout("state", rate)
