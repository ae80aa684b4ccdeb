"""`charnn tune`: real searches of a second or two, what they leave, and what they refuse."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import in_words, lines_of, refusal, run, succeed

from charnn.config import Config, read_yaml

PLAY = Path(__file__).parents[2] / "data" / "the-tide-clock.txt"
SMALL = ("--hidden-size", 8, "--batch-size", 4, "--shards", 1)


def results() -> list[dict]:
    """Return the lines of a search's results."""
    return lines_of(Path("search/trials.jsonl").read_text(encoding="utf-8"))


def test_a_search_and_the_training_that_it_is_for(work_folder: Path) -> None:
    """It finds something, writes it down, and `charnn train` takes it."""
    found = succeed("tune", PLAY, *SMALL, "--time", "3s", "--out", "search", "--cell", "rnn")
    assert "what was tried" in found.stdout
    assert "best        " in found.stdout
    assert "next        charnn train" in found.stderr
    names = {path.name for path in Path("search").iterdir()}
    assert names - {".lock"} == {"best.yaml", "search.json", "trials.jsonl", "trials.svg"}
    lines = results()
    assert lines
    start = next(each for each in lines if each["trial"] == 0)
    rate, dropout = start["values"].pop("learning_rate"), start["values"].pop("dropout")
    assert start["values"] == {"num_layers": 1, "seq_length": 64}
    own = "optimizer=adamw, weight_decay=0.03, beta2=0.99, clip_norm=0.25"
    chosen = f"learning_rate={rate}, {own}, dropout={dropout}"
    note = f"defaults for the cell rnn and 63,625 symbols: {chosen}"
    assert note in " ".join(found.stderr.split())
    config = Config.from_values(read_yaml(Path("search/best.yaml")))
    assert (config.model.cell, config.model.hidden_size) == ("rnn", 8)
    last = max(each["rung"] for each in lines)
    best = min((each for each in lines if each["rung"] == last), key=lambda each: each["loss"])
    assert config.training.steps == best["steps"]
    trained = succeed("train", PLAY, "--config", "search/best.yaml", "--out", "model", "--quiet")
    assert f"{best['loss']:.4f}" in trained.stdout  # bit for bit the run of the search


def test_the_same_seed_tries_the_same(work_folder: Path) -> None:
    """Around the same start they do not depend on the clock; how many are tried does."""
    Path("start.yaml").write_text("dropout: 0.1\nlearning_rate: 0.02\n", encoding="utf-8")
    small = (*SMALL, "--config", "start.yaml", "--time", "1s")
    tried = []
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        line = ("tune", PLAY, *small, "--out", out, "--seed", seed, "--json")
        events = lines_of(succeed(*line).stdout)
        assert events[0]["event"] == "plan"
        assert events[-1]["event"] == "best"
        assert {each["event"] for each in events[1:-1]} <= {"trial"}
        tried.append(events[0]["candidates"])
    shared = min(map(len, tried))
    assert shared >= 2
    assert tried[0][:shared] == tried[1][:shared] != tried[2][:shared]


def test_a_killed_search_goes_on(work_folder: Path) -> None:
    """Killed after its first result, with a piece of a line more: --resume makes the rest."""
    words = [str(each) for each in ("tune", PLAY, *SMALL, "--time", "60s", "--out", "search")]
    with subprocess.Popen(
        [sys.executable, "-m", "charnn", *words, "--quiet"], stderr=subprocess.PIPE
    ) as process:
        trials = Path("search/trials.jsonl")
        end = time.monotonic() + 50
        while time.monotonic() < end and not (trials.exists() and trials.stat().st_size):
            time.sleep(0.02)
        process.kill()
        process.communicate()
    before = results()
    with trials.open("a", encoding="utf-8") as file:
        file.write('{"rung": 0, "tri')
    found = succeed("tune", "--resume", "search", "--time", "2s", "--quiet")
    assert "best        " in found.stdout
    assert results()[: len(before)] == before
    assert json.loads(Path("search/search.json").read_text())["plan"]["seconds"] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_keeps_what_is_done(work_folder: Path) -> None:
    """The search ends with exit code 130, says how to go on, and leaves the best so far."""
    words = [str(each) for each in ("tune", PLAY, *SMALL, "--time", "60s", "--out", "search")]
    with subprocess.Popen(
        [sys.executable, "-m", "charnn", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        best = Path("search/best.yaml")
        end = time.monotonic() + 50
        while time.monotonic() < end and not best.exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "interrupted; go on by: charnn tune --resume search" in in_words(err)
    assert "best        " in out
    assert read_yaml(best)["steps"] == results()[0]["steps"]


def test_quiet_prints_results_only(work_folder: Path) -> None:
    """The best, the start, and where it is."""
    found = succeed("tune", PLAY, *SMALL, "--time", "1s", "--quiet")
    assert found.stderr == ""
    lines = [line.split()[0] for line in found.stdout.splitlines()]
    assert lines == ["best", "start", "saved"]
    assert Path("runs/the-tide-clock-lstm-tune/best.yaml").is_file()


def test_another_task(work_folder: Path) -> None:
    """Files of examples are searched like texts, but for the sequence length."""
    Path("names.tsv").write_text(
        "".join(f"{'ab'[n % 2]}{n}x\t{'ab'[n % 2]}\n" for n in range(60)), encoding="utf-8"
    )
    line = ("tune", "names.tsv", "--task", "classify", "--hidden-size", 4, "--embedding-size", 4)
    succeed(*line, "--time", "1s", "--out", "search")
    assert read_yaml(Path("search/best.yaml"))["task"] == "classify"
    assert set(results()[0]["values"]) == {"learning_rate", "dropout", "num_layers"}


def test_a_file_is_where_the_search_starts(work_folder: Path) -> None:
    """Values of --config are varied, those of flags are not; the file's steps do not matter."""
    Path("own.yaml").write_text(
        "dropout: 0.4\nhidden_size: 8\nsteps: 7\nlearning_rate: 0.008\n", encoding="utf-8"
    )
    line = ("tune", PLAY, "--config", "own.yaml", "--batch-size", 4, "--num-layers", 1)
    succeed(*line, "--seq-length", 16, "--time", "1s", "--out", "search", "--shards", 1)
    assert results()[0]["values"] == {"learning_rate": 0.008, "dropout": 0.4, "hidden_size": 8}


ALL = ("--dropout", 0, "--learning-rate", 0.01, "--num-layers", 1, "--seq-length", 9)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ((), "Missing argument 'CORPUS...'"),
        (("play.txt", "--time", "30"), "time is '30'; give a number with its unit"),
        (("play.txt", "--target-time", "2h"), "target-time is 7200 s, but the whole search has"),
        (("play.txt", "--steps", 9), "steps is 9, but the times of a search say how long"),
        (("play.txt", "--epochs", 2), "epochs is 2.0, but the times of a search say"),
        (("play.txt", "--val-fraction", 0), "leaves no validation part to choose by"),
        (("play.txt", "--hidden-size", 8, *ALL), "are all given, so there is nothing to search"),
        (("missing.txt",), "missing.txt"),
        (("--resume", "nowhere"), "'nowhere' is no folder of a search"),
        (("--resume", "full", "--force"), "--force is for new searches"),
        (("play.txt", "--out", "full"), "holds files of something else"),
    ],
    ids=lambda part: " ".join(map(str, part)) if isinstance(part, tuple) else "",
)
def test_refusals(work_folder: Path, typed: tuple, sentence: str) -> None:
    """One sentence, exit code 2, and nothing written."""
    Path("play.txt").write_text(PLAY.read_text(encoding="utf-8")[:3_000], encoding="utf-8")
    Path("full").mkdir()
    Path("full/diary.txt").write_text("Dear diary", encoding="utf-8")
    assert sentence in refusal("tune", *typed)


def test_refusals_of_going_on(work_folder: Path) -> None:
    """Another text, other options, and a second search in the same folder."""
    Path("play.txt").write_text(PLAY.read_text(encoding="utf-8")[:3_000], encoding="utf-8")
    succeed("tune", "play.txt", *SMALL, "--time", "1s", "--out", "search", "--quiet")
    assert "holds a search; go on" in refusal("tune", "play.txt", "--out", "search")
    assert "cell is gru, but the search to go on with has lstm" in refusal(
        "tune", "--resume", "search", "--cell", "gru"
    )
    Path("play.txt").write_text("Another text entirely.\n" * 90, encoding="utf-8")
    assert "the text is not the one that was searched on" in refusal("tune", "--resume", "search")
    assert (
        run("tune", "play.txt", *SMALL, "--time", "1s", "--out", "search", "--force").exit_code == 0
    )
