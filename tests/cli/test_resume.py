"""Ctrl-C, and `charnn train --resume`: the rest of a run, as if it had not been interrupted."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from commands import TINY, arrays, events, refusal, run, succeed

import charnn
from charnn.cli import reporters
from charnn.cli.train import STOPPING
from charnn.training.events import Evaluation, Event, Step

EVERYTHING = ""  # the prefix of every array's name
LONG = (*TINY, "--dropout", 0.3, "--test-fraction", 0.05)


def state_of(checkpoint: Path) -> dict[str, bytes]:
    """Return weights, optimiser and recurrent states, without the text that names times."""
    found = arrays(checkpoint, EVERYTHING)
    del found["meta"]
    return found


def progress_of(checkpoint: Path) -> dict[str, object]:
    """Return what a checkpoint remembers of its run, but for the time that it took."""
    with np.load(checkpoint) as archive:
        progress = json.loads(archive["meta"].tobytes())["progress"]
    del progress["seconds"]
    return progress


def metrics_of(folder: Path) -> list[dict[str, object]]:
    """Return a run's metrics, but for the times, and what a resumed run counts anew."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        for key in ("seconds", "counted", "clipped", "gradient_norm_mean", "gradient_norm_max"):
            entry.pop(key, None)
    return entries


@contextmanager
def handlers_put_back() -> Iterator[None]:
    """Undo what an interrupted run leaves of its handlers, because its process would end."""
    before = {each: signal.getsignal(each) for each in STOPPING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def interrupted(
    monkeypatch: pytest.MonkeyPatch, *arguments: object, at: int, kind: type = Step
) -> Result:
    """Train, and press Ctrl-C when update `at` is reported."""

    def pressing(report):
        def wrapped(self: reporters.Reporter, event: Event) -> None:
            report(self, event)
            if isinstance(event, kind) and event.update == at:
                signal.raise_signal(signal.SIGINT)

        return wrapped

    with monkeypatch.context() as patch, handlers_put_back():
        for reporter in (reporters.Reporter, reporters.PlainReporter, reporters.JSONReporter):
            patch.setattr(reporter, "report", pressing(vars(reporter)["report"]))
        return run("train", *arguments)


@pytest.mark.parametrize("at", [20, 33])
def test_an_interrupted_run_ends_as_the_uninterrupted(
    at: int, verse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an evaluation or between, the resumed run ends with the uninterrupted one's state."""
    succeed("train", verse, *LONG, "--out", "whole")
    assert interrupted(monkeypatch, verse, *LONG, "--out", "parts", at=at).exit_code == 130
    assert progress_of(Path("parts/last.npz"))["update"] == at
    result = succeed("train", "--resume", "parts")
    assert f"resumed     after update {at}" in result.stderr
    for name in ("last.npz", "best.npz"):
        assert state_of(Path("parts") / name) == state_of(Path("whole") / name)
        assert progress_of(Path("parts") / name) == progress_of(Path("whole") / name)
    assert metrics_of(Path("parts")) == metrics_of(Path("whole"))


def test_interrupted_several_times(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of two layers and two epochs survives one interruption after the other."""
    options = [*LONG, "--cell", "gru", "--num-layers", 2, "--batch-size", 3, "--epochs", 2]
    del options[options.index("--steps") : options.index("--steps") + 2]
    succeed("train", verse, *options, "--seq-length", 40, "--out", "whole")
    first = [verse, *options, "--seq-length", 40, "--out", "parts"]
    assert interrupted(monkeypatch, *first, at=4).exit_code == 130
    for at in (5, 17, 21):
        assert interrupted(monkeypatch, "--resume", "parts", at=at).exit_code == 130
    succeed("train", "--resume", "parts", "--quiet")
    assert state_of(Path("parts/last.npz")) == state_of(Path("whole/last.npz"))
    assert state_of(Path("parts/best.npz")) == state_of(Path("whole/best.npz"))


def test_what_ctrl_c_shows(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C finishes the update, saves, and prints the command that resumes."""
    result = interrupted(monkeypatch, verse, *TINY, at=33)
    assert result.exit_code == 130
    assert result.stdout == ""
    assert "33 updates (interrupted)" in result.stderr
    assert result.stderr.splitlines()[-1].split() == [
        *("next", "charnn", "train", "--resume", "runs/verse-lstm")
    ]


def test_ctrl_c_before_the_first_evaluation(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a best one yet names the files that are there, and no others."""
    result = interrupted(monkeypatch, verse, *TINY, at=2)
    assert result.exit_code == 130
    (named,) = re.findall(r"^saved .*: (.+)$", result.stderr, re.MULTILINE)
    there = {entry.name for entry in Path("runs/verse-lstm").iterdir()}
    assert "last.npz" in there
    assert set(named.split(", ")) == there


def test_quiet_is_interrupted_quietly(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --quiet Ctrl-C still saves and exits 130; only the results so far are printed."""
    result = interrupted(monkeypatch, verse, *TINY, "--quiet", at=33)
    assert (result.exit_code, result.stderr) == (130, "")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["best", "time", "saved"]
    assert "33 updates (interrupted)" in result.stdout
    assert Path("runs/verse-lstm/last.npz").exists()


def test_json_tells_of_the_interruption(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the last two events are the saved state and the reason."""
    result = interrupted(monkeypatch, verse, *TINY, "--json", at=40, kind=Evaluation)
    assert (result.exit_code, result.stderr) == (130, "")
    *_, saved, finished = map(json.loads, result.stdout.splitlines())
    assert saved == {"event": "saved", "update": 40, "path": "runs/verse-lstm/last.npz"}
    assert (finished["reason"], finished["update"]) == ("interrupted", 40)


def test_the_second_ctrl_c_stops_at_once(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who presses Ctrl-C twice does not wait; no traceback appears."""

    def twice(self: reporters.Reporter, event: Event) -> None:
        if isinstance(event, Step) and event.update == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    def exit_at_once(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(reporters.PlainReporter, "report", twice)
    monkeypatch.setattr("os._exit", exit_at_once)
    monkeypatch.setattr(
        "charnn.cli.train.try_to_report", lambda report, content: report(content) is None
    )
    with handlers_put_back():
        result = run("train", verse, *TINY)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a third comes too late
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr
    assert not Path("runs/verse-lstm/last.npz").exists()


def test_the_handler_of_ctrl_c_is_put_back(verse: Path) -> None:
    """After training, Ctrl-C is Python's again."""
    before = signal.getsignal(signal.SIGINT)
    succeed("train", verse, *TINY, "--steps", 1)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_real_ctrl_c(verse: Path) -> None:
    """A process that gets SIGINT saves, exits 130, and goes on to the uninterrupted weights."""
    options = [*LONG, "--steps", 400, "--eval-every", 50]
    command = [sys.executable, "-m", "charnn", "train", verse, *options, "--out", "parts"]
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if re.search(r"\b50/400\b", line):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.stdout.read() == ""
        assert process.wait(60) == 130
    assert "Traceback" not in rest
    (command_to_type,) = re.findall(r"^next +charnn (.+)$", rest, re.MULTILINE)
    assert shlex.split(command_to_type) == ["train", "--resume", "parts"]
    assert 50 <= progress_of(Path("parts/last.npz"))["update"] < 400
    succeed(*shlex.split(command_to_type), "--quiet")
    succeed("train", verse, *options, "--out", "whole", "--quiet")
    for name in ("last.npz", "best.npz"):
        assert state_of(Path("parts") / name) == state_of(Path("whole") / name)
        assert progress_of(Path("parts") / name) == progress_of(Path("whole") / name)


@pytest.mark.parametrize(
    ("flag", "value", "own"),
    [
        ("--hidden-size", 17, 16),
        ("--cell", "gru", "lstm"),
        ("--num-layers", 2, 1),
        ("--batch-size", 5, 4),
        ("--learning-rate", 0.5, 0.04),
        ("--seed", 9, 1),
        ("--tokens", "bytes", "characters"),
    ],
)
def test_a_conflicting_option(flag: str, value: object, own: object, copied: Path) -> None:
    """Every option but the run's length must be the run's own; the error names both values."""
    sentence = refusal("train", "--resume", copied, "--steps", 90, flag, value)
    name = flag[2:].replace("-", "_")
    assert sentence.startswith(f"{name} is {value}, but the run to resume has {own};")


def test_an_option_that_agrees(copied: Path) -> None:
    """Repeating the run's own options is no conflict."""
    succeed("train", "--resume", copied, "--steps", 90, "--hidden-size", 16, "--cell", "lstm")
    assert charnn.load(copied / "last.npz").progress.update == 90


@pytest.mark.parametrize("flag", [("--out", "new"), ("--init-from", "run"), ("--force",)])
def test_flags_for_a_new_run(flag: tuple[str, ...], copied: Path) -> None:
    """What makes a new run contradicts --resume."""
    sentence = refusal("train", "--resume", copied, "--steps", 90, *flag)
    assert sentence.startswith(f"{flag[0]} is for new runs")


def test_more_steps(copied: Path, trained) -> None:
    """--steps may be raised: the run goes on after its last update, and remembers the number."""
    found = events("--resume", copied, "--steps", 90)
    assert [e["update"] for e in found if e["event"] == "step"] == list(range(61, 91))
    assert found[-1]["reason"] == "completed"
    saved = charnn.load(copied / "last.npz")
    assert saved.progress.update == 90
    assert "steps: 90\n" in (copied / "config.yaml").read_text()
    assert [row[0] for row in saved.progress.history] == [20, 40, 60, 80, 90]


def test_more_epochs(copied: Path) -> None:
    """--epochs may be given instead of the run's steps."""
    found = events("--resume", copied, "--epochs", 3)
    started = found[1]
    assert started["total"] == 3 * started["updates_per_epoch"]
    assert charnn.load(copied / "last.npz").config.training.steps is None


@pytest.mark.parametrize("given", [(), ("--steps", 60), ("--steps", 10)])
def test_nothing_is_left_to_do(given: tuple, copied: Path) -> None:
    """A finished run says that more steps are needed."""
    sentence = refusal("train", "--resume", copied, *given)
    assert "; raise --steps or --epochs " in sentence


def test_a_corpus_that_moved(copied: Path, trained) -> None:
    """The text may be named anew; another text is refused."""
    other = Path("elsewhere.txt")
    other.write_text(trained.corpus.read_text())
    succeed("train", "--resume", copied, other, "--steps", 70)
    other.write_text(trained.corpus.read_text().replace("tide", "edit"))
    assert "not the one" in refusal("train", "--resume", copied, other, "--steps", 80)


def test_a_run_from_standard_input(verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on standard input is resumed with a file, and says so."""
    text = verse.read_bytes()
    succeed("train", "-", *TINY, "--out", "piped", stdin=text)
    sentence = refusal("train", "--resume", "piped", "--steps", 90)
    assert "charnn train --resume piped FILE" in sentence
    succeed("train", "--resume", "piped", verse, "--steps", 90)
    assert charnn.load("piped/last.npz").progress.update == 90


def test_a_run_that_moved(copied: Path) -> None:
    """A run's folder may be renamed; what follows is written to where it is now."""
    moved = copied.rename("moved")
    succeed("train", "--resume", moved, "--steps", 70)
    assert charnn.load("moved/last.npz").progress.update == 70
    assert not Path("run").exists()


@pytest.mark.parametrize("name", ["missing", ".", "run/best.npz", "verse.txt"])
def test_what_is_no_run(name: str, copied: Path, verse: Path) -> None:
    """--resume wants the folder of a run."""
    sentence = refusal("train", "--resume", name, "--steps", 90)
    assert sentence.startswith(f"'{name}' is not a run folder")


def test_metrics_of_lost_updates_are_forgotten(copied: Path) -> None:
    """What a killed run recorded after its last saved state is not told twice."""
    with (copied / "metrics.jsonl").open("a") as file:
        file.write('{"event": "step", "update": 61, "loss": 0.1}\n{"event": "st')
    succeed("train", "--resume", copied, "--steps", 80)
    updates = [e["update"] for e in metrics_of(copied) if e["event"] == "evaluation"]
    assert updates == [20, 40, 60, 80]
    steps = [e["update"] for e in metrics_of(copied) if e["event"] == "step"]
    assert steps == sorted(set(steps))
    assert 61 not in steps


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["plain", "json"])
def test_a_closed_terminal_does_not_end_a_run(verse: Path, flags: list[str]) -> None:
    """When nobody reads what a run says any more, it goes on to its end all the same."""
    options = [*LONG, "--steps", 120, "--eval-every", 20, "--out", "run", *flags]
    command = [sys.executable, "-m", "charnn", "train", verse, *options]
    read, write = os.pipe()
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=write, stderr=write
    )
    os.close(write)
    os.read(read, 100)
    os.close(read)
    assert process.wait(60) == 0
    assert progress_of(Path("run/last.npz"))["update"] == 120


def test_sigterm_saves(verse: Path) -> None:
    """A process that gets SIGTERM saves and exits 143; the run can be resumed."""
    options = [*LONG, "--steps", 100_000, "--eval-every", 50, "--out", "run", "--quiet"]
    command = [sys.executable, "-m", "charnn", "train", verse, *options]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE)
    while not Path("run/last.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (143, b"")
    update = progress_of(Path("run/last.npz"))["update"]
    succeed("train", "--resume", "run", "--steps", update + 1, "--quiet")
