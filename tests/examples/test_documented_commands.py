"""The commands and the examples of the documentation run, one page after the other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from documented import PAGES, ROOT, blocks, commands

from charnn.cli.main import charnn

TEXTS = ("shakespeare.txt", "sonnets.txt", "hello.txt", "a.txt", "b.txt")  # of the examples
NOT_RUN = {  # commands that are parsed only
    "train": "thousands of updates, but for the quick start's",
    "fetch": "a download",
    "bench": "minutes",
    "cache": "`--clear` would take what other tests use",
    "gradcheck": "seconds for all cells, which have tests of their own",
    "tune": "half an hour",
}

ELSEWHERE = (".onnx", ".pt")  # endings of files for libraries that these tests do without


def succeed(arguments: list[str]) -> None:
    """Run a command that ends with exit code 0."""
    result = CliRunner().invoke(charnn, arguments)
    assert result.exit_code == 0, (arguments, result.output)


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the README's commands on data/, one after the other; return the folder they ran in."""
    folder = tmp_path_factory.mktemp("quick-start")
    shutil.copytree(ROOT / "data", folder / "data")
    found = [
        command
        for block in blocks(PAGES["README.md"], "sh")
        for command in commands(block)
        if "tinyshakespeare" not in " ".join(command)
    ]
    assert [command[0] for command in found] == [
        *("hello", "train", "sample", "eval", "info", "gradcheck"),
        *("train", "train"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CHARNN_HIDDEN_SIZE", "32")  # for the sake of speed alone
        for arguments in found:
            succeed(arguments)
    return folder


def test_quick_start_runs(quick_start: Path) -> None:
    """The README's commands work one after the other, in a folder with data/."""
    assert {path.name for path in (quick_start / "runs").iterdir()} == {"play", "hello"}
    names = {path.name for path in (quick_start / "runs" / "play").iterdir()}
    table = re.findall(r"^\| `([\w.]+)` \|", PAGES["README.md"], re.MULTILINE)
    assert set(table) == {name for name in names if not name.startswith(".")}


def make_task_runs() -> None:
    """Make the runs of the other tasks that the examples use, and the files to try them on."""
    Path("test.tsv").write_text("Dostoevsky\tRussian\nObrien\tIrish\n" * 4, encoding="utf-8")
    tiny = ("--hidden-size", "4", "--steps", "1", "--shards", "1", "--quiet")
    for run in ("names-classify", "names-generate", "verbs-transduce"):
        task = run.partition("-")[2]
        succeed(["train", "test.tsv", "--task", task, "--out", f"runs/{run}", *tiny])
    for name in ("names.txt", "words.txt"):
        Path(name).write_text("Dostoevsky\n", encoding="utf-8")


def test_examples_of_the_reference_run(quick_start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do the examples of docs/commands.md, where texts and runs have the names they use."""
    monkeypatch.chdir(quick_start)
    monkeypatch.setattr("charnn.report.novelty_section.LENGTH", 1_000)
    monkeypatch.setattr("charnn.compression.own_model.MOST_PASSES", 2)
    play = Path("data/the-tide-clock.txt").read_text(encoding="utf-8")
    for name in TEXTS:
        Path(name).write_text(play[:5_600], encoding="utf-8")
    for cell in ("lstm", "gru"):
        shutil.copytree("runs/play", f"runs/shakespeare-{cell}")
    shutil.copy("runs/play/best.npz", "best.npz")
    shutil.copytree(ROOT / "configs", "configs")
    make_task_runs()
    succeed(["compress", "hello.txt", "--model", "runs/play", "--out", "book.cnn"])
    found = [each for block in blocks(PAGES["docs/commands.md"], "sh") for each in commands(block)]
    run = [
        arguments
        for arguments in found
        if arguments[0] not in NOT_RUN and "-" not in arguments
        if not any(argument.endswith(ELSEWHERE) for argument in arguments)
    ]
    assert {arguments[0] for arguments in run} | NOT_RUN.keys() == set(charnn.list_commands(None))
    for arguments in run:
        succeed(arguments)


def test_commands_of_the_tasks_run(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commands of docs/tasks.md work one after the other, with small models."""
    shutil.copytree(quick_start / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for name, value in {"STEPS": 4, "HIDDEN_SIZE": 8, "EMBEDDING_SIZE": 4}.items():
        monkeypatch.setenv(f"CHARNN_{name}", str(value))
    found = [each for block in blocks(PAGES["docs/tasks.md"], "sh") for each in commands(block)]
    assert {command[0] for command in found} == {"train", "predict", "eval", "sample"}
    for arguments in found:
        succeed(
            [
                str(path)
                for part in arguments
                for path in (sorted(Path().glob(part)) if "*" in part else [part])
            ]
        )


def test_commands_that_look_inside_run(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commands of docs/inside.md work one after the other, with small models and texts."""
    monkeypatch.setattr("charnn.report.novelty_section.LENGTH", 1_000)
    shutil.copytree(quick_start / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    play = Path("data/the-tide-clock.txt").read_text(encoding="utf-8")
    for name in ("end.txt", "val.txt"):
        Path(name).write_text(play[-1_600:], encoding="utf-8")
    Path("tinyshakespeare.txt").write_text(play[:9_000], encoding="utf-8")
    Path("data/the-tide-clock.txt").write_text(play[:9_000], encoding="utf-8")
    for name, value in {"STEPS": 4, "HIDDEN_SIZE": 6, "SHARDS": 1}.items():
        monkeypatch.setenv(f"CHARNN_{name}", str(value))
    found = [each for block in blocks(PAGES["docs/inside.md"], "sh") for each in commands(block)]
    assert {command[0] for command in found} == {
        *("train", "gradflow", "context", "neurons", "read", "novelty", "plot", "report", "export"),
    }
    for arguments in found:
        if arguments[0] == "train" and "lstm" in arguments:
            monkeypatch.setenv("CHARNN_HIDDEN_SIZE", "173")  # the page shows the 173rd unit
        succeed(arguments)


def test_commands_of_a_search_run(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commands of docs/tuning.md work one after the other, with small models."""
    shutil.copytree(quick_start / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for name, value in {"HIDDEN_SIZE": 8, "BATCH_SIZE": 4, "SHARDS": 1}.items():
        monkeypatch.setenv(f"CHARNN_{name}", str(value))
    found = [each for block in blocks(PAGES["docs/tuning.md"], "sh") for each in commands(block)]
    assert [command[0] for command in found] == ["tune", "tune", "train", "tune", "train"]
    for arguments in found:
        succeed(arguments)


def test_commands_that_compress_run(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commands of docs/compression.md work one after the other, and give the text back."""
    shutil.copytree(quick_start / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("charnn.compression.own_model.MOST_PASSES", 2)
    end = Path("data/the-tide-clock.txt").read_bytes()[-7_069:]
    Path("end.txt").write_bytes(end)  # as `tail` does
    for name, value in {"STEPS": 4, "HIDDEN_SIZE": 6, "SHARDS": 1}.items():
        monkeypatch.setenv(f"CHARNN_{name}", str(value))
    page = PAGES["docs/compression.md"]
    found = [each for block in blocks(page, "sh") for each in commands(block)]
    assert {command[0] for command in found} == {"train", "compress", "decompress", "info"}
    for arguments in found:
        succeed(arguments)
    assert Path("back.txt").read_bytes() == end


def test_python_examples_run(
    quick_start: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The examples of docs/python.md run as they stand and print what they say."""
    monkeypatch.chdir(quick_start)
    shown = []
    for example in blocks(PAGES["docs/python.md"], "python"):
        exec(compile(example, "docs/python.md", "exec"), {})  # noqa: S102
        shown.append(capsys.readouterr().out.splitlines())
    text, classes = shown
    assert text[0].startswith("completed")
    assert text[-1] == "True"
    assert classes[-1].startswith("new rope [('vowel', 0.9")
