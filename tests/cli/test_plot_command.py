"""`charnn plot`: learning curves on a terminal, as JSON, and as a picture."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import TINY, data, output, refusal, succeed
from trained import Trained

import charnn
from charnn.cli.text_plot import Points, text_plot


def test_one_run(model: Path) -> None:
    """The terminal shows its curves and its best loss, in 80 columns and without colour."""
    shown = output("plot", model)
    best = charnn.load(model).progress.best_loss
    assert ". training, * validation" in shown
    assert "nats/char" in shown
    assert f"{best:.4f}" in shown
    assert "\x1b" not in shown
    assert max(map(len, shown.split("\n"))) <= 80
    rows = [line.partition("|")[2] for line in shown.split("\n") if "|" in line]
    assert len(rows) == 10
    assert sum(row.count("*") for row in rows) == 3
    assert rows[0].strip()
    assert rows[-1].strip()


def test_the_text_plot() -> None:
    """A higher number stands higher, a later one further to the right; the ends are labelled."""
    points = [(10.0, 3.0), (20.0, 2.0), (40.0, 1.0)]
    lines = text_plot([Points("a", points), Points("b", [(40.0, 3.0)])], "updates", "nats", 5)
    assert lines[0] == " nats"
    rows = [line.split("|") for line in lines[1:6]]
    assert [label.strip() for label, _ in rows] == ["3.000", "", "", "", "1.000"]
    assert [cells.find("a") for _, cells in rows] == [0, -1, 20, -1, 61]
    assert rows[0][1].find("b") == 61
    assert lines[-1].split() == ["10", "40", "updates"]
    assert max(map(len, lines)) <= 80
    assert len(text_plot([Points("a", [(1.0, 2.0)])], "epochs", "nats")) == 13


def test_runs_side_by_side(model: Path, trained: Trained) -> None:
    """What differs is listed, what does not is not; each run has its number."""
    succeed("train", trained.corpus, *TINY, "--cell", "gru", "--out", "gru", "--quiet")
    shown = output("plot", model, "gru")
    assert f"1  {model}\n2  gru\n" in shown
    (line,) = [line for line in shown.split("\n") if line.startswith("cell ")]
    assert line.split() == ["cell", "lstm", "gru"]
    assert "hidden_size" not in shown
    assert max(len(line) for line in shown.split("\n") if str(model) not in line) <= 80
    found = data("plot", model, "gru", "--x", "epochs", "--y", "bits")
    rates = found["differences"].pop("learning_rate")  # which the cells have of their own
    assert len(set(rates)) == 2
    assert found["differences"] == {"cell": ["lstm", "gru"]}
    assert (found["x"], found["y"]) == ("epochs", "bits/char")
    nats = data("plot", model, "gru")["runs"][1]["val"]["y"]
    assert found["runs"][1]["val"]["y"] == pytest.approx(
        [loss / 0.6931471805599453 for loss in nats]
    )


def test_a_picture(model: Path) -> None:
    """--svg writes a picture that names both curves."""
    assert succeed("plot", model, "--svg", "curves.svg", "-q").stderr == ""
    root = ET.fromstring(Path("curves.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own
    words = " ".join(each.text or "" for each in root.iter())
    assert "validation" in words
    assert "training" in words
    assert "loss (nats/char)" in words


@pytest.mark.parametrize("many", [4, 7])
def test_many_runs(many: int, copied: Path) -> None:
    """Their tables stand below each other, and the picture has a line for each."""
    runs = [shutil.copytree(copied, f"run-{number}") for number in range(many)]
    shown = output("plot", *runs, "--svg", "curves.svg")
    assert all(f"{number + 1}  run-{number}\n" in shown for number in range(many))
    assert max(map(len, shown.split("\n"))) <= 80
    text = Path("curves.svg").read_text(encoding="utf-8")
    assert text.count('class="line') == 2 * many


def test_a_run_in_progress(copied: Path) -> None:
    """Without a checkpoint yet, and with a line that is being written."""
    for name in ("best.npz", "last.npz", "previous.npz"):
        (copied / name).unlink(missing_ok=True)
    metrics = (copied / "metrics.jsonl").read_bytes()
    (copied / "metrics.jsonl").write_bytes(metrics[:-20])
    shown = output("plot", copied)
    assert "unknown" in shown  # the parameters
    (copied / "metrics.jsonl").write_bytes(b"")
    told = succeed("plot", copied)
    assert "has no losses yet" in told.stderr
    assert "none" in told.stdout


def test_notes(copied: Path) -> None:
    """What is missing or damaged is said on standard error, and the rest is shown."""
    with (copied / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write("damaged\n")
    told = succeed("plot", copied)
    assert "note: 1 line of " in told.stderr
    assert succeed("plot", copied, "-q").stderr == ""
    (copied / "metrics.jsonl").unlink()
    assert "note: run 'run' has no metrics.jsonl" in succeed("plot", copied).stderr
    told = succeed("plot", copied / "best.npz", "--x", "seconds", "--json")
    assert "--x updates shows them" in told.stderr


def test_refusals(copied: Path, verse: Path) -> None:
    """One sentence each; nothing is written."""
    succeed("train", verse, *TINY, "--tokens", "bytes", "--out", "bytes", "--quiet")
    assert "a loss per byte" in refusal("plot", copied, "bytes", "--svg", "curves.svg")
    assert "does not exist" in refusal("plot", "nowhere")
    assert "is damaged or not a checkpoint" in refusal("plot", verse)
    assert "there is no such folder" in refusal("plot", copied, "--svg", "none/a.svg")
    assert "is a folder" in refusal("plot", copied, "--svg", "bytes")
    assert "hours" in refusal("plot", copied, "--x", "hours")
