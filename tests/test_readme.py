"""The documentation is true: commands can be parsed, links resolve, nothing is outdated.

`make test-long` runs the commands and the examples.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import click
import pytest
from documented import PAGES, ROOT, without_code, written_commands

from charnn.cli.flags import CONTEXT
from charnn.cli.main import charnn
from charnn.cli.reference import page
from charnn.config import Config, read_yaml
from charnn.errors import CharnnError

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
LONGEST_README = 400  # lines
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
