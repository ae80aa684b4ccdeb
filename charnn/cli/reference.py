"""The reference of the commands, docs/commands.md, generated from the commands themselves.

python -m charnn.cli.reference docs/commands.md
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

from charnn.cli.flags import CONTEXT, FlagInSection
from charnn.cli.main import COMMANDS, charnn

LONG_TABLE = 400  # characters; a longer one is written once
INTRODUCTION = """\
# Commands

This page is generated from the commands themselves by `make docs`. `charnn COMMAND --help` prints
the same.

Every option of `charnn train` that describes the task, the model, the training or the data can be
set in four ways. Precedence: flag,
environment variable, configuration file, default.

- A flag: `--hidden-size 512`.
- An environment variable: `CHARNN_HIDDEN_SIZE=512`.
- A line of the YAML file that `--config` or `CHARNN_CONFIG` names: `hidden_size: 512`. The files in
  [configs/](../configs) contain only what differs from the defaults, each line with its reason.
- The default, shown in brackets below. Where a task has a default of its own, it follows the name
  of the task.

`charnn config` prints the values that result, and where each of them comes from.

Results are written to standard output, everything else to standard error.

| Exit code | Meaning |
| --- | --- |
| 0 | success |
| 1 | failure |
| 2 | usage or input error |
| 130 | Ctrl-C |
| 129, 143 | training was stopped by SIGHUP or SIGTERM |
"""


def page() -> str:
    """Return the whole page in Markdown."""
    root = click.Context(charnn, info_name="charnn", **CONTEXT)
    parts = [INTRODUCTION, *(contents(name, meaning) for name, meaning in COMMANDS.items()), ""]
    shown: dict[str, str] = {}  # tables by content: where each was shown first
    for name in COMMANDS:
        command = charnn.get_command(root, name)
        if command is None:
            raise KeyError(name)
        parts += section(command, click.Context(command, info_name=name, parent=root), shown)
    return "\n".join(parts)


def contents(name: str, meaning: str) -> str:
    """Return a command's line in the table of contents."""
    return f"- [`charnn {name}`](#charnn-{name}): {meaning[0].lower()}{meaning[1:]}"


def section(command: click.Command, context: click.Context, shown: dict[str, str]) -> list[str]:
    """Return the lines of one command's section in Markdown."""
    path = context.command_path
    first, *rest = inspect.cleandoc(command.help or "").split("\n\n")
    lines = [f"## `{path}`", "", " ".join(first.split()), ""]
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
        names = ", ".join(f"*{heading}*" for heading in headings)
        lines += [f"Also those of `{where}` under {names}.", ""]
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


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8", newline="\n")
