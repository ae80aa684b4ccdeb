"""Times as people write them, and how many updates fit into one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import small_config, small_corpus

from charnn.config.times import seconds_of
from charnn.errors import ConfigError
from charnn.training.events import Step
from charnn.training.time_budget import SHARE, Pace, pace_of
from charnn.training.trainer import Trainer


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("90s", 90.0),
        ("1.5h", 5_400.0),
        ("1h30m", 5_400.0),
        (" 2 M ", 120.0),
        ("1d 2h 3m 4.5s", 93_784.5),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """Numbers with units, one or several."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "m", "five minutes", "5 minutes", "-5m", "5m!", "5,5m", "nan", "1e3s", "٥m"]
)
def test_what_is_no_time(text: str) -> None:
    """A time without a unit could be minutes or seconds, so it is refused like nonsense."""
    with pytest.raises(ConfigError, match=r"^time is .* give a number with its unit: 90s, 5m"):
        seconds_of(text)


@pytest.mark.parametrize("text", ["0s", "0.0h", f"{'9' * 400}d"])
def test_no_time_and_all_time(text: str) -> None:
    """Nothing can be trained in no time, and no run takes for ever."""
    with pytest.raises(ConfigError, match="give more than no time"):
        seconds_of(text)


def test_updates_and_evaluations_share_the_time() -> None:
    """10 updates of 1 s with an evaluation of 5 s after every 5 take 15 s and one at the end."""
    assert Pace(1.0).updates(100 / SHARE, 7) == 100
    assert Pace(1.0, 5.0).updates(25.001 / SHARE, 5) == 10
    assert Pace(1.0, 5.0).updates(0.1, 5) == 1  # a run makes at least one


def test_the_pace_is_that_of_the_updates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made slower by 20 ms, an update takes 20 ms longer; evaluations count where there are any."""
    config = small_config()
    corpus = small_corpus(tmp_path, config)
    step = Trainer.step

    def slow(run: Trainer) -> Step:
        time.sleep(0.02)
        return step(run)

    monkeypatch.setattr("charnn.training.trainer.Trainer.step", slow)
    pace = pace_of(config, corpus, seconds=0.0)
    assert 0.02 < pace.update < 0.2
    assert 0 < pace.evaluation < 0.2
    assert pace_of(config, replace(corpus, val=corpus.ids[:0]), seconds=0.0).evaluation == 0


def test_the_measured_run_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where it was started nor among the temporary ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = small_config()
    corpus = small_corpus(tmp_path, config)
    before = sorted(tmp_path.rglob("*"))
    pace_of(config, corpus, seconds=0.0)
    assert sorted(tmp_path.rglob("*")) == before
