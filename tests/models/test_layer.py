"""What is dropped inside a layer: on with `random` alone, and the same on the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from charnn.arrays import Array
from charnn.config import ModelConfig
from charnn.models.layer import Layer
from charnn.models.stack import Stack
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.parameters import Gradients, Parameters
from charnn.registry import CELLS

T, B, D, H = 4, 3, 5, 7
DROPS: dict[str, dict[str, Any]] = {
    "state": {"recurrent_dropout": 0.4, "recurrent_dropout_kind": "state"},
    "update": {"recurrent_dropout": 0.4, "recurrent_dropout_kind": "update"},
    "weights": {"weight_drop": 0.4},
    "all": {"recurrent_dropout": 0.4, "weight_drop": 0.4},
}
every_drop = pytest.mark.parametrize("drop", DROPS)
LENGTHS = np.array([4, 1, 3])


def stack_of(
    drop: str | None, hidden_size: int = H, cell: str = "gru", **options: Any
) -> tuple[Stack, Parameters]:
    """Return a stack and its random weights in float64."""
    dropped = {} if drop is None else DROPS[drop]
    both = options.pop("bidirectional", False)
    config = ModelConfig(cell=cell, hidden_size=hidden_size, dropout=0.0, **dropped, **options)
    stack, random = Stack(config, D, both), np.random.default_rng(1)
    parameters = Parameters.started(stack.parameters(), random, np.float64)
    parameters.flat[:] = 0.5 * random.standard_normal(parameters.flat.size)
    return stack, parameters


def ids() -> Array:
    """Return random symbols."""
    return np.random.default_rng(2).integers(0, D, (T, B))


def states_of(
    stack: Stack, parameters: Parameters, seed: int | None, lengths: Array | None = None
) -> Array:
    """Return h (T, B, H) with what a seed drops, or with nothing dropped."""
    random = None if seed is None else np.random.default_rng(seed)
    zeros = stack.zero_states(B, "d")
    h, _, _ = stack.run(parameters, ids(), zeros, lengths=lengths, random=random)
    return h.copy()


@every_drop
def test_nothing_is_dropped_without_random(drop: str) -> None:
    """In evaluation a layer is the one that drops nothing, bit for bit."""
    stack, parameters = stack_of(drop)
    plain, _ = stack_of(None)
    assert np.array_equal(states_of(stack, parameters, None), states_of(plain, parameters, None))


@every_drop
def test_something_is_dropped_with_random(drop: str) -> None:
    """In training h differs, from draw to draw, and equal draws give equal bits."""
    stack, parameters = stack_of(drop)
    found = [states_of(stack, parameters, seed) for seed in (None, 1, 2, 1)]
    assert np.array_equal(found[1], found[3])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(found[one], found[other])


def test_a_layer_that_drops_nothing_draws_nothing() -> None:
    """Where nothing is to be dropped, no random number is taken."""
    stack, parameters = stack_of(None)
    random = np.random.default_rng(1)
    before = random.bit_generator.state
    stack.run(parameters, ids(), stack.zero_states(B, "d"), random=random)
    assert random.bit_generator.state == before


@pytest.mark.parametrize("drop", ["state", "weights"])
def test_the_first_step_has_no_recurrence(drop: str) -> None:
    """From zeros, the first h is as without dropping: what is read is not dropped."""
    stack, parameters = stack_of(drop)
    plain, dropped = (states_of(stack, parameters, seed) for seed in (None, 1))
    np.testing.assert_allclose(dropped[0], plain[0], rtol=0, atol=1e-15)
    assert np.abs(dropped[1:] - plain[1:]).max() > 1e-3


@every_drop
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one direction", "both"])
def test_every_gradient(drop: str, cell: str, bidirectional: bool) -> None:
    """Backward has forward's masks: every coordinate of weights and states, with padding."""
    stack, parameters = stack_of(drop, hidden_size=2, cell=cell, bidirectional=bidirectional)
    random = np.random.default_rng(3)
    states = [
        tuple(random.standard_normal(state.shape) for state in layer)
        for layer in stack.zero_states(B, "d")
    ]
    dh = 0.2 * random.standard_normal((T, B, stack.output_size))  # the sum rounds less
    dh[np.arange(T)[:, None] >= LENGTHS] = 0

    def value() -> float:
        h, _, _ = stack.run(
            parameters, ids(), states, lengths=LENGTHS, random=np.random.default_rng(4)
        )
        return float((h * dh).sum())

    gradients = parameters.zeros_like()
    _, _, backward = stack.run(
        parameters, ids(), states, lengths=LENGTHS, random=np.random.default_rng(4)
    )
    d_states = backward(dh, Gradients(gradients), None)
    names = list(stack.state_shapes(B))
    flat = [[state for layer in each for state in layer] for each in (states, d_states)]
    found = check_gradients(
        value,
        {**parameters, **dict(zip(names, flat[0], strict=True))},
        {**gradients, **dict(zip(names, flat[1], strict=True))},
    )
    assert {c.name for c in found if not c.error < TOLERANCE} == set()


@every_drop
def test_directions_and_levels_have_masks_of_their_own(
    drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No layer is given the masks of another one, in equal memory or of equal values."""
    drawn: list[tuple[Any, Any]] = []
    original = Layer._dropped

    def spy(self: Layer, weights: Any, a: Any, random: Any, buffers: Any) -> Any:
        found = original(self, weights, a, random, buffers)
        masks = found[1]
        own = [] if masks is None else [m for m in (masks.state, masks.update) if m is not None]
        if self.weight_drop:
            own.append(found[0]["W_hh"] != 0)
        drawn.append((self.name, [*own]))
        return found

    monkeypatch.setattr(Layer, "_dropped", spy)
    stack, parameters = stack_of(drop, bidirectional=True, num_layers=2)
    stack.run(
        parameters,
        ids(),
        stack.zero_states(B, "d"),
        random=np.random.default_rng(1),
        buffers=Buffers(),
    )
    assert [name for name, _ in drawn] == stack.layers
    for number, (_, own) in enumerate(drawn):
        for _, others in drawn[:number]:
            for mask, other in zip(own, others, strict=True):
                assert not np.array_equal(mask, other)
                assert not np.shares_memory(mask, other)


@every_drop
def test_directions_drop_apart(drop: str) -> None:
    """Of a palindrome, with equal weights in both directions, only what is dropped differs."""
    stack, parameters = stack_of(drop, bidirectional=True)
    for name in parameters.group("layer1"):
        parameters[f"layer1_backward/{name}"][...] = parameters[f"layer1/{name}"]
    palindrome = np.concatenate([ids(), ids()[::-1]])
    apart = []
    for random in (None, np.random.default_rng(1)):
        zeros = stack.zero_states(B, "d")
        h, _, _ = stack.run(parameters, palindrome, zeros, random=random)
        apart.append(np.abs(h[::-1, :, H:] - h[..., :H]).max())
    assert apart[0] < 1e-14
    assert apart[1] > 1e-2


def test_every_cell_that_can_drops(cell: Any, cell_options: dict[str, str]) -> None:
    """What a cell says that it can drop it drops, and changes nothing in evaluation."""
    kinds = list(cell.dropouts) + (["weights"] if "W_hh" in cell.shapes(1, 1) else [])
    assert cell_options["cell"] in CELLS
    for drop in kinds:
        stack, parameters = stack_of(drop, **cell_options)
        plain, _ = stack_of(None, **cell_options)
        rested = states_of(stack, parameters, None, LENGTHS)
        assert np.array_equal(rested, states_of(plain, parameters, None, LENGTHS))
        assert not np.array_equal(rested, states_of(stack, parameters, 1, LENGTHS))
