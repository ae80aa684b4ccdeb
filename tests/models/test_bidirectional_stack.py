"""A stack that reads in both directions: states, final states, and gradients of both."""

from __future__ import annotations

import numpy as np
import pytest
from sequence_models import H, model_of
from sequence_oracle import layers, vectors

from charnn.nn.central_differences import TOLERANCE, check_gradients
from charnn.nn.parameters import Gradients

LENGTHS = np.array([4, 1, 3])
T, B = 6, 3
IDS = np.random.default_rng(3).integers(0, 6, (T, B))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_states(cell_options: dict[str, str], num_layers: int) -> None:
    """Each sequence is read by itself: forwards, and from its own end backwards."""
    model = model_of("tag", bidirectional=True, num_layers=num_layers, **cell_options)
    zeros = model.stack.zero_states(B, "float64")
    h, final, _ = model.stack.run(model.parameters, IDS, zeros, lengths=LENGTHS)
    assert h.shape == (T, B, 2 * H)
    assert model.stack.layers[:2] == ["layer1", "layer1_backward"]
    for b, length in enumerate(LENGTHS):
        x = vectors(IDS[:length, b].tolist(), model.parameters)
        expected, finals = layers(model, x, model.parameters, bidirectional=True)
        np.testing.assert_allclose(h[:length, b], expected, rtol=0, atol=1e-12)
        for level, states in enumerate(finals):
            for number, state in enumerate(states):
                found = [final[2 * level + n][number][b] for n in (0, 1)]
                np.testing.assert_allclose(np.concatenate(found), state, rtol=0, atol=1e-12)


def test_gradients() -> None:
    """Those of the parameters and of both directions' initial states, from h and final states."""
    model = model_of("tag", bidirectional=True, num_layers=2, hidden_size=3, cell="rnn")
    stack, random = model.stack, np.random.default_rng(4)
    shapes = stack.state_shapes(B)
    states, d_final = ([(random.standard_normal((B, 3)),) for _ in shapes] for _ in range(2))
    inside = np.arange(T)[:, None, None] < LENGTHS[:, None]
    dh = random.standard_normal((T, B, 6)) * inside

    def value() -> float:
        h, final, _ = stack.run(model.parameters, IDS, states, lengths=LENGTHS)
        ends = sum((s * d).sum() for (s,), (d,) in zip(final, d_final, strict=True))
        return float((h * dh).sum() + ends)

    gradients = model.parameters.zeros_like()
    _, _, backward = stack.run(model.parameters, IDS, states, lengths=LENGTHS)
    d_initial = backward(dh, Gradients(gradients), d_final)
    comparisons = check_gradients(
        value,
        {**model.parameters, **dict(zip(shapes, (s for (s,) in states), strict=True))},
        {**gradients, **dict(zip(shapes, (d for (d,) in d_initial), strict=True))},
    )
    assert {c.name for c in comparisons if not c.error < TOLERANCE} == set()


def test_without_lengths_every_sequence_is_full() -> None:
    """Lengths of T everywhere are the same as none."""
    model = model_of("tag", bidirectional=True)
    zeros = model.stack.zero_states(B, "float64")
    plain, _, _ = model.stack.run(model.parameters, IDS, zeros)
    full, _, _ = model.stack.run(model.parameters, IDS, zeros, lengths=np.full(B, T))
    assert np.array_equal(plain, full)
