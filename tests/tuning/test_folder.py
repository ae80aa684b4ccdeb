"""A search's folder: what is read back, damage, and whose folder it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from invented import CANDIDATES, PLAN, invented, outcome

from charnn.config import Config, read_yaml
from charnn.errors import RunError
from charnn.training.time_budget import Pace
from charnn.tuning.best import best_yaml, compared
from charnn.tuning.folder import SEARCH, TRIALS, Record, SearchFolder
from charnn.tuning.picture import trials_picture
from charnn.tuning.search import Result

START = Config.from_values({"cell": "gru", "learning_rate": 0.01, "tokens": "bytes"})
RECORD = Record(["a.txt"], "abc", START, Pace(0.1, 2.0), PLAN, [dict(each) for each in CANDIDATES])
RESULTS = [Result(0, n, 3.5, outcome(1.0 + n if n != 2 else None)) for n in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SearchFolder]:
    """Make a folder with a search of four results, and let it go."""
    made = SearchFolder(tmp_path / "search")
    made.create(RECORD, force=False)
    for result in RESULTS:
        made.add(result, RECORD)
    yield made
    made.release()


def test_everything_is_read_back(folder: SearchFolder) -> None:
    """What the search is of, and its results."""
    assert folder.read() == RECORD
    assert folder.results(RECORD) == RESULTS


def test_lines_are_json(folder: SearchFolder) -> None:
    """Each result is a line that other programs read, with the values of its configuration."""
    lines = (folder.path / TRIALS).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    first = json.loads(lines[1])
    assert first["values"] == CANDIDATES[1]
    assert (first["trial"], first["loss"], first["failure"]) == (1, 2.0, None)


@pytest.mark.parametrize("kept", [0, 1, 40, 120, -2])
def test_a_damaged_last_line_is_cut_off(folder: SearchFolder, kept: int) -> None:
    """A killed process leaves a piece of a line; the next line then starts on a line of its own."""
    path = folder.path / TRIALS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:kept], encoding="utf-8")
    assert folder.results(RECORD) == RESULTS[:3]
    folder.add(RESULTS[3], RECORD)
    assert folder.results(RECORD) == RESULTS


def test_a_line_without_its_line_feed_is_whole(folder: SearchFolder) -> None:
    """It is read, and ended."""
    path = folder.path / TRIALS
    path.write_text(path.read_text(encoding="utf-8")[:-1], encoding="utf-8")
    assert folder.results(RECORD) == RESULTS
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize(
    "change",
    [
        {"rung": 9},
        {"rung": -1},
        {"trial": 99},
        {"trial": "1"},
        {"planned": 0.0},
        {"seconds": None},
        {"steps": 1.5},
        {"loss": "low"},
        {"loss": None},
        {"values": {"learning_rate": 0.5}},
        {"failure": 3},
    ],
    ids=str,
)
def test_a_line_that_says_nonsense_is_left_out(folder: SearchFolder, change: dict) -> None:
    """Its run is made again; the lines around it count."""
    path = folder.path / TRIALS
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path.write_text("\n".join([*lines, lines[0], "[]", "null", ""]), encoding="utf-8")
    assert folder.results(RECORD) == [RESULTS[0], *RESULTS[2:]]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"plan": 3}', "\x00"])
def test_a_damaged_description(folder: SearchFolder, text: str) -> None:
    """It is refused in a sentence."""
    (folder.path / SEARCH).write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"is damaged; start a new search"):
        folder.read()


def test_no_search(tmp_path: Path) -> None:
    """A folder of something else is none to go on with."""
    with pytest.raises(RunError, match=r"is no folder of a search.*give the folder that"):
        SearchFolder(tmp_path).read()


def test_whose_folder_it_is(folder: SearchFolder, tmp_path: Path) -> None:
    """A search is replaced only by force, and what is none never."""
    with pytest.raises(RunError, match="holds a search; go on with it by --resume"):
        SearchFolder(folder.path).check_free(force=False)
    folder.create(RECORD, force=True)
    assert folder.results(RECORD) == []
    (folder.path / "diary.txt").write_text("Dear diary", encoding="utf-8")
    with pytest.raises(RunError, match="holds files of something else"):
        folder.check_free(force=True)
    with pytest.raises(RunError, match="is a file"):
        SearchFolder(folder.path / "diary.txt").check_free(force=True)


def test_one_process_at_a_time(folder: SearchFolder) -> None:
    """A second search in the same folder is refused until the first one has ended."""
    other = SearchFolder(folder.path)
    with pytest.raises(RunError, match="is in use by another process"):
        other.take()
    folder.release()
    other.take()
    other.release()


def test_the_file_to_train_with() -> None:
    """It holds what differs from the defaults, with reasons, and the length of the training."""
    search, _ = invented((1.5, 1.9, 1.2, 1.8, 1.1, 1.7, 1.6, 1.4))
    list(search.run())
    best = search.best()
    assert best is not None
    text = best_yaml(search, best, RECORD, "byte")
    assert "charnn train a.txt --config best.yaml" in text
    assert "1.1000 nats/byte, and 1.5000 where the search started" in text
    assert "# tuned; the search started from 0.01" in text
    lines = text.splitlines()
    assert len(lines) == 3 + 9
    assert all("#" in line for line in lines)


def test_a_start_that_was_trained_longer() -> None:
    """The sentence of the file says so."""
    results = [Result(0, 0, 8.0, outcome(1.5)), Result(0, 1, 6.0, outcome(1.25))]
    search, _ = invented((1.5, 1.25), results=results)
    text = compared(search, results[1], "byte")
    assert text == (
        "Validation loss after 6 s: 1.2500 nats/byte, "
        "and 1.5000 after 8 s where the search started."
    )


def test_the_file_is_read_as_written(tmp_path: Path) -> None:
    """`charnn train --config` gets exactly the configuration that was measured."""
    search, _ = invented((1.5, 1.9, 1.2, 1.8, 1.1, 1.7, 1.6, 1.4))
    list(search.run())
    best = search.best()
    assert best is not None
    path = tmp_path / "best.yaml"
    path.write_text(best_yaml(search, best, RECORD, "byte"), encoding="utf-8")
    read = Config.from_values(read_yaml(path))
    assert read == START.replace(**CANDIDATES[4], steps=best.outcome.steps)


def test_a_task_is_written_with_its_own_defaults(tmp_path: Path) -> None:
    """Of a classifier the task is said, and its defaults are not."""
    search, _ = invented((1.5, 1.9, 1.2, 1.8, 1.1, 1.7, 1.6, 1.4))
    list(search.run())
    best = search.best()
    assert best is not None
    start = Config.from_values({"task": "classify"}).replace(epochs=None, steps=None)
    record = Record(["a.tsv"], "abc", start, Pace(0.1), PLAN, RECORD.candidates)
    path = tmp_path / "best.yaml"
    path.write_text(best_yaml(search, best, record, "example"), encoding="utf-8")
    values = read_yaml(path)
    assert values.keys() == {"task", "learning_rate", "steps"}
    assert Config.from_values(values) == start.replace(**CANDIDATES[4], steps=values["steps"])


def test_the_picture() -> None:
    """A line for what ended on each rung, one for the start, one for the best; no more points."""
    search, _ = invented((1.5, 1.9, 1.2, None, 1.1, 9.0, 1.6, 1.4))
    list(search.run())
    picture = trials_picture(search, "char")
    for name in ("the start", "the best", "up to"):
        assert name in picture
    assert "Successive halving of 8 configurations" in picture
    assert "2 are not shown" in picture  # 9.0 is far above 1.1, and one diverged


def test_the_picture_of_one_result() -> None:
    """Of a search that was interrupted at once there is a picture, too."""
    search, _ = invented((1.5,) * 8, results=[Result(0, 0, 3.5, outcome(1.5))])
    assert "the start" in trials_picture(search, "char")
    failed, _ = invented((1.5,) * 8, results=[Result(0, 0, 3.5, outcome(None))])
    assert "no data" in trials_picture(failed, "char")
