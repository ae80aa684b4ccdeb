"""`charnn bench --engine` times both engines and a bare loop that learns."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from charnn.bench import engines, measure
from charnn.bench.bare_loop import BareLoop
from charnn.bench.workload import Point
from charnn.cli.main import charnn

pytestmark = pytest.mark.parity


@pytest.fixture
def tiny_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes and rounds that are done at once."""
    monkeypatch.setattr(engines, "QUICK_HIDDEN", (8,))
    monkeypatch.setattr(engines, "BATCHES", (4,))
    monkeypatch.setattr(engines, "STEPS", 3)
    monkeypatch.setattr(measure, "ROUND_SECONDS", 0.001)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_bare_loop_learns(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has charnn's weights but for second biases, carries its states, and its loss falls."""
    torch.manual_seed(1)
    loop = BareLoop(Point(cell, "after", 2, 8, 4, 5), dropout=0.1)
    kept: list[float] = []
    entropy = torch.nn.functional.cross_entropy

    def noted(*arguments: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = entropy(*arguments)
        kept.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", noted)
    for group in loop.optimizer.param_groups:
        group["lr"] = 0.01
    for _ in range(200):
        loop.step()
    assert sum(kept[-20:]) < sum(kept[:20]) - 20 * 0.05
    states = loop.states if isinstance(loop.states, tuple) else (loop.states,)
    assert all(state.abs().sum() > 0 and not state.requires_grad for state in states)


def test_command_times_three_sides(tiny_grid: None) -> None:
    """Each row has all times; the GRU that PyTorch does not have has no bare loop."""
    arguments = ["bench", "--engine", "--quick", "--cell", "gru", "--json"]
    result = CliRunner().invoke(charnn, [*arguments, "--dropout", "0.1"])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    before, after = content["rows"]
    assert before["torch_to_bare"] is None
    assert "bare_milliseconds" not in before
    ratio = after["torch_milliseconds"] / after["bare_milliseconds"]
    assert after["torch_to_bare"] == pytest.approx(ratio)
    assert content["dropout"] == 0.1
    assert len(content["advice"]) == 3


def test_command_says_which_is_faster(tiny_grid: None) -> None:
    """The table, what is only similar in PyTorch, and the sentences at the end."""
    result = CliRunner().invoke(charnn, ["bench", "--engine", "--quick", "--cell", "gru"])
    assert result.exit_code == 0, result.output
    for words in ("bare loop", "faster", "only similar", "GRU (reset after): ", "times as long"):
        assert words in result.stdout
