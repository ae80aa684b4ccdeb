"""Each cell computes its equations: charnn against the naive oracle, to 1e-12."""

from __future__ import annotations

import numpy as np
import pytest
from reference import REFERENCES, sequence
from subjects import Layer, max_error

from charnn.nn import products
from charnn.nn.recurrent import recurrent, step
from charnn.registry import CELLS

LARGE = {"T": 3, "B": 64, "D": 40, "H": 256}


def test_every_cell_and_form_has_an_oracle(kind):
    """Each registered cell has its equations in tests/reference.py."""
    assert kind in REFERENCES


def test_forms_go_by_different_names():
    """No two cells or forms introduce themselves by the same name."""
    names = [str(form) for cell in CELLS.values() for form in cell.forms().values()]
    assert len(set(names)) == len(names)


def test_step_computes_the_equations(kind, cell):
    """One time step gives the states that the equations give."""
    layer = Layer.random(cell)
    states, _ = step(cell, layer.x[0], layer.initial, layer.weights)
    expected = REFERENCES[kind].step(layer.x[0], layer.initial, layer.weights)
    assert len(states) == len(expected)
    for state, oracle in zip(states, expected, strict=True):
        assert max_error(state, oracle) < 1e-12


@pytest.mark.parametrize(
    "sizes",
    [
        {"T": 2, "B": 3, "D": 5, "H": 7},
        {"T": 11, "B": 1, "D": 3, "H": 2},
        {"T": 1, "B": 4, "D": 1, "H": 1},
        LARGE,
    ],
    ids=lambda sizes: "-".join(f"{name}{size}" for name, size in sizes.items()),
)
def test_sequence_computes_the_equations(kind, cell, sizes):
    """A whole sequence gives the outputs and final states that the equations give."""
    layer = Layer.random(cell, **sizes)
    h, final, _ = layer.run()
    expected_h, expected_final = sequence(
        REFERENCES[kind].step, layer.x, layer.initial, layer.weights
    )
    assert max_error(h, expected_h) < 1e-12
    for state, oracle in zip(final, expected_final, strict=True):
        assert max_error(state, oracle) < 1e-12


def test_the_large_sizes_are_cut_into_blocks():
    """The largest case above computes its recurrent products in blocks of rows and columns."""
    assert products.number_of_blocks(LARGE["B"], LARGE["H"], LARGE["H"]) == (2, 4)


def test_blocks_do_not_change_gradients(cell, monkeypatch):
    """Gradients of blocked products are those of whole products."""
    layer = Layer.random(cell, **LARGE)
    blocked = layer.gradients()
    monkeypatch.setattr(products, "number_of_blocks", lambda *_: (1, 1))
    for name, whole in layer.gradients().items():
        assert max_error(blocked[name], whole) < 1e-12 * np.abs(whole).max(), name


def test_arguments_are_left_as_they_were(cell):
    """Neither direction writes to inputs, initial states, weights or incoming gradients."""
    layer, same = Layer.random(cell), Layer.random(cell)
    layer.gradients()
    for name, array in layer.arrays().items():
        assert np.array_equal(array, same.arrays()[name]), name
    assert np.array_equal(layer.dh, same.dh)
    assert all(map(np.array_equal, layer.d_final, same.d_final))


def test_missing_states_are_refused(cell):
    """A tuple of initial states that is too short is an error, not a broadcast."""
    layer = Layer.random(cell)
    with pytest.raises(ValueError, match="shorter"):
        recurrent(cell, layer.x, layer.initial[1:], layer.weights)
