"""The group: help pages, versions, names, and how little is imported to show them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import in_words, output, refusal, run, squeezed, succeed

from charnn.cli.main import COMMANDS, charnn
from charnn.config import (
    TASKS,
    Config,
    EvaluationConfig,
    GradcheckConfig,
    MakeConfig,
    SamplingConfig,
    WalkthroughConfig,
)
from charnn.config.compression import CompressionConfig
from charnn.options import options_of
from charnn.registry import CELLS
from charnn.version import __version__

OWN = {
    "sample": SamplingConfig,
    "eval": EvaluationConfig,
    "hello": WalkthroughConfig,
    "gradcheck": GradcheckConfig,
    "make": MakeConfig,
    "compress": CompressionConfig,
}

every_command = pytest.mark.parametrize("name", COMMANDS)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python itself."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that are imported after some code has run."""
    ending = "\nimport sys; print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    answer = python("-c", code + ending)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stderr.split())


def command_of(name: str) -> click.Command:
    """Return a command."""
    command = charnn.get_command(click.Context(charnn), name)
    assert command is not None
    return command


def examples(name: str) -> list[list[str]]:
    """Return the words of each `charnn NAME ...` line of a help page that is typed as it is."""
    lines = [line.strip().rpartition("| ")[2] for line in output(name, "--help").splitlines()]
    found = [re.split(r" {2,}| > ", line)[0] for line in lines if line.startswith("charnn ")]
    return [line.split()[1:] for line in found]


@every_command
def test_both_spellings_of_help(name: str) -> None:
    """`-h` and `--help` print the same page on standard output."""
    page = output(name, "--help")
    assert page.startswith(f"Usage: charnn {name} [OPTIONS]")
    assert output(name, "-h") == page


@every_command
def test_help_opens_with_one_sentence(name: str) -> None:
    """What a command does is said in its first paragraph, in a single sentence."""
    paragraph = in_words(output(name, "--help").split("\n\n")[1])
    assert re.fullmatch(r"[A-Z][^.]*(\.[a-z][^.]*)*\.", paragraph), paragraph


@every_command
def test_help_shows_examples(name: str) -> None:
    """Each page has lines to type, and every flag in them exists."""
    lines = examples(name)
    flags = {flag for parameter in command_of(name).params for flag in parameter.opts}
    assert lines
    for words in lines:
        assert words[0] == name
        assert {word for word in words if word.startswith("--")} <= flags


@every_command
def test_help_names_the_common_flags(name: str) -> None:
    """Every command has --quiet, and --json as it gives figures."""
    page = output(name, "--help")
    assert "-q, --quiet" in page
    assert "--json" in page


@every_command
def test_help_explains_every_flag(name: str) -> None:
    """No flag stands without a word on what it does or what its default is."""
    for parameter in command_of(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_group_lists_all_commands() -> None:
    """`charnn --help` names every command, each with a sentence."""
    page = output("--help")
    assert output("-h") == page
    listed = re.findall(r"^  (\w+)  +[A-Z].*\.$", page.partition("Commands:")[2], re.MULTILINE)
    assert listed == list(COMMANDS)
    assert set(listed) == {
        *("train", "sample", "eval", "vocab", "hello", "gradcheck", "info", "config", "fetch"),
        *("make", "bench", "cache", "predict", "export", "import", "plot", "report", "read"),
        *("gradflow", "novelty", "context", "neurons", "compress", "decompress", "tune"),
    }


def test_the_group_shows_examples() -> None:
    """`charnn --help` shows lines to type, all of them commands that exist."""
    page = output("--help").partition("Options:")[0]
    typed = re.findall(r"^  charnn (\w+)", page, re.MULTILINE)
    assert len(typed) >= 3
    assert set(typed) <= set(COMMANDS)


def test_no_command_shows_the_help() -> None:
    """`charnn` alone shows the commands, and counts as wrong use."""
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stdout + result.stderr


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag: str) -> None:
    """The version is the package's."""
    assert output(flag) == f"charnn {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("trian", "train"), ("smaple", "sample"), ("gradchek", "gradcheck"), ("evaluate", "eval")],
)
def test_a_misspelt_command(typed: str, meant: str) -> None:
    """An unknown command is answered with the one that was probably meant, exit code 2."""
    result = run(typed)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"Error: No such command {typed!r}. Did you mean {meant!r}? See `charnn --help`.\n"
    )


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["eval"], "Missing argument 'CKPT'. See `charnn eval --help`."),
        (["train"], "Missing argument 'CORPUS...'; name at least one file."),
        (["hello", "--nothing"], "No such option '--nothing'. See `charnn hello --help`."),
        (["--nothing", "hello"], "No such option '--nothing'. See `charnn --help`."),
        (["sample", "a.npz", "b.npz"], "Got unexpected extra argument (b.npz)"),
    ],
)
def test_a_command_wrongly_used(typed: list[str], sentence: str) -> None:
    """A missing argument and an unknown flag end in one sentence that names the help page."""
    assert refusal(*typed).startswith(sentence)


@pytest.mark.skipif(os.name == "nt", reason="no file can have such a name there")
def test_a_refusal_cannot_steer_the_terminal() -> None:
    """Control characters of what was typed are shown as escapes."""
    with pytest.raises(click.ClickException) as failure:
        charnn.main(["info", "odd\x1b[31m.npz"], standalone_mode=False)
    assert r"odd\x1b[31m.npz" in failure.value.format_message()


def test_the_users_cache_is_left_alone(verse: Path) -> None:
    """What these tests encode stays in a cache of their own."""
    succeed("train", verse, "--steps", 1, "--batch-size", 2, "--seq-length", 8, "--out", "run")
    folder = os.environ["CHARNN_CACHE"]
    assert output("cache").startswith(folder)
    assert list(Path(folder).glob("*.ids"))


def test_a_command_unlike_all_others() -> None:
    """Nothing is suggested for a word that resembles no command."""
    result = run("xyzzy")
    assert result.exit_code == 2
    assert "No such command 'xyzzy'" in result.stderr
    assert "Did you mean" not in result.stderr


@every_command
def test_a_misspelt_flag(name: str) -> None:
    """An unknown flag is wrong use, and says so."""
    result = run(name, "--no-such-flag")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "No such option" in result.stderr
    assert "--no-such-flag" in result.stderr


@pytest.mark.parametrize("name", ["train", "config"])
@pytest.mark.parametrize("option", Config.options().values(), ids=Config.options())
def test_every_option_is_a_flag(name: str, option) -> None:
    """Each option of a run is a flag with its help, default and environment variable.

    A name that the option had is read, too, and not shown.
    """
    (parameter,) = [p for p in command_of(name).params if p.name == option.name]
    names = [each for each in (option.name, option.formerly) if each is not None]
    assert parameter.opts == ["--" + each.replace("_", "-") for each in names]
    assert parameter.envvar == [f"CHARNN_{each.upper()}" for each in names]
    page = output(name, "--help")
    words = {"None": "none", "True": "yes", "False": "no"}
    tasks: dict[str, list[str]] = {}
    for task in option.tasks or TASKS:
        value = str(option.by_task.get(task, option.default))
        value = "by cell and text" if option.by_text and task == "lm" else value
        tasks.setdefault(words.get(value, value), []).append(task)
    first, *others = tasks
    defaults = [first, *(f"{', '.join(tasks[value])}: {value}" for value in others)]
    if option.type is bool:
        assert parameter.secondary_opts == [f"--no-{option.name.replace('_', '-')}"]
    assert squeezed(f"{option.help} [{'; '.join(defaults)}]") in squeezed(page)
    assert f" --{option.name.replace('_', '-')} " in page
    if option.formerly is not None:
        assert f"--{option.formerly.replace('_', '-')}" not in page
    for choice in option.choices or ():
        assert choice in page


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name, section in OWN.items()
        for option in options_of(section).values()
        if (name, option.name) != ("make", "kind")  # which is an argument
    ],
    ids=lambda part: getattr(part, "name", part),
)
def test_every_option_of_another_command_is_a_flag(name: str, option) -> None:
    """What sample, eval, compress and others declare are flags with help and default."""
    page = output(name, "--help")
    default = "none" if option.default is None else option.default
    shown = option.help if default in (False, "") else f"{option.help} [{default}]"
    assert squeezed(shown) in squeezed(page)
    assert f" {option.flag or '--' + option.name.replace('_', '-')} " in page


def test_help_is_light() -> None:
    """The command line and all its help pages import neither NumPy nor rich nor PyYAML."""
    pages = [["--help"], *([name, "--help"] for name in COMMANDS)]
    code = (
        "from charnn.cli.main import charnn\n"
        f"for words in {pages}: charnn(words, standalone_mode=False)"
    )
    found = modules_after(code)
    assert "click" in found
    assert not found & {"numpy", "rich", "yaml", "threadpoolctl"}


def test_python_m_charnn() -> None:
    """`python -m charnn` is the command `charnn`."""
    help_page = python("-m", "charnn", "train", "--help")
    assert (help_page.returncode, help_page.stderr) == (0, "")
    assert squeezed(help_page.stdout) == squeezed(output("train", "--help"))
    wrong = python("-m", "charnn", "train", "missing.txt")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == run("train", "missing.txt").stderr


def test_ctrl_c_ends_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command ends with exit code 130, and without a traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("charnn.models.walkthrough.Walkthrough.time_steps", interrupted)
    result = run("hello")
    assert (result.exit_code, result.stderr) == (130, "")


def completions(*words: str) -> list[tuple[str, str]]:
    """Return what bash is offered for the last of some words, each with its kind."""
    typed = ("charnn", *words)
    environment = {"_CHARNN_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
    answer = subprocess.run(
        [sys.executable, "-m", "charnn"],
        env={**os.environ, **environment, "COMP_WORDS": " ".join(typed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stderr == ""
    lines = [line.split(",", 1) for line in answer.stdout.splitlines() if line]
    return [(kind, value) for kind, value in lines]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    """Each shell that click knows is given a function that completes `charnn`."""
    answer = subprocess.run(
        [sys.executable, "-m", "charnn"],
        env={**os.environ, "_CHARNN_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"_CHARNN_COMPLETE={shell}_complete" in answer.stdout


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["tr"], ["train"]),
        (["train", "--ce"], ["--cell"]),
        (["train", "--cell", ""], list(CELLS)),
        (["train", "a.txt", "--optimizer", "ada"], ["adagrad", "adam", "adamw"]),
        (["train", "--clip-norm", "n"], ["none"]),
        (["train", "--hidden-size", ""], []),
        (["gradcheck", "--cell", ""], [*CELLS, "none"]),
        (["train", "--av"], []),  # an earlier name of --ema-decay, which is not shown
        (["fetch", "t"], ["tinyshakespeare"]),
        (["make", "re"], ["reverse"]),
        (["nonsense", ""], list(COMMANDS)),
    ],
    ids=lambda part: " ".join(part) if part and part[0] in (*COMMANDS, "tr") else "",
)
def test_completion_of_words(words: list[str], values: list[str]) -> None:
    """Commands, flags and the values of flags are completed."""
    assert completions(*words) == [("plain", value) for value in values]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["train", "da"], "file"),
        (["train", "a.txt", "--config", ""], "file"),
        (["train", "a.txt", "--vocab", "v"], "file"),
        (["train", "--resume", "runs/"], "dir"),
        (["sample", "runs/"], "file"),
        (["eval", "best.npz", "te"], "file"),
        (["vocab", "da"], "file"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else part,
)
def test_completion_of_files(words: list[str], kind: str) -> None:
    """Where a file or a folder is meant, the shell completes its name."""
    assert completions(*words) == [(kind, words[-1])]
