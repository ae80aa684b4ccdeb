"""`charnn config`."""

from __future__ import annotations

from typing import Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    config_flags,
    given_values,
    output_flags,
    source_of,
)
from charnn.config import Config, to_yaml


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
    default. The output is itself a configuration file for --config.
    """
    from charnn.cli.console import show_json

    chosen = given_values(ctx)
    values = Config.from_values(chosen).own_values()
    sources = {name: source_of(ctx, name) if name in chosen else "default" for name in values}
    if as_json:
        show_json({name: {"value": values[name], "source": sources[name]} for name in values})
    else:
        click.echo(to_yaml(values, {} if quiet else sources), nl=False)
