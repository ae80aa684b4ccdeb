"""The bridge from encoder to decoder: its values and every coordinate of its gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planting import planted
from subjects import failing, max_error

from charnn.nn import bridge
from charnn.nn.bridge import bridge_parameters, tanh_affine
from charnn.nn.buffers import Buffers
from charnn.nn.central_differences import check_gradients
from charnn.nn.parameters import Gradients, Parameters, formula

N, K, H = 2, 5, 3


@pytest.fixture
def arrays():
    """Return x and the bridge's weights, all at random."""
    random = np.random.default_rng(3)
    shapes = {"x": (N, K), "W_s": (K, H), "b_s": (H,)}
    return {name: random.standard_normal(shape) / 2 for name, shape in shapes.items()}


def comparisons(module, arrays):
    """Compare all coordinates of the gradients of x and of the weights."""
    ds = np.random.default_rng(4).standard_normal((N, H))
    gradients = {name: np.zeros_like(array) for name, array in arrays.items()}
    _, backward = module.tanh_affine(arrays["x"], arrays, Buffers())
    gradients["x"] = backward(ds, Gradients(gradients)).copy()

    def value():
        return float((module.tanh_affine(arrays["x"], arrays, Buffers())[0] * ds).sum())

    return check_gradients(value, arrays, gradients)


def test_the_bridge_is_its_definition(arrays):
    """`s = tanh(x W_s + b_s)`, unit by unit."""
    s, _ = tanh_affine(arrays["x"], arrays, Buffers())
    expected = [
        [
            math.tanh(sum(x[k] * arrays["W_s"][k, j] for k in range(K)) + arrays["b_s"][j])
            for j in range(H)
        ]
        for x in arrays["x"]
    ]
    assert max_error(s, np.array(expected)) < 1e-14


def test_gradients(arrays):
    """Gradients of x, W_s and b_s."""
    assert failing(comparisons(bridge, arrays)) == set()


def test_its_parameters_start_small():
    """A matrix that decays and a bias of zeros that does not."""
    specs = bridge_parameters(K, H)
    parameters = Parameters.started(specs, np.random.default_rng(1))
    assert {name: view.shape for name, view in parameters.items()} == {"W_s": (K, H), "b_s": (H,)}
    assert not parameters["b_s"].any()
    assert 0 < np.abs(parameters["W_s"]).max() <= (6 / (K + H)) ** 0.5
    assert [spec.decays for spec in specs.values()] == [True, False]
    assert formula(specs) == "H K + H"


@pytest.mark.parametrize(
    ("right", "wrong", "shows_in"),
    [
        ("tanh_derivative(s, out=da)", "da[...] = 1", "W_s"),
        ("np.sum(da, axis=0, out=out)", "np.mean(da, axis=0, out=out)", "b_s"),
        ("np.matmul(da, W.T", "np.matmul(ds, W.T", "x"),
    ],
    ids=["tanh' dropped", "mean for sum", "tanh' dropped from dx"],
)
def test_a_planted_fault_is_caught(arrays, right, wrong, shows_in, tmp_path, monkeypatch):
    """The check of gradients reports the fault, in the array where it shows."""
    module = planted("charnn.nn.bridge", right, wrong, tmp_path, monkeypatch)
    assert shows_in in failing(comparisons(module, arrays))
