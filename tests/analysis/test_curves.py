"""Learning curves: what a run's record says, and what is missing from it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import charnn
from charnn.analysis.curves import compare
from charnn.analysis.run_record import read_run
from charnn.errors import CharnnError, CheckpointError, InputError, RunError

LINES = [
    {"event": "step", "update": 20, "epoch": 0.5, "smoothed_loss": 3.0, "seconds": 1.5},
    {"event": "step", "update": 40, "epoch": 1.0, "smoothed_loss": 2.0, "seconds": 2.5},
    {"event": "evaluation", "update": 40, "epoch": 1.0, "train_loss": 2.0, "val_loss": 2.5,
     "seconds": 2.5},
    {"event": "step", "update": 60, "epoch": 1.5, "smoothed_loss": 1.5, "seconds": 3.5},
    {"event": "evaluation", "update": 60, "epoch": 1.5, "train_loss": 1.5, "val_loss": 2.75,
     "seconds": 4.0},
]  # fmt: skip
TEXT = "the tide comes in, and the tide goes out.\n" * 20
TINY = {"hidden_size": 5, "steps": 40, "eval_every": 20, "batch_size": 2, "seq_length": 8}


def write(folder: Path, *lines: object, config: str = "task: lm\n") -> Path:
    """Write a run that has no checkpoint yet; lines are written as they are, or as JSON."""
    folder.mkdir()
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    (folder / "metrics.jsonl").write_text("".join(texts), encoding="utf-8")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny run."""
    folder = tmp_path_factory.mktemp("curves")
    (folder / "tide.txt").write_text(TEXT, encoding="utf-8")
    list(charnn.train(folder / "tide.txt", **TINY, out=folder / "run"))
    return folder / "run"


@pytest.mark.parametrize(
    ("across", "train", "val"),
    [
        ("updates", [20, 40, 60], [40, 60]),
        ("epochs", [0.5, 1.0, 1.5], [1.0, 1.5]),
        ("seconds", [1.5, 2.5, 3.5], [2.5, 4.0]),
    ],
)
def test_curves_are_those_of_the_record(
    across: str, train: list[float], val: list[float], tmp_path: Path
) -> None:
    """Smoothed losses of steps and validation losses of evaluations stand at their moments."""
    (run,) = compare([write(tmp_path / "run", *LINES)], across).runs
    assert (run.train.x, run.train.y) == (train, [3.0, 2.0, 1.5])
    assert (run.val.x, run.val.y) == (val, [2.5, 2.75])
    assert (run.best.part, run.best.loss, run.best.update) == ("validation", 2.5, 40)
    assert (run.updates, run.seconds, run.unit, run.task) == (60, 4.0, "char", "lm")
    assert run.notes == ()


def test_bits_are_nats_divided_by_ln_2(tmp_path: Path) -> None:
    """A loss of ln 2 nats is one bit; the best loss stays in nats."""
    write(tmp_path / "run", {**LINES[2], "val_loss": math.log(2)})
    found = compare([tmp_path / "run"], measure="bits")
    assert found.runs[0].val.y == pytest.approx([1.0])
    assert found.runs[0].best.loss == math.log(2)
    assert found.unit == "bits/char"


def test_a_run_that_went_back_is_told_once(tmp_path: Path) -> None:
    """After a roll-back, or a resumed run's repeated updates, only the later losses count."""
    back = {"event": "rolledback", "failed_update": 61, "update": 40, "reason": "inf"}
    again = [{**LINES[3], "smoothed_loss": 1.75}, {**LINES[4], "val_loss": 2.25}]
    (run,) = compare([write(tmp_path / "back", *LINES, back, *again)]).runs
    assert run.train.y == [3.0, 2.0, 1.75]
    assert run.val.y == [2.5, 2.25]
    (run,) = compare([write(tmp_path / "only-back", *LINES, back)]).runs
    assert (run.train.x, run.val.x) == ([20, 40], [40])
    (run,) = compare([write(tmp_path / "again", *LINES, *again)]).runs
    assert run.train.y == [3.0, 2.0, 1.75]
    assert run.val.y == [2.5, 2.25]


@pytest.mark.parametrize(
    "line",
    [
        "{\n",
        "[1]\n",
        "\n",
        '{"event": "step"}\n',
        '{"event": "step", "update": -1}\n',
        '{"event": "step", "update": true}\n',
        '{"event": 1, "update": 3}\n',
        "[" * 20_000 + "\n",
    ],
)
def test_a_damaged_line_is_left_out_and_told(line: str, tmp_path: Path) -> None:
    """The rest of the curve is there."""
    (run,) = compare([write(tmp_path / "run", *LINES[:2], line, *LINES[2:])]).runs
    assert run.train.y == [3.0, 2.0, 1.5]
    assert len(run.notes) == 1
    assert run.notes[0].startswith("1 line of ")


@pytest.mark.parametrize("loss", [None, "2", [2], math.nan, math.inf, True, 10**400])
def test_a_loss_that_is_no_number_is_left_out(loss: object, tmp_path: Path) -> None:
    """Whether it was one that could not be measured or is damage."""
    (run,) = compare([write(tmp_path / "run", *LINES, {**LINES[2], "val_loss": loss})]).runs
    assert 2.5 not in run.val.y[1:]
    assert run.train.y[0] == 3.0


def test_a_half_written_line_is_no_damage(tmp_path: Path) -> None:
    """A run in progress may be writing it now."""
    (run,) = compare([write(tmp_path / "run", *LINES, '{"event": "ste')]).runs
    assert run.notes == ()
    assert len(run.train.x) == 3


def test_a_run_without_losses_yet(tmp_path: Path) -> None:
    """It has empty curves, and a note."""
    (run,) = compare([write(tmp_path / "run")]).runs
    assert run.best is None
    assert run.notes == (f"run '{tmp_path / 'run'}' has no losses yet.",)


def test_a_real_run(trained: Path) -> None:
    """Its curve ends where the run ended, and its best loss is that of its checkpoint."""
    (run,) = compare([trained]).runs
    saved = charnn.load(trained)
    assert run.best.loss == pytest.approx(saved.progress.best_loss)
    assert run.updates == 40
    assert run.parameters == saved.parameters.flat.size
    assert run.options["hidden_size"] == 5
    json.dumps(run.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", ["best.npz", "last.npz"])
def test_a_checkpoint_alone(name: str, trained: Path, tmp_path: Path) -> None:
    """It knows its evaluations by updates; seconds and epochs are missing, which is said."""
    shutil.copy(trained / name, tmp_path / "model.npz")
    (run,) = compare([tmp_path / "model.npz"]).runs
    assert run.val.x == [20, 40]
    assert "a checkpoint alone" in run.notes[0]
    (run,) = compare([tmp_path / "model.npz"], "seconds").runs
    assert run.val.x == run.train.x == []
    assert "4 losses without seconds" in run.notes[1]
    assert run.best is not None


def test_what_is_missing_from_a_run_is_said(trained: Path, tmp_path: Path) -> None:
    """Without metrics the curve is the checkpoint's; a damaged checkpoint leaves the metrics."""
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (run,) = compare([tmp_path / "run"]).runs
    assert run.val.x == [20, 40]
    assert "has no metrics.jsonl" in run.notes[0]
    shutil.copytree(trained, tmp_path / "damaged")
    (tmp_path / "damaged" / "best.npz").write_bytes(b"no")
    (run,) = compare([tmp_path / "damaged"]).runs
    assert "is damaged" in run.notes[0]
    assert run.updates == 40
    assert run.parameters is not None  # of last.npz


def test_options_that_cannot_be_read(tmp_path: Path) -> None:
    """The curves are there, and the unit is unknown."""
    (run,) = compare([write(tmp_path / "run", *LINES, config="task: [")]).runs
    assert run.unit == ""
    assert run.train.x == [20, 40, 60]
    assert any("its task is unknown" in note for note in run.notes)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """An empty folder and a file of something else: a sentence."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"neither metrics.jsonl nor a checkpoint"):
        read_run(tmp_path / "empty")
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    for name in ("a.txt", "missing"):
        with pytest.raises(CheckpointError):
            read_run(tmp_path / name)
    for error in (RunError, CheckpointError):
        assert issubclass(error, CharnnError)


def test_metrics_may_be_named_themselves(tmp_path: Path) -> None:
    """`run/metrics.jsonl` means its run."""
    write(tmp_path / "run", *LINES)
    assert compare([tmp_path / "run" / "metrics.jsonl"]).runs[0].updates == 60


@pytest.mark.parametrize(
    "config",
    ["task: lm\ntokens: bytes\n", "task: generate\n", "task: tag\n", "task: classify\n"],
)
def test_runs_of_different_units_are_refused(config: str, tmp_path: Path) -> None:
    """A loss per byte or per tag is nothing to compare with one per character."""
    write(tmp_path / "one", *LINES)
    write(tmp_path / "other", *LINES, config=config)
    with pytest.raises(InputError, match=r"a loss per char, run .* plot runs of one task and unit"):
        compare([tmp_path / "one", tmp_path / "other"])
    compare([tmp_path / "other", tmp_path / "other"])


def test_differences(tmp_path: Path) -> None:
    """Only options that differ are listed, in the order of the runs."""
    for number, cell in enumerate(("lstm", "gru", "gru")):
        write(tmp_path / f"{number}", *LINES, config=f"cell: {cell}\nseed: {number // 2}\n")
    found = compare([tmp_path / f"{number}" for number in range(3)])
    assert found.differences == {"cell": ["lstm", "gru", "gru"], "seed": [0, 0, 1]}
    assert compare([tmp_path / "0", tmp_path / "0"]).differences == {}


def test_runs_of_different_texts_are_told(trained: Path, tmp_path: Path) -> None:
    """Their losses are not comparable, whatever the picture looks like."""
    (tmp_path / "other.txt").write_text(TEXT[::-1], encoding="utf-8")
    list(charnn.train(tmp_path / "other.txt", **TINY, out=tmp_path / "run"))
    found = compare([trained, tmp_path / "run"])
    assert "different texts" in found.notes[-1]
    assert not any("different texts" in note for note in compare([trained, trained]).notes)


def test_the_best_is_the_lowest(tmp_path: Path) -> None:
    """Among many evaluations, and of the training part where there is no other."""
    losses = np.random.default_rng(1).random(50) + 1
    lines = [{"event": "evaluation", "update": n, "train_loss": float(loss), "val_loss": None}
             for n, loss in enumerate(losses)]  # fmt: skip
    best = compare([write(tmp_path / "run", *lines)]).runs[0].best
    assert (best.part, best.loss, best.update) == ("training", losses.min(), losses.argmin())
