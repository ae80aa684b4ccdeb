"""`charnn bench --task`: the grid, the data, and the command on a grid that is quickly done."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from charnn.bench import measure, task_report, task_workload
from charnn.bench.task_workload import TaskPoint, random_examples, task_grid, task_trainer
from charnn.cli.main import charnn
from charnn.config import TASKS
from charnn.tasks.registry import task_of

EXAMPLE_TASKS = [task for task in TASKS if task != "lm"]


@pytest.fixture
def tiny_grid(monkeypatch):
    """Sizes and rounds that are done at once."""
    monkeypatch.setattr(task_workload, "QUICK_SIZES", ((1, 8, 2),))
    monkeypatch.setattr(task_workload, "BATCHES", 2)
    monkeypatch.setattr(task_report, "BATCHES", 2)
    monkeypatch.setattr(measure, "ROUND_SECONDS", 0.001)


def test_a_grid_has_every_form_and_size():
    """Four sizes for each of the four forms; transduction has other attentions at one size."""
    cells = ["rnn", "lstm", "gru"]
    assert len(task_grid("tag", cells, quick=False)) == 4 * 4
    assert len(task_grid("tag", cells, quick=True)) == 4 * 2
    points = task_grid("transduce", ["lstm"], quick=False)
    assert len(points) == 4 + 3
    assert {point.attention for point in points} == {"general", "dot", "additive", None}
    assert all(task_of(point.config).name == "transduce" for point in points)


@pytest.mark.parametrize("task", EXAMPLE_TASKS)
def test_data_are_shaped_like_real_ones(task):
    """Equal each time; of unequal lengths, except that a class is one symbol."""
    examples = random_examples(task, 500)
    again = random_examples(task, 500)
    assert examples.fingerprint == again.fingerprint
    sources, targets = examples.train.sources.lengths, examples.train.targets.lengths
    low, high, mean = (5, 40, 22.5) if task == "tag" else (2, 19, 7)
    side = targets if task == "generate" else sources
    assert low <= side.min() < side.max() <= high
    assert abs(side.mean() - mean) < 0.7
    if task == "tag":
        assert np.array_equal(sources, targets)
    if task in ("classify", "generate"):
        assert (np.minimum(sources, targets) == 1).all()


@pytest.mark.parametrize("task", EXAMPLE_TASKS)
def test_a_point_trains(task):
    """A run on the data makes updates; it reads in both directions where it may."""
    point = TaskPoint(task, "gru", "after", 1, 4, 3, "dot" if task == "transduce" else None)
    with task_trainer(point) as run:
        assert run.config.model.bidirectional == (task != "generate")
        assert run.source.count == task_workload.BATCHES
        assert run.step().loss > run.config.training.learning_rate


@pytest.mark.parametrize("task", EXAMPLE_TASKS)
def test_command_prints_a_table(task, tiny_grid):
    """A row for each form of the cell; attention is a column of transduction alone."""
    result = CliRunner().invoke(charnn, ["bench", "--quick", "--cell", "gru", "--task", task])
    assert result.exit_code == 0, result.output
    for words in ("GRU (reset before)", "GRU (reset after)", "ms/update", "examples/s", task):
        assert words in result.stdout
    assert ("general" in result.stdout) == (task == "transduce")
    assert "PyTorch" not in result.stdout


def test_command_gives_json(tiny_grid):
    """Every figure is in the JSON, with its unit in its name."""
    arguments = ["bench", "--quick", "--cell", "rnn", "--task", "classify", "--json"]
    content = json.loads(CliRunner().invoke(charnn, arguments).stdout)
    (row,) = content["training"]
    assert row["milliseconds"] > 0
    assert row["symbols_per_second"] > row["examples_per_second"] > 0
    assert row["shards"] == 1
    assert content["task"] == "classify"
    assert content["geometric_means"] == {}
