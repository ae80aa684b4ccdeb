"""The peer that `charnn bench --task` times computes what charnn does, packed or padded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from charnn.bench import measure, task_report, task_workload, torch_tasks
from charnn.bench.task_workload import TaskPoint
from charnn.bench.torch_stack import TorchStack, padded
from charnn.bench.torch_tasks import PEERS, torch_batches, variants
from charnn.cli.main import charnn

pytestmark = pytest.mark.parity

TASKS = tuple(PEERS)


@pytest.fixture
def tiny_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes and rounds that are done at once."""
    monkeypatch.setattr(task_workload, "QUICK_SIZES", ((1, 8, 2),))
    for module in (task_workload, task_report, torch_tasks):
        monkeypatch.setattr(module, "BATCHES", 2)
    monkeypatch.setattr(measure, "ROUND_SECONDS", 0.001)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_packed_and_padded_layers_agree(cell: str) -> None:
    """Two levels in both directions: the same states within the lengths, and at the ends."""
    torch.manual_seed(1)
    packed, turned = (TorchStack(cell, (5, 4, 2), True, way) for way in (True, False))
    layers = dict(packed.layers[0].named_parameters())
    with torch.no_grad():
        for number, layer in enumerate(turned.layers):
            suffix = "_reverse" if number % 2 else ""
            for name, weight in layer.named_parameters():
                weight.copy_(layers[f"{name[:-1]}{number // 2}{suffix}"])
        sequences = padded(torch.randint(0, 5, (6, 3)), torch.tensor([1, 6, 4]))
        x = packed.inputs(sequences.ids)
        (ours, ends), (theirs, other_ends) = packed.run(x, sequences), turned.run(x, sequences)
    inside = sequences.mask[..., None]
    assert torch.allclose(ours * inside, theirs * inside, atol=1e-6)
    assert torch.allclose(ends[0], other_ends[0], atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_peers_have_charnns_parameters(task: str) -> None:
    """As many weights in every variant as charnn's model, but for PyTorch's second biases."""
    point = TaskPoint(task, "lstm", "before", 2, 8, 4, "additive" if task == "transduce" else None)
    with task_workload.task_trainer(point) as run:
        own = run.model.parameters.flat.size
        stacks = sum(name.endswith("/b_h") for name in run.model.parameters)
    examples = point.examples.vocabulary
    sizes = examples.source_size, examples.target_size
    for variant in variants(point):
        peer = PEERS[task](point, sizes, variant)
        assert sum(weight.numel() for weight in peer.parameters) == own + stacks * 4 * 8


@pytest.mark.parametrize("task", TASKS)
def test_peers_learn(task: str) -> None:
    """The loss of a peer's batch falls when it is trained on it."""
    point = TaskPoint(task, "gru", "after", 1, 8, 4, "general" if task == "transduce" else None)
    examples = point.examples.vocabulary
    batch = torch_batches(point)[0]
    for variant in variants(point):
        peer = PEERS[task](point, (examples.source_size, examples.target_size), variant)

        def loss(peer: torch_tasks.Peer = peer) -> float:
            logits = peer.logits(batch)
            return torch.nn.functional.cross_entropy(logits, batch.targets).item()

        before = loss()
        for _ in range(5):
            peer.update(batch)
        assert np.isfinite(before)
        assert loss() < before


@pytest.mark.parametrize("task", TASKS)
def test_command_times_the_peer(task: str, tiny_grid: None) -> None:
    """With a peer each row has its time, its way and the ratio; the means are by cell."""
    arguments = ["bench", "--quick", "--cell", "gru", "--task", task, "--peer", "torch", "--json"]
    result = CliRunner().invoke(charnn, arguments)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    for row in content["training"]:
        assert row["ratio"] == pytest.approx(row["peer_milliseconds"] / row["milliseconds"])
        assert "thread" in row["peer_variant"]
    assert list(content["geometric_means"]) == ["GRU"]
    torch.set_num_threads(1)
