"""Weight drop: its mask, its gradients, and the weights that it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from subjects import Layer, failing

from charnn.nn.buffers import Buffers
from charnn.nn.parameters import Gradients, gradients_in
from charnn.nn.recurrent import recurrent
from charnn.nn.weight_drop import drop_recurrent
from charnn.registry import CELLS

CELLS_WITH_WEIGHTS = [
    form for name in CELLS for form in CELLS[name].forms().values() if "W_hh" in form.shapes(1, 1)
]


@dataclass
class DroppedLayer(Layer):
    """A layer some of whose recurrent weights are dropped, the same in each run."""

    wrapped: bool = True
    redrawn: bool = False

    def run(self):
        """See `Layer.run`."""
        weights, wrap = self.drop(5)
        h, final, backward = recurrent(self.cell, self.x, self.initial, weights)
        if self.redrawn:
            _, wrap = self.drop(6)

        def backward_dropped(dh, gradients, d_final):
            sums = gradients_in(gradients)
            return backward(dh, wrap(sums) if self.wrapped else sums, d_final)

        return h, final, backward_dropped

    def drop(self, seed: int):
        """Drop weights of the layer."""
        return drop_recurrent(self.weights, 0.4, np.random.default_rng(seed), Buffers())


def weights(dtype=np.float32):
    """Return the weights of a layer by name."""
    random = np.random.default_rng(1)
    shapes = {"W_xh": (3, 4, 50), "W_hh": (3, 50, 50), "b_h": (3, 50)}
    return {name: random.standard_normal(shape).astype(dtype) + 9 for name, shape in shapes.items()}


@pytest.mark.parametrize("cell", CELLS_WITH_WEIGHTS, ids=str)
def test_gradients(cell) -> None:
    """Every coordinate, with the same mask in every evaluation."""
    assert failing(DroppedLayer.random(cell, T=3, B=2, D=4, H=5).comparisons()) == set()


@pytest.mark.parametrize("fault", [{"wrapped": False}, {"redrawn": True}], ids=str)
def test_a_gradient_with_another_mask_is_caught(fault) -> None:
    """The check reports a gradient of W_hh without the mask, or with that of another window."""
    layer = DroppedLayer.random(CELLS["lstm"](), T=3, B=2, D=4, H=5)
    for name, value in fault.items():
        setattr(layer, name, value)
    assert failing(layer.comparisons()) == {"W_hh"}


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_weights_drop_at_the_rate(rate: float) -> None:
    """A part `rate` of W_hh is 0, the rest is scaled; other weights, and the original, stay."""
    given = weights()
    before = {name: weight.copy() for name, weight in given.items()}
    dropped, _ = drop_recurrent(given, rate, np.random.default_rng(2), Buffers())
    kept = dropped["W_hh"] != 0
    deviation = (rate * (1 - rate) / kept.size) ** 0.5
    assert abs(kept.mean() - (1 - rate)) <= 4 * deviation + 1e-5
    assert np.allclose(dropped["W_hh"][kept], given["W_hh"][kept] / (1 - rate), rtol=1e-4)
    assert dropped["W_hh"].dtype == np.float32
    assert dropped["W_xh"] is given["W_xh"]
    assert list(dropped) == list(given)
    for name, weight in given.items():
        assert np.array_equal(weight, before[name])


def test_the_mask_is_new_for_each_window() -> None:
    """Two calls with one generator drop different weights, in the same memory."""
    random, buffers, given = np.random.default_rng(2), Buffers(), weights()
    first, _ = drop_recurrent(given, 0.5, random, buffers)
    copy = first["W_hh"].copy()
    second, _ = drop_recurrent(given, 0.5, random, buffers)
    assert second["W_hh"] is first["W_hh"]
    assert not np.array_equal(second["W_hh"], copy)


def test_wrapped_gradients_write_first_and_add_then() -> None:
    """After `clear` the first addition replaces what was there, through groups, too."""
    given = weights()
    arrays = {f"layer1/{name}": np.full_like(weight, 7) for name, weight in given.items()}
    gradients = Gradients(arrays)
    dropped, wrap = drop_recurrent(given, 0.5, np.random.default_rng(2), Buffers())
    gradients.clear()
    layer = wrap(gradients.group("layer1"))
    for name in ("W_hh", "W_hh", "b_h"):
        layer.add(name, lambda out: out.fill(3))
    gradients.settle()
    mask = np.where(dropped["W_hh"] != 0, np.float32(2), np.float32(0))
    assert np.array_equal(arrays["layer1/W_hh"], 6 * mask)
    assert (arrays["layer1/b_h"] == 3).all()
    assert not arrays["layer1/W_xh"].any()


def test_wrapped_gradients_can_be_cleared_and_grouped() -> None:
    """What else gradients can do, the wrapped ones do for those that they wrap."""
    given = weights()
    arrays = {"W_hh": np.ones_like(given["W_hh"]), "part/b": np.ones(3)}
    _, wrap = drop_recurrent(given, 0.5, np.random.default_rng(2), Buffers())
    gradients = wrap(Gradients(arrays))
    gradients.clear()
    gradients.group("part").add("b", lambda out: out.fill(4))
    gradients.settle()
    assert not arrays["W_hh"].any()
    assert (arrays["part/b"] == 4).all()


def test_a_cell_without_recurrent_weights_is_refused() -> None:
    """The error says which weights there are."""
    given = {name: weight for name, weight in weights().items() if name != "W_hh"}
    with pytest.raises(ValueError, match=r"needs recurrent weights W_hh.* only W_xh, b_h"):
        drop_recurrent(given, 0.5, np.random.default_rng(2), Buffers())


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    """At 1 nothing would be left."""
    with pytest.raises(ValueError, match=f"rate of weight drop is {rate}"):
        drop_recurrent(weights(), rate, np.random.default_rng(2), Buffers())
