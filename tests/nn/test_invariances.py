"""What must not change a recurrent layer: where a sequence is cut, and who else is in the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from subjects import Layer, max_error

CUTS = (5, 6, 10)  # a chunk of 5 steps, one of a single step, then 4 and 2


def chunks(layer):
    """Yield the parts of a layer's sequence; each starts from the states that the last one left."""
    initial = layer.initial
    parts = zip(np.split(layer.x, CUTS), np.split(layer.dh, CUTS), strict=True)
    for x, dh in parts:
        chunk = replace(layer, x=x, dh=dh, initial=initial)
        yield chunk
        _, initial, _ = chunk.run()


def test_sequence_equals_its_chunks(cell):
    """Outputs and final states of a sequence are those of its chunks with carried states."""
    layer = Layer.random(cell, T=12)
    h, final, _ = layer.run()
    runs = [chunk.run() for chunk in chunks(layer)]
    assert max_error(np.concatenate([run[0] for run in runs]), h) < 1e-12
    for state, expected in zip(runs[-1][1], final, strict=True):
        assert max_error(state, expected) < 1e-12


def test_gradients_equal_those_of_chunks(cell):
    """Gradients handed from chunk to chunk, last to first, are those of the whole sequence."""
    layer = Layer.random(cell, T=12)
    expected = layer.gradients()
    d_states, dx, total = layer.d_final, [], dict.fromkeys(layer.weights, 0.0)
    for chunk in reversed(list(chunks(layer))):
        gradients = replace(chunk, d_final=d_states).gradients()
        d_states = tuple(gradients[f"initial {state}"] for state in cell.states)
        dx.insert(0, gradients["x"])
        total = {name: total[name] + gradients[name] for name in total}
    actual = {"x": np.concatenate(dx), **total}
    actual |= {f"initial {s}": d for s, d in zip(cell.states, d_states, strict=True)}
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        assert max_error(actual[name], gradient) < 1e-12, name


def test_batch_rows_are_independent(cell):
    """A sequence has the same outputs alone as in a batch."""
    layer = Layer.random(cell, T=6, B=4)
    h, final, _ = layer.run()
    for b in range(4):
        row = slice(b, b + 1)
        alone = replace(layer, x=layer.x[:, row], initial=tuple(s[row] for s in layer.initial))
        h_alone, final_alone, _ = alone.run()
        assert max_error(h_alone, h[:, row]) < 1e-12
        for state, expected in zip(final_alone, final, strict=True):
            assert max_error(state, expected[row]) < 1e-12


def test_gradients_stay_in_their_row(cell):
    """Where only one sequence has a loss, the others' inputs and states have no gradient."""
    layer = Layer.random(cell, T=6, B=4)
    others = [0, 1, 3]
    layer.dh[:, others] = 0
    for d in layer.d_final:
        d[others] = 0
    gradients = layer.gradients()
    assert not gradients["x"][:, others].any()
    assert gradients["x"][:, 2].all()
    for state in cell.states:
        assert not gradients[f"initial {state}"][others].any()
        assert gradients[f"initial {state}"][2].all()


def test_no_output_depends_on_later_inputs(cell):
    """The input at time t changes the outputs from t on, and none before."""
    layer = Layer.random(cell, T=6)
    h, _, _ = layer.run()
    layer.x[3] += 1
    changed = (layer.run()[0] != h).any(axis=(1, 2))
    assert changed.tolist() == [False, False, False, True, True, True]
