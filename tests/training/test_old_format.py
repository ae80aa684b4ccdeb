"""Checkpoints of format 1 as an earlier version wrote them: they load, score, sample and go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_runs import finish, write_corpus

import charnn
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST
from charnn.training.setup import resume_run

FOLDER = Path(__file__).parent / "format1"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
every_run = pytest.mark.parametrize("name", EXPECTED)


def test_every_run_has_its_files() -> None:
    """Of each run there is a checkpoint in its middle and one at its end."""
    names = {f"{name}-{update}.npz" for name in EXPECTED for update in (12, 24)}
    assert {path.name for path in FOLDER.glob("*.npz")} == names
    options = [charnn.load(FOLDER / f"{name}-12.npz").config.values() for name in EXPECTED]
    assert {(each["cell"], each["gru_reset"]) for each in options} >= {
        ("rnn", "before"),
        ("lstm", "before"),
        ("gru", "before"),
        ("gru", "after"),
    }
    assert [each["ema_decay"] for each in options if each["ema_decay"]] == [0.9]


@every_run
def test_it_gives_the_same_sample(name: str) -> None:
    """The same seed draws the same text, to the character."""
    saved = charnn.load(FOLDER / f"{name}-12.npz")
    assert saved.progress.update == 12
    assert charnn.sample(saved, length=60, seed=3, prime="tide") == EXPECTED[name]["sample"]


@every_run
def test_it_gives_the_same_score(name: str) -> None:
    """A text's loss is what it was."""
    saved = charnn.load(FOLDER / f"{name}-12.npz")
    score = charnn.evaluate(saved, "the tide")
    assert score.nats == pytest.approx(EXPECTED[name]["nats"], abs=1e-4)


@every_run
def test_it_goes_on_as_it_did(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumed, the run comes to the weights, memory, states and losses that it came to then."""
    monkeypatch.chdir(tmp_path)
    write_corpus(Path())
    run = Path("run")
    run.mkdir()
    shutil.copy(FOLDER / f"{name}-12.npz", run / LAST)
    resumed = resume_run(run).trainer
    assert resumed.progress.update == 12
    finish(resumed)
    ours, theirs = load_checkpoint(run / LAST), load_checkpoint(FOLDER / f"{name}-24.npz")
    found, expected = ours.named_arrays(), theirs.named_arrays()
    assert list(found) == list(expected)
    for array, wanted in expected.items():
        np.testing.assert_allclose(found[array], wanted, rtol=0, atol=1e-5, err_msg=array)
    assert ours.progress.update == theirs.progress.update == 24
    assert ours.progress.best_update == theirs.progress.best_update
    np.testing.assert_allclose(
        np.array(ours.progress.history, float), np.array(theirs.progress.history, float), atol=1e-5
    )
    assert (ours.vocabulary, ours.corpus) == (theirs.vocabulary, theirs.corpus)
