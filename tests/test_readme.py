"""The documentation is true: commands and examples run, links resolve, nothing is outdated."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from documented import PAGES, ROOT, blocks, commands, without_code, written_commands

from charnn.cli.flags import CONTEXT
from charnn.cli.main import charnn
from charnn.cli.reference import page
from charnn.config import Config, read_yaml
from charnn.errors import CharnnError

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
LONGEST_README = 400  # lines
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

every_page = pytest.mark.parametrize("name", PAGES)


def anchors(text: str) -> set[str]:
    """Return what the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    """Return what a page links to, and the pictures that it shows."""
    return re.findall(r"\]\(([^)\s]+)\)", without_code(text))


def leads_somewhere(name: str, link: str) -> bool:
    """Say whether a page's link leads to a file of the project, and to a heading that is there."""
    path, _, anchor = link.partition("#")
    target = ((ROOT / name).parent / path if path else ROOT / name).resolve()
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text(encoding="utf-8"))


def broken(name: str, text: str) -> list[str]:
    """Return the links of a page that lead nowhere in the project."""
    inside = [link for link in links(text) if not link.startswith("https://")]
    return [link for link in inside if not leads_somewhere(name, link)]


def parsed(arguments: list[str]) -> None:
    """Parse a command as it would be parsed to be run. Raises what is wrong with it."""
    root = click.Context(charnn, info_name="charnn", **CONTEXT)
    name, *rest = arguments
    if "--config" in rest:
        file = rest.index("--config") + 1
        if rest[file].startswith("runs/"):  # which a command before it writes
            del rest[file - 1 : file + 1]
    if name.startswith("-"):
        return
    command = charnn.get_command(root, name)
    assert command is not None, name
    if rest and "--help" not in rest:  # a name alone is what a sentence calls a command
        with suppress(click.BadOptionUsage):  # a sentence may name an option without a value
            command.make_context(name, rest, parent=root)


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


def test_the_readme_is_short() -> None:
    """A user reads it in ten minutes."""
    assert len(PAGES["README.md"].splitlines()) <= LONGEST_README


def test_reference_is_generated() -> None:
    """`make docs` would change nothing: every flag, its help and default are as in the code."""
    assert page() == PAGES["docs/commands.md"]


@every_page
def test_links_resolve(name: str) -> None:
    """Each link leads to a file of the project, and to a heading that is there."""
    assert broken(name, PAGES[name]) == []


def test_a_broken_link_is_found() -> None:
    """The search for broken links is not blind (a test of the test)."""
    text = "[a](speed.md) [b](nowhere.md) [c](speed.md#nowhere) [d](speed.md#training) [e](../../x)"
    assert broken("docs/results.md", text) == ["nowhere.md", "speed.md#nowhere", "../../x"]


def test_every_page_is_linked_from_the_readme() -> None:
    """Nothing is written that nobody finds."""
    assert set(PAGES) - {"README.md"} <= set(links(PAGES["README.md"]))


@every_page
def test_commands_parse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command in a page's examples, sentences and tables is one that charnn understands."""
    monkeypatch.chdir(ROOT)
    for arguments in written_commands(PAGES[name]):
        parsed(arguments)


@pytest.mark.parametrize(
    "line",
    ["charnn trian x", "charnn train x --steps many", "charnn eval x", "charnn vocab --outt"],
)
def test_a_wrong_command_is_found(line: str) -> None:
    """The parsing of commands is not blind (a test of the test)."""
    (arguments,) = written_commands(f"Try `{line}`.")
    with pytest.raises((AssertionError, CharnnError, click.UsageError)):
        parsed(arguments)


def test_targets_of_make_exist() -> None:
    """Every `make ...` in the documentation is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for text in PAGES.values() for target in re.findall(r"`make ([\w-]+)", text)}
    named |= set(re.findall(r"^make ([\w-]+)", PAGES["README.md"], re.MULTILINE))
    assert "docs" in named
    assert named <= targets


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


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configurations_are_small_differences_with_reasons(path: Path) -> None:
    """Each file of configs/ is valid, differs from the defaults in all it says, and says why."""
    values = read_yaml(path)
    defaults = Config().values()
    assert values
    assert all(value != defaults[name] for name, value in values.items())
    Config.from_values(values)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum("#" in line for line in lines) >= 3


def test_every_file_of_data_has_its_origin() -> None:
    """data/README.md names each text."""
    names = [path.name for path in (ROOT / "data").glob("*.txt")]
    assert names
    assert all(f"`{name}`" in PAGES["data/README.md"] for name in names)


def test_the_play_is_written_text() -> None:
    """60 KB at least, speakers in capitals, and no line of a speech stands twice."""
    text = (ROOT / "data" / "the-tide-clock.txt").read_text(encoding="utf-8")
    assert len(text.encode()) >= 60_000
    assert len(set(re.findall(r"^([A-Z][A-Z ]+):$", text, re.MULTILINE))) >= 10
    long_lines = [line for line in text.splitlines() if len(line) > 25]
    assert len(long_lines) == len(set(long_lines))
