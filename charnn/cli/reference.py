"""The README's reference of the commands, generated from the commands themselves.

    python -m charnn.cli.reference README.md

writes it between the README's two markers.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

from charnn.cli.flags import FlagInSection
from charnn.cli.main import COMMANDS, charnn

LONG_TABLE = 400  # characters; a longer one is written once
BEGIN, END = "<!-- commands: begin (make readme) -->", "<!-- commands: end -->"


def reference() -> str:
    """Return a section for each command: its help text, and its flags as tables."""
    root = click.Context(charnn, info_name="charnn")
    parts: list[str] = []
    shown: dict[str, str] = {}  # tables by content: where each was shown first
    for name in COMMANDS:
        command = charnn.get_command(root, name)
        if command is None:
            raise KeyError(name)
        parts += section(command, click.Context(command, info_name=name, parent=root), shown)
    return "\n".join(parts)


def section(command: click.Command, context: click.Context, shown: dict[str, str]) -> list[str]:
    """Return the lines of one command's section in Markdown."""
    path = context.command_path
    first, *rest = inspect.cleandoc(command.help or "").split("\n\n")
    lines = [f"### `{path}`", "", " ".join(first.split()), ""]
    for block in rest:
        kind, *examples = block.strip().splitlines()
        if kind == "\b":
            lines += ["```sh", *(line.rstrip() for line in examples), "```", ""]
        else:
            lines += [" ".join(block.split()), ""]
    as_before: dict[str, list[str]] = {}
    for heading, table in tables(command, context).items():
        where = shown.setdefault(table, path)
        if where == path or len(table) < LONG_TABLE:
            lines += [table, ""]
        else:
            as_before.setdefault(where, []).append(heading)
    for where, headings in as_before.items():
        lines += [f"{', '.join(headings)}: the options of `{where}`.", ""]
    return lines


def tables(command: click.Command, context: click.Context) -> dict[str, str]:
    """Return a command's flags, a table under each heading."""
    rows: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, FlagInSection) and record is not None:
            flags, meaning = (cell.replace("|", "\\|").replace("<", "&lt;") for cell in record)
            rows.setdefault(parameter.section, []).append(f"| `{flags}` | {meaning} |")
    return {
        heading: "\n".join([f"| {heading} | |", "| --- | --- |", *lines])
        for heading, lines in rows.items()
    }


def inserted(readme: str) -> str:
    """Return a README with the reference between its markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(inserted(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
