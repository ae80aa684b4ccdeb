"""The benchmark's arithmetic, and the command on a grid that is quickly done."""

from __future__ import annotations

import json
import sys
import time

import pytest
from click.testing import CliRunner

from charnn.bench import measure, report, workload
from charnn.bench.workload import Point, grid
from charnn.cli.main import charnn


def test_grid_has_every_cell_form_and_size():
    """Eight sizes for each of the four forms; a quick grid has two."""
    assert len(grid(["rnn", "lstm", "gru"], quick=False)) == 4 * 8
    assert len(grid(["gru"], quick=True)) == 2 * 2


def test_flops_of_a_layer():
    """One LSTM layer: 6 G H^2 for the recurrent product, 2 G V H and 6 H V around it."""
    H, V, G = 256, 65, 4
    expected = 64 * 16 * (6 * G * H * H + 2 * G * V * H + 6 * H * V)
    assert Point("lstm", "before", 1, H, 16, 64).flops == expected


def test_in_turn_alternates_and_gives_medians(monkeypatch):
    """Each side is warmed up; then both run in each round, in turn, as often as fits in it."""
    calls, clock = [], [0.0]
    seconds = {"a": 0.125, "b": 0.0625}
    monkeypatch.setattr(measure, "ROUND_SECONDS", 0.25)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def side(name):
        calls.append(name)
        clock[0] += 99 if len(calls) == 7 else seconds[name]  # one that was disturbed

    medians = measure.in_turn([lambda: side("a"), lambda: side("b")], 3)
    assert "".join(calls) == "aaabbb" + 3 * "aabbbb"
    assert medians == [seconds["a"], seconds["b"]]


def test_geometric_means_are_by_cell():
    """Both GRU forms count together; a row without a peer counts nowhere."""
    rows = [
        {"cell": "GRU (reset before)", "ratio": 2.0},
        {"cell": "GRU (reset after)", "ratio": 8.0},
        {"cell": "LSTM"},
    ]
    assert report.geometric_means(rows) == {"GRU": pytest.approx(4.0)}


@pytest.fixture
def tiny_grid(monkeypatch):
    """Sizes and rounds that are done at once."""
    monkeypatch.setattr(workload, "QUICK_SIZES", ((1, 8, 2, 3),))
    monkeypatch.setattr(measure, "ROUND_SECONDS", 0.001)
    monkeypatch.setattr(measure, "PEAK_SIZE", 64)
    monkeypatch.setattr(report, "SAMPLED_SIZES", ((1, 8),))
    for name in ("SAMPLE_LENGTH", "BATCH", "BATCH_LENGTH"):
        monkeypatch.setattr(report, name, 4)
    monkeypatch.setattr(report, "EVALUATED", 100)
    monkeypatch.setattr(measure, "start_up_seconds", lambda _: 0.1)


def test_command_prints_tables(tiny_grid):
    """Training, sampling, start-up and memory are all there."""
    result = CliRunner().invoke(charnn, ["bench", "--quick", "--cell", "gru"])
    assert result.exit_code == 0
    for words in ("GFLOP/s", "GRU (reset before)", "GRU (reset after)", "64 streams", "start-up"):
        assert words in result.stdout


def test_command_gives_json(tiny_grid):
    """Every figure is in the JSON, with its unit in its name."""
    result = CliRunner().invoke(charnn, ["bench", "--quick", "--cell", "rnn", "--json"])
    content = json.loads(result.stdout)
    assert content["training"][0]["milliseconds"] > 0
    assert content["training"][0]["share_of_peak"] > 0
    assert content["sampling"][0]["single"] > 0
    assert content["peak_gflops"]["one_thread"] > 0


def test_peer_that_is_not_installed_is_an_error(monkeypatch):
    """`--peer torch` without PyTorch says what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(charnn, ["bench", "--peer", "torch"])
    assert result.exit_code == 2
    assert "install torch" in result.stderr
