"""What is said about engines, whatever measured them; PyTorch is needed in tests/parity only."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from click.testing import CliRunner

from charnn.bench.engines import advice, engine_grid, faster
from charnn.cli.main import charnn


def row(hidden: int, winner: str, ratio: float | None = None) -> dict[str, Any]:
    """Return what is measured at a size."""
    size = {"layers": 2, "hidden_size": hidden, "batch_size": 16}
    return {"cell": "LSTM", **size, "faster": winner, "torch_to_bare": ratio}


def test_grid_has_every_form_and_size():
    """Two depths, three widths and two batches for each of the four forms; four sizes are quick."""
    assert len(engine_grid(["rnn", "lstm", "gru"], quick=False)) == 4 * 12
    assert len(engine_grid(["gru"], quick=True)) == 2 * 4


@pytest.mark.parametrize(
    ("shards", "torch", "said"),
    [(1.0, 2.0, "shards"), (2.0, 1.0, "torch"), (1.0, 1.04, "equal"), (1.04, 1.0, "equal")],
)
def test_the_faster_engine(shards, torch, said):
    """Times within a twentieth are equal."""
    assert faster(shards, torch) == said


@pytest.mark.parametrize(
    ("winners", "words"),
    [
        (("equal", "equal"), "LSTM: both engines are equally fast."),
        (("equal", "torch"), "LSTM: choose --engine torch at all sizes."),
        (("shards", "shards"), "LSTM: choose --engine shards at all sizes."),
        (("shards", "torch"), "LSTM: choose --engine torch for 2 x 512, 16 (layers x H, batch)"),
    ],
)
def test_advice_names_sizes(winners, words):
    """One engine where one is never behind, else the sizes at which PyTorch is faster."""
    (sentence,) = advice([row(256, winners[0]), row(512, winners[1])])
    assert sentence.startswith(words)


def test_advice_ends_with_the_bare_loop():
    """The smallest and the largest ratio, of the rows that have one."""
    rows = [row(128, "torch", 0.98), row(256, "torch", 1.04), row(512, "torch")]
    assert "0.98 to 1.04 times as long as the bare loop" in advice(rows)[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "--task", "tag"], "task is tag, but --engine"),
        (["--engine", "--peer", "torch"], "peer is torch, but --engine"),
        (["--device", "cpu"], "device is given"),
        (["--dropout", "0.2"], "dropout is given"),
    ],
)
def test_flags_that_do_not_go_together(arguments, words):
    """One sentence, and nothing is measured."""
    result = CliRunner().invoke(charnn, ["bench", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr


def test_torch_that_is_not_installed_is_an_error(monkeypatch):
    """`--engine` without PyTorch names the extra."""
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(charnn, ["bench", "--engine", "--quick"])
    assert result.exit_code == 2
    assert "charnn[torch]" in result.stderr
