"""`charnn config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from charnn.cli.flags import (
    BY_TEXT,
    LENGTHS,
    SectionedCommand,
    config_flags,
    given_values,
    output_flags,
    source_of,
)
from charnn.config import Config, to_yaml
from charnn.options import Value


@click.command("config", cls=SectionedCommand)
@config_flags()
@output_flags()
@click.pass_context
def command(ctx: click.Context, /, quiet: bool, as_json: bool, **_: Any) -> None:
    """Print the configuration that `charnn train` would use, as YAML, each value with its source.

    \b
    charnn config
    charnn config --config configs/tinyshakespeare.yaml --cell gru
    charnn config --task transduce
    charnn config --hidden-size 512 > my.yaml

    Precedence: flag, environment variable (such as CHARNN_HIDDEN_SIZE=512), configuration file,
    default. The output is itself a configuration file for --config. What follows from the cell and
    the text is chosen when training begins, so it is a comment here.
    """
    from charnn.cli.console import show_json

    chosen = given_values(ctx)
    values = Config.from_values(chosen).own_values()
    sources = {name: source_of(ctx, name) if name in chosen else "default" for name in values}
    for name in chosen_in_training(values) - chosen.keys():
        values[name], sources[name] = None, BY_TEXT
    if as_json:
        show_json({name: {"value": values[name], "source": sources[name]} for name in values})
        return
    for name, value in values.items():
        if sources[name] != BY_TEXT:
            click.echo(to_yaml({name: value}, {} if quiet else sources), nl=False)
        elif not quiet:
            click.echo(f"# {name}: {BY_TEXT}")


def chosen_in_training(values: Mapping[str, Value]) -> set[str]:
    """Return the options whose defaults follow from the text: of a task, and not said otherwise."""
    task, known = str(values["task"]), Config.options()
    said = any(values[name] is not None for name in LENGTHS)
    names = {name for name in values if known[name].follows(task)}
    return names - {*LENGTHS} if said else names
