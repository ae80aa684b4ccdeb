"""Checkpoints of earlier formats: each still loads, and is the model that it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from small_runs import TEXT

from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import FORMAT_VERSION, LAST
from charnn.training.setup import resume_run

FOLDER = Path(__file__).parent / "golden"
# Of an LSTM's averaged weights after 10 updates: the first logits after reading "tide".
LOGITS = {1: [-0.50073, 0.5393, -0.45498, -0.01064, -0.14157, 0.19057]}
every_format = pytest.mark.parametrize("version", LOGITS)


def test_every_format_has_a_file() -> None:
    """A format that is released is kept here, the newest included."""
    assert sorted(LOGITS) == list(range(1, FORMAT_VERSION + 1))
    assert {path.name for path in FOLDER.glob("*.npz")} == {f"format{n}.npz" for n in LOGITS}


@every_format
def test_it_gives_the_same_logits(version: int) -> None:
    """The model that is sampled is, to rounding, the one that was saved."""
    saved = load_checkpoint(FOLDER / f"format{version}.npz")
    ids = saved.vocabulary.encode("tide")[:, None]
    logits, _, _ = saved.model.logits(ids, saved.model.zero_states(1))
    np.testing.assert_allclose(logits[-1, :6], LOGITS[version], rtol=0, atol=2e-5)


@every_format
def test_it_can_be_resumed(version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of an earlier format goes on."""
    monkeypatch.chdir(tmp_path)
    Path("tide.txt").write_text(TEXT, encoding="utf-8")
    run = Path("run")
    run.mkdir()
    shutil.copy(FOLDER / f"format{version}.npz", run / LAST)
    resumed = resume_run(run, changes={"steps": 12}).trainer
    assert resumed.progress.update == 10
    for _ in resumed.run():
        pass
    assert load_checkpoint(run / LAST).progress.update == 12
