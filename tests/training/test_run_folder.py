"""A run's folder: what it refuses, what it writes, and what it never deletes."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_runs import content, small_config

from charnn.config import Config, read_yaml
from charnn.errors import RunError
from charnn.training import run_folder as run_folder_module
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS
from charnn.training.events import Evaluation, Finished, RolledBack, Saved, Started, Step
from charnn.training.run_folder import CONFIG, FILES, METRICS, RunFolder, recorded_by


def step(update: int) -> Step:
    """Return the event of an update."""
    return Step(update, 0.5, 2.0, 2.5, 0.1, 0.01, 30, 1.0)


def evaluation(update: int, val_loss: float | None = 2.0) -> Evaluation:
    """Return the event of an evaluation."""
    return Evaluation(update, 0.5, 2.5, val_loss, 2.0, True, 0.01, 1.0)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Return the recorded metrics, each line read as JSON."""
    text = (folder / METRICS).read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def refusal(folder: RunFolder, force: bool = False) -> str:
    """Return the sentence with which a folder is refused, checked or created."""
    with pytest.raises(RunError) as caught:
        folder.check_free(force)
    with pytest.raises(RunError) as again:
        folder.create(Config(), force)
    assert str(again.value) == str(caught.value)
    assert f"'{folder.path}'" in str(caught.value)
    return str(caught.value)


def test_a_new_folder_is_made_with_its_configuration(tmp_path: Path) -> None:
    """Folders on the way are made; config.yaml can be given to --config again."""
    folder = RunFolder(tmp_path / "runs" / "a")
    folder.check_free(force=False)
    assert not folder.path.exists()
    config = small_config(cell="gru", epochs=2.5, steps=None, vocab="v.json")
    folder.create(config)
    folder.release()
    assert [entry.name for entry in folder.path.iterdir()] == [CONFIG]
    assert Config.from_values(read_yaml(folder.path / CONFIG)) == config
    assert yaml.safe_load((folder.path / CONFIG).read_text())["cell"] == "gru"


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    """A folder that was made beforehand is used."""
    folder = RunFolder(tmp_path)
    folder.check_free(force=False)
    folder.create(Config())
    assert folder.has(CONFIG)
    assert not folder.has(LAST)


def test_an_existing_run_is_refused_with_three_ways_out(run_copy: Path) -> None:
    """The error names --resume, --force and --out; nothing is touched."""
    before = {entry.name: entry.read_bytes() for entry in run_copy.iterdir()}
    assert refusal(RunFolder(run_copy)) == (
        f"run folder '{run_copy}' exists; go on with --resume {run_copy}, replace it "
        "with --force, or choose another with --out."
    )
    assert {entry.name: entry.read_bytes() for entry in run_copy.iterdir()} == before


def test_force_replaces_a_run(run_copy: Path) -> None:
    """With force, the old run's files go, all of them, and a new configuration comes."""
    assert {entry.name for entry in run_copy.iterdir()} == {*FILES, PREVIOUS}
    folder = RunFolder(run_copy)
    folder.check_free(force=True)
    assert folder.has(LAST)
    folder.create(small_config(seed=9), force=True)
    folder.release()
    assert [entry.name for entry in run_copy.iterdir()] == [CONFIG]
    assert read_yaml(run_copy / CONFIG)["seed"] == 9


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("foreign", ["notes.txt", ".hidden", "last.npz.bak", "sub"])
def test_foreign_files_are_never_deleted(run_copy: Path, foreign: str, force: bool) -> None:
    """A folder with anything else in it is refused, force or not, and left as it is."""
    if foreign == "sub":
        (run_copy / foreign).mkdir()
    else:
        (run_copy / foreign).write_text("mine")
    before = sorted(entry.name for entry in run_copy.iterdir())
    message = refusal(RunFolder(run_copy), force)
    assert message == (
        f"folder '{run_copy}' holds other files ({foreign}); choose another with --out."
    )
    assert sorted(entry.name for entry in run_copy.iterdir()) == before


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder(tmp_path: Path, force: bool) -> None:
    """A file in the folder's place is refused and kept."""
    path = tmp_path / "run"
    path.write_text("mine")
    message = refusal(RunFolder(path), force)
    assert message == f"run folder '{path}' is a file; choose another with --out."
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A folder under a file cannot exist; the system's reason is given, and what to do."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError) as caught:
        RunFolder(tmp_path / "file" / "run").create(Config())
    assert str(caught.value) == (
        f"run folder '{tmp_path}/file/run' cannot be written (Not a directory); check its rights "
        "and the free space, or choose another with --out."
    )


def test_a_folder_whose_name_the_system_refuses_is_an_error(tmp_path: Path) -> None:
    """A name that is too long is a RunError like any other."""
    path = tmp_path / ("a" * 300)
    with pytest.raises(RunError) as caught:
        RunFolder(path).check_free(force=False)
    assert str(path) in str(caught.value)


def test_what_cannot_be_written_is_an_error(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a RunError from every method that writes; the old checkpoint stays."""
    folder = RunFolder(run_copy)
    checkpoint = load_checkpoint(run_copy / BEST)
    last = content(load_checkpoint(run_copy / LAST))

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder_module, "save_checkpoint", fail)
    monkeypatch.setattr(run_folder_module, "write_text", fail)
    monkeypatch.setattr(Path, "open", fail)
    actions = [
        lambda: folder.save(LAST, checkpoint),
        lambda: folder.write_config(Config()),
        lambda: folder.record(evaluation(1)),
        lambda: folder.forget_after(3),
    ]
    messages = set()
    for action in actions:
        with pytest.raises(RunError) as caught:
            action()
        messages.add(str(caught.value))
    monkeypatch.undo()
    (message,) = messages
    assert message == (
        f"run folder '{run_copy}' cannot be written (No space left on device); check its rights "
        "and the free space, or choose another with --out."
    )
    assert content(load_checkpoint(run_copy / LAST)) == last


def test_a_checkpoint_is_saved_under_its_name(run_copy: Path, tmp_path: Path) -> None:
    """`save` returns the path that it wrote."""
    folder = RunFolder(tmp_path / "new")
    folder.create(Config())
    checkpoint = load_checkpoint(run_copy / LAST)
    assert folder.save(LAST, checkpoint) == tmp_path / "new" / LAST
    assert folder.has(LAST)
    assert not folder.has(BEST)
    assert content(load_checkpoint(tmp_path / "new" / LAST)) == content(checkpoint)


def test_evaluations_and_every_twentieth_step_are_recorded(tmp_path: Path) -> None:
    """Metrics are JSON lines with the event's name and all its fields."""
    folder = RunFolder(tmp_path)
    folder.record(Started(0, 100, 10, 3, 10))
    for update in range(1, 62):
        folder.record(step(update))
    folder.record(evaluation(61, None))
    folder.record(Saved(61, tmp_path / LAST))
    folder.record(RolledBack(62, 61, "the loss is nan", 0.5))
    folder.record(Finished(61, "completed", 2.0, 2.0, 61, None, 1.0))
    lines = lines_of(tmp_path)
    assert [(line["event"], line["update"]) for line in lines] == [
        ("step", 20),
        ("step", 40),
        ("step", 60),
        ("evaluation", 61),
        ("rolledback", 61),
    ]
    assert lines[0]["loss"] == 2.0
    assert lines[3]["val_loss"] is None
    assert lines[4]["reason"] == "the loss is nan"


def test_forgetting_cuts_what_came_later(tmp_path: Path) -> None:
    """Lines up to the update stay as they are, later ones go."""
    folder = RunFolder(tmp_path)
    for update in (20, 40, 60, 80):
        folder.record(step(update))
    before = (tmp_path / METRICS).read_text().splitlines()
    folder.forget_after(60)
    assert (tmp_path / METRICS).read_text().splitlines() == before[:3]
    folder.forget_after(59)
    assert [line["update"] for line in lines_of(tmp_path)] == [20, 40]
    folder.forget_after(0)
    assert lines_of(tmp_path) == []


def test_forgetting_without_metrics_does_nothing(tmp_path: Path) -> None:
    """A run that recorded nothing yet has nothing to forget."""
    RunFolder(tmp_path).forget_after(5)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_forgotten(tmp_path: Path) -> None:
    """After a kill in the middle of a line, all that is whole remains, and more can follow."""
    folder = RunFolder(tmp_path)
    for update in (20, 40, 60):
        folder.record(step(update))
    whole = (tmp_path / METRICS).read_bytes()
    border = whole.rindex(b"\n", 0, -1) + 1
    for length in (border, border + 1, *range(border + 10, len(whole) - 1, 13), len(whole) - 2):
        (tmp_path / METRICS).write_bytes(whole[:length])
        folder.forget_after(60)
        assert [line["update"] for line in lines_of(tmp_path)] == [20, 40]
    folder.record(step(60))
    assert (tmp_path / METRICS).read_bytes() == whole


def test_a_line_that_lacks_only_its_end_does_not_spoil_the_next(tmp_path: Path) -> None:
    """After a kill just before a line feed, the next line is a line of its own."""
    folder = RunFolder(tmp_path)
    for update in (20, 40):
        folder.record(step(update))
    whole = (tmp_path / METRICS).read_bytes()
    (tmp_path / METRICS).write_bytes(whole[:-1])
    folder.forget_after(40)
    folder.record(step(60))
    updates = [line["update"] for line in lines_of(tmp_path)]
    assert updates[0] == 20
    assert updates[-1] == 60


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('{"update": 7}\n', True),
        ('{"update": 8}\n', False),
        ('{"update": 0, "event": "step"}', True),
        ('{"event": "step"}\n', False),
        ('{"update": 7', False),
        ("", False),
        ("\n", False),
        ("[7]\n", False),
        ("7\n", False),
        ("null", False),
    ],
)
def test_a_line_counts_by_its_update(line: str, kept: bool) -> None:
    """Whole objects with an update up to the given one are kept, and nothing else."""
    assert recorded_by(line, 7) is kept


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """Another process cannot take what this one holds, until it is released."""
    folder = RunFolder(tmp_path / "run")
    folder.create(small_config())
    program = (
        "import sys\nfrom pathlib import Path\nfrom charnn.training.run_folder import RunFolder\n"
        "try:\n    RunFolder(Path(sys.argv[1])).take()\n"
        "except Exception as error:\n    print(error)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", program, str(folder.path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "is in use by another process; wait for its end" in other()
    folder.take()  # what this process holds already
    folder.release()
    assert other() == ""


def test_leftovers_of_a_killed_process_are_cleared_away(run_copy: Path) -> None:
    """Temporary files do not make a folder foreign, and go when the folder is taken."""
    left = run_copy / ".last.npz.abc123.tmp"
    left.write_bytes(b"half")
    RunFolder(run_copy).check_free(force=True)
    folder = RunFolder(run_copy)
    folder.take()
    folder.release()
    assert not left.exists()


def test_the_last_checkpoint_keeps_its_predecessor(run_copy: Path) -> None:
    """Saving moves last.npz to previous.npz; best.npz has none."""
    folder = RunFolder(run_copy)
    before = (run_copy / LAST).read_bytes()
    checkpoint = load_checkpoint(run_copy / LAST)
    folder.save(LAST, checkpoint)
    assert (run_copy / PREVIOUS).read_bytes() == before
    folder.save(BEST, checkpoint)
    assert (run_copy / PREVIOUS).read_bytes() == before


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_the_checkpoint_before_the_last_stands_in(run_copy: Path, damage: str) -> None:
    """Where last.npz is not there or cannot be read, the one before is loaded, and said so."""
    earlier = load_checkpoint(run_copy / PREVIOUS).progress.update
    if damage == "missing":
        (run_copy / LAST).unlink()
    else:
        (run_copy / LAST).write_bytes((run_copy / LAST).read_bytes()[:-9])
    checkpoint, note = RunFolder(run_copy).load_last()
    assert checkpoint.progress.update == earlier
    assert f"goes on from the one before, of update {earlier}." in str(note)


def test_a_line_that_cannot_be_written_comes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk tears no line of the metrics and loses none."""
    folder = RunFolder(tmp_path)
    folder.record(evaluation(5))
    whole = (tmp_path / METRICS).read_bytes()
    monkeypatch.setattr(run_folder_module, "append", broken)
    with pytest.raises(RunError, match="No space left"):
        folder.record(evaluation(5))
    monkeypatch.undo()
    assert (tmp_path / METRICS).read_bytes() == whole
    folder.record(evaluation(5))
    assert (tmp_path / METRICS).read_bytes() == 3 * whole


def broken(path: Path, content: bytes) -> None:
    """Be a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")
