"""Every coordinate of every gradient against central differences: relative error below 1e-6."""

from __future__ import annotations

import numpy as np
import pytest
from subjects import Layer, failing, max_error

from charnn.nn import products
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.layers import affine, dropout, embed, project, project_one_hot
from charnn.nn.losses import cross_entropy
from charnn.nn.parameters import Gradients
from charnn.nn.products import worth_blocks
from charnn.nn.recurrent import step

IDS = np.array([[0, 3, 3], [3, 1, 0]])  # of 5 symbols: some repeat, some are absent


@pytest.fixture
def random():
    """Return a generator that is the same for each test."""
    return np.random.default_rng(3)


def test_tolerance():
    """What this file calls equal is a relative error of one in a million."""
    assert TOLERANCE == 1e-6


@pytest.mark.parametrize("T", [1, 2, 5])
def test_layer(cell, T):
    """Gradients of x, initial states and weights, from all outputs and from the final states."""
    assert failing(Layer.random(cell, T=T).comparisons()) == set()


def test_layer_in_blocks(cell, monkeypatch):
    """The same, where each product is computed in two blocks of rows and three of columns."""
    monkeypatch.setattr(products, "NARROWEST_BLOCK", 1)
    monkeypatch.setattr(products, "WIDEST_BLOCK", 2)
    monkeypatch.setattr(products, "FEWEST_ROWS", 2)
    monkeypatch.setattr(products, "SMALL_PRODUCT", 2 * 6 * 2)
    assert products.number_of_blocks(4, 6, 6) == (2, 3)
    assert failing(Layer.random(cell, T=3, B=4, D=6, H=6).comparisons()) == set()


def test_step(cell):
    """One step's `backward` returns the gradients of x, of the previous states and of weights."""
    layer = Layer.random(cell, T=1)
    x, previous = layer.x[0], layer.initial
    names = [f"previous {state}" for state in cell.states]

    def value():
        states, _ = step(cell, x, previous, layer.weights)
        return float(sum((s * d).sum() for s, d in zip(states, layer.d_final, strict=True)))

    _, backward = step(cell, x, previous, layer.weights)
    dx, d_previous, d_weights = backward(layer.d_final)
    arrays = {"x": x, **dict(zip(names, previous, strict=True)), **layer.weights}
    analytic = {"x": dx, **dict(zip(names, d_previous, strict=True)), **d_weights}
    assert failing(check_gradients(value, arrays, analytic)) == set()


def test_no_final_gradient_is_a_gradient_of_zero(cell):
    """`backward` without gradients of the final states takes them as zeros."""
    layer = Layer.random(cell)
    layer.d_final = tuple(np.zeros_like(d) for d in layer.d_final)
    expected = layer.gradients()
    layer.d_final = None
    for name, gradient in layer.gradients().items():
        assert np.array_equal(gradient, expected[name]), name


def test_cross_entropy(random):
    """The gradient of the logits is `scale (y - one_hot)`."""
    logits, targets = random.standard_normal((4, 5)), np.array([1, 4, 1, 0])

    def value():
        losses, _ = cross_entropy(logits.copy(), targets)
        return 0.3 * float(losses.sum())

    _, backward = cross_entropy(logits.copy(), targets)
    assert failing(check_gradients(value, {"logits": logits}, {"logits": backward(0.3)})) == set()


def test_affine(random):
    """Gradients of x, W and b of the output layer."""
    x, W, b = (random.standard_normal(shape) for shape in [(3, 4), (4, 5), (5,)])
    dy = random.standard_normal((3, 5))
    weights = {"W_hy": W, "b_y": b}
    gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
    dx = affine(x, weights, Buffers())[1](dy, Gradients(gradients))

    def value():
        return float((affine(x, weights, Buffers())[0] * dy).sum())

    comparisons = check_gradients(value, {"x": x, **weights}, {"x": dx, **gradients})
    assert failing(comparisons) == set()


def test_dropout(random):
    """The gradient passes through the mask, scaled as the values were."""
    x, d_out = random.standard_normal((2, 3, 4)), random.standard_normal((2, 3, 4))

    def run():
        return dropout(x, 0.4, np.random.default_rng(5), Buffers())

    dx = run()[1](d_out)
    assert 0 < np.count_nonzero(dx) < dx.size
    comparisons = check_gradients(lambda: float((run()[0] * d_out).sum()), {"x": x}, {"x": dx})
    assert failing(comparisons) == set()


@pytest.mark.parametrize("H", [7, 128], ids=["one product over time", "products in blocks"])
def test_project(random, H):
    """Gradients of a dense input x, of W_xh and of b_h, all sizes different."""
    T, G, B, D = 2, 2, 3, 5
    assert worth_blocks(np.empty((G, D, H), np.float32), B) == (H == 128)
    x, W_xh, b_h = (random.standard_normal(shape) for shape in [(T, B, D), (G, D, H), (G, H)])
    da = random.standard_normal((G, T, B, H))

    def value():
        a, _ = project(x, {"W_xh": W_xh, "b_h": b_h}, Buffers(), Buffers())
        return float((a.swapaxes(0, 1) * da).sum())

    gradients = {"W_xh": np.zeros_like(W_xh), "b_h": np.zeros_like(b_h)}
    _, backward = project(x, {"W_xh": W_xh, "b_h": b_h}, Buffers(), Buffers())
    gradients["x"] = backward(da, Gradients(gradients))
    assert failing(check_gradients(value, {"x": x, "W_xh": W_xh, "b_h": b_h}, gradients)) == set()


def test_project_one_hot(random):
    """A symbol's row of W_xh collects the gradients of all places where it stands."""
    G, V, H = 4, 5, 7
    W_xh, b_h = random.standard_normal((G, V, H)), random.standard_normal((G, H))
    da = random.standard_normal((G, *IDS.shape, H))

    def value():
        a, _ = project_one_hot(IDS, {"W_xh": W_xh, "b_h": b_h}, Buffers())
        return float((a.swapaxes(0, 1) * da).sum())

    gradients = {"W_xh": np.zeros_like(W_xh), "b_h": np.zeros_like(b_h)}
    _, backward = project_one_hot(IDS, {"W_xh": W_xh, "b_h": b_h}, Buffers())
    backward(da, Gradients(gradients))
    assert failing(check_gradients(value, {"W_xh": W_xh, "b_h": b_h}, gradients)) == set()


def test_embed(random):
    """A symbol's row of E collects the gradients of all places where it stands."""
    E, dx = random.standard_normal((5, 4)), random.standard_normal((*IDS.shape, 4))
    gradients = {"E": np.zeros_like(E)}
    _, backward = embed(IDS, E)
    backward(dx, Gradients(gradients))
    comparisons = check_gradients(lambda: float((embed(IDS, E)[0] * dx).sum()), {"E": E}, gradients)
    assert failing(comparisons) == set()


def test_one_hot_gather_is_the_product_with_one_hot_vectors(random):
    """Picking rows gives the pre-activations and the gradient of multiplying by one-hot vectors."""
    G, V, H = 4, 5, 7
    W_xh, b_h = random.standard_normal((G, V, H)), random.standard_normal((G, H))
    da = random.standard_normal((G, *IDS.shape, H))
    weights = {"W_xh": W_xh, "b_h": b_h}
    picked, multiplied = (
        {name: np.zeros_like(weight) for name, weight in weights.items()} for _ in range(2)
    )
    a_picked, backward_picked = project_one_hot(IDS, weights, Buffers())
    x = np.eye(V)[IDS]
    a_multiplied, backward_multiplied = project(x, weights, Buffers(), Buffers())
    backward_picked(da, Gradients(picked))
    backward_multiplied(da, Gradients(multiplied))
    assert max_error(a_picked, a_multiplied) < 1e-14
    assert max_error(picked["W_xh"], multiplied["W_xh"]) < 1e-14
