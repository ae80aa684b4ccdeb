"""Kernels compute what the readable steps compute, and nothing of what they are given is lost."""

from __future__ import annotations

import numpy as np
import pytest
from subjects import Layer, max_error

from charnn.nn.buffers import Buffers
from charnn.nn.cell import Cell
from charnn.nn.kernels.kernel import RecurrentWeights
from charnn.nn.kernels.readable import ReadableKernel
from charnn.nn.recurrent import recurrent, step
from charnn.registry import CELLS

FORMS = [form for name in CELLS for form in CELLS[name].forms().values()]
with_kernel = pytest.mark.parametrize("cell", [f for f in FORMS if f.kernel is not None], ids=str)


@with_kernel
@pytest.mark.parametrize(("T", "B", "D", "H"), [(2, 3, 5, 7), (9, 1, 4, 6), (3, 64, 40, 256)])
def test_a_kernel_is_its_cells_readable_step(
    cell: Cell, T: int, B: int, D: int, H: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs, final states and every gradient are those of the step as the papers write it."""
    layer = Layer.random(cell, T, B, D, H)
    h, final, _ = layer.run()
    gradients = layer.gradients()
    monkeypatch.setattr(type(cell), "kernel", None)
    readable_h, readable_final, _ = layer.run()
    assert max_error(h, readable_h) < 1e-12
    for state, expected in zip(final, readable_final, strict=True):
        assert max_error(state, expected) < 1e-12
    for name, expected in layer.gradients().items():
        assert max_error(gradients[name], expected) < 1e-12 * max(1, np.abs(expected).max()), name


def test_a_readable_step_writes_to_nothing(cell: Cell) -> None:
    """Pre-activations, states, weights and incoming gradients are left as they were."""
    layer = Layer.random(cell)
    W = ReadableKernel(cell).weights(layer.weights, 3, Buffers())
    a = np.random.default_rng(1).standard_normal((len(cell.gates), 3, 7))
    given = [a, *layer.initial, *layer.weights.values(), *layer.d_final]
    before = [array.copy() for array in given]
    _, backward = cell.step(a, layer.initial, W)
    backward(layer.d_final)
    assert all(map(np.array_equal, given, before))


def test_products_after_each_other_do_not_share_memory() -> None:
    """A readable step may keep what `multiply` returned: the next product leaves it alone."""
    cell = CELLS["lstm"]()
    layer = Layer.random(cell)
    W = ReadableKernel(cell).weights(layer.weights, 3, Buffers())
    h = layer.initial[0]
    u, backward = W.multiply(h)
    first, d_first = u.copy(), backward(u).copy()
    kept = backward(u)
    W.multiply(-h)[1](2 * u)
    assert np.array_equal(u, first)
    assert np.array_equal(kept, d_first)


def test_readable_steps_need_weights_that_collect_gradients() -> None:
    """Prepared weights of another kernel are refused, instead of losing gradients silently."""
    cell = CELLS["mingru"]()
    weights = RecurrentWeights({}, 2, Buffers())
    with pytest.raises(TypeError, match="RecordingWeights"):
        ReadableKernel(cell).step((np.zeros((2, 2, 3)),), (), (), [], weights)


def test_backward_of_a_layer_is_refused_twice(cell: Cell) -> None:
    """`recurrent`'s backward uses up what forward kept, so a second call raises."""
    layer = Layer.random(cell)
    _, _, backward = recurrent(cell, layer.x, layer.initial, layer.weights)
    gradients = {name: np.zeros_like(weight) for name, weight in layer.weights.items()}
    backward(layer.dh, gradients, layer.d_final)
    with pytest.raises(RuntimeError, match="second time"):
        backward(layer.dh, gradients, layer.d_final)


def test_backward_of_a_step_is_refused_twice(cell: Cell) -> None:
    """`step`'s backward likewise."""
    layer = Layer.random(cell, T=1)
    _, backward = step(cell, layer.x[0], layer.initial, layer.weights)
    backward(layer.d_final)
    with pytest.raises(RuntimeError, match="second time"):
        backward(layer.d_final)


def test_gradients_are_added_to_those_given(cell: Cell) -> None:
    """What stands in the arrays for the weights' gradients stays: the layer's are added to it."""
    layer = Layer.random(cell)
    expected = layer.gradients()
    _, _, backward = recurrent(cell, layer.x, layer.initial, layer.weights)
    gradients = {name: np.full_like(weight, 2.0) for name, weight in layer.weights.items()}
    backward(layer.dh, gradients, layer.d_final)
    for name, gradient in gradients.items():
        assert max_error(gradient, expected[name] + 2) < 1e-12, name


def test_every_parameter_has_a_gradient(cell: Cell) -> None:
    """No parameter that a cell declares is without influence."""
    for name, gradient in Layer.random(cell, T=3).gradients().items():
        assert np.abs(gradient).max() > 1e-6, name
