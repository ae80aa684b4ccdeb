"""The labelled language model: its ids, every gradient, and what its label does."""

from __future__ import annotations

import numpy as np
import pytest
from sequence_models import SIZES, batch_of, examples_of, model_of, result, wrong_gradients

from charnn.text.batches import Batch


def test_ids() -> None:
    """Behind the symbols stand the begin or end symbol, then the labels."""
    model = model_of("generate")
    labels, symbols = SIZES
    assert model.delimiter == symbols
    assert model.label_ids(np.arange(labels)).tolist() == list(
        range(symbols + 1, symbols + 1 + labels)
    )
    assert model.parameters.shapes["layer1/W_xh"][1] == symbols + 1 + labels
    assert model.parameters.shapes["W_hy"][1] == symbols + 1


def test_what_is_read_and_predicted() -> None:
    """At every step the symbol before and the label are read, and the end is predicted last."""
    model = model_of("generate")
    end, label = SIZES.outputs, SIZES.outputs + 1 + 5
    batch = Batch(np.array([[5]]), np.array([[2], [3], [0]]), target_lengths=np.array([2]))
    prepared = model.prepared(batch)
    assert prepared.inputs[:3, 0].tolist() == [[end, label], [2, label], [3, label]]
    assert prepared.targets[:3, 0].tolist() == [2, 3, end]
    assert prepared.lengths.tolist() == [3]


@pytest.mark.parametrize(
    "options", [{}, {"embedding_size": 3, "tie_weights": True}, {"embedding_size": 2}]
)
def test_every_gradient(options: dict) -> None:
    """Every coordinate of every parameter is right."""
    assert wrong_gradients("generate", hidden_size=3, **options) == set()


def test_the_label_matters() -> None:
    """Another label has another loss."""
    model, examples = model_of("generate"), examples_of("generate")
    others = [([(label + 1) % SIZES.inputs], target) for (label,), target in examples]
    losses = {result(model, batch_of("generate", each))[0] for each in (examples, others)}
    assert len(losses) == 2
