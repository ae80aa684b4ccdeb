"""The loss on a long text, its states carried from beginning to end."""

from __future__ import annotations

import numpy as np
import pytest
from torch_twin import CELLS, Twin, random_model, random_text, torch_evaluation

from charnn.models.evaluation import SHORTEST_STREAM, evaluate

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_one_stream(dtype: type, tolerance: float, cell: str, layers: int) -> None:
    """Read as one stream, a text's mean loss is PyTorch's, whose windows are of another length."""
    model = random_model(cell, layers, dtype)
    ids = random_text(2_000)
    score = evaluate(model, ids, streams=1)
    expected = torch_evaluation(Twin(model), ids, window=77)
    assert score.predictions == len(ids) - 1
    assert abs(score.nats_per_symbol - expected) <= tolerance


@pytest.mark.parametrize("cell", CELLS)
def test_streams_side_by_side(cell: str) -> None:
    """Cut into streams with a warm-up, a text has the loss that PyTorch finds in one stream."""
    model = random_model(cell, 2)
    ids = random_text(4 * SHORTEST_STREAM + 500)
    score = evaluate(model, ids)
    expected = torch_evaluation(Twin(model), ids, window=77)
    assert score.predictions == len(ids) - 1
    assert abs(score.nats_per_symbol - expected) <= 1e-5
