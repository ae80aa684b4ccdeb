"""click's side of `charnn.options`: declared options become flags; shared flags; help pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from charnn.config import Config, read_yaml
from charnn.errors import CharnnError
from charnn.options import Option, Section, Value, options_of

Command = TypeVar("Command", bound=Callable[..., Any])

RANKS = {
    ParameterSource.COMMANDLINE: 3,
    ParameterSource.PROMPT: 3,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.DEFAULT_MAP: 1,
    ParameterSource.DEFAULT: 0,
}
SOURCES = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "config file",
}
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Failure(click.ClickException):
    """A `CharnnError` on its way out: its sentence on standard error, and its exit code."""

    def __init__(self, error: CharnnError) -> None:
        from charnn.cli.console import visible

        super().__init__(visible(str(error)))
        self.__dict__["exit_code"] = error.exit_code


class FlagInSection(click.Option):
    """A flag that is listed under a heading of the help page."""

    def __init__(
        self, *args: Any, section: str = "Options", formerly: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.section = section
        self.formerly = formerly  # a name that is still read, but not shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its help."""
        record = super().get_help_record(ctx)
        if record is None or self.formerly is None:
            return record
        return record[0].replace(f", {self.formerly}", ""), record[1]


class SectionedCommand(click.Command):
    """A command whose help page lists flags under headings, in the order of their declaration."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                section = getattr(parameter, "section", "Options")
                sections.setdefault(section, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def flag_name(declared: Option) -> str:
    """Return an option's flag: `--hidden-size`."""
    return declared.flag or as_flag(declared.name)


def as_flag(name: str) -> str:
    """Return a name as a flag."""
    return "--" + name.replace("_", "-")


def metavar(declared: Option) -> str:
    """Return what a help page shows as an option's value."""
    if declared.choices is not None:
        return "|".join(declared.choices)
    return {int: "N", float: "X", str: "TEXT"}[declared.type]


def declared_flag(
    declared: Option, section: str, environment: bool
) -> Callable[[Command], Command]:
    """Return the decorator that adds an option's flag to a command."""

    def parse(_ctx: click.Context, _parameter: click.Parameter, value: object) -> Value:
        return declared.parse(value)

    if declared.type is bool:
        return flag(
            flag_name(declared), declared.name, section=section, is_flag=True, help=declared.help
        )
    default = "none" if declared.default is None else declared.default
    bracket = "" if default == "" else f"  [{default}]"
    names = [name for name in (declared.name, declared.formerly) if name is not None]
    formerly = as_flag(declared.formerly) if declared.formerly else None
    return click.option(
        flag_name(declared),
        *([formerly] if formerly else []),
        declared.name,
        formerly=formerly,
        cls=FlagInSection,
        section=section,
        type=click.UNPROCESSED,
        callback=parse,
        metavar=metavar(declared),
        default=declared.default,
        help=declared.help + bracket,
        envvar=[f"CHARNN_{name.upper()}" for name in names] if environment else None,
    )


def declared_flags(
    section: type[Section],
    heading: str,
    names: Iterable[str] | None = None,
    environment: bool = True,
) -> Callable[[Command], Command]:
    """Add the flags of a section's options, or of those named, to a command."""
    options = options_of(section)
    chosen = list(options) if names is None else list(names)

    def decorate(command: Command) -> Command:
        for name in reversed(chosen):
            command = declared_flag(options[name], heading, environment)(command)
        return command

    return decorate


def flag(*names: str, section: str = "Output", **kwargs: Any) -> Callable[[Command], Command]:
    """Add a flag of the command's own."""
    return click.option(*names, cls=FlagInSection, section=section, **kwargs)


def output_flags(json: bool = True) -> Callable[[Command], Command]:
    """Add `--quiet`, and `--json` to a command that gives figures."""

    def decorate(command: Command) -> Command:
        if json:
            command = flag("--json", "as_json", is_flag=True, help="Print JSON.")(command)
        return flag("--quiet", "-q", is_flag=True, help="Print results and errors only.")(command)

    return decorate


def given(ctx: click.Context, names: Iterable[str]) -> dict[str, int]:
    """Return those of `names` that the user set, each with the rank of its source."""
    ranks = {
        name: RANKS[ctx.get_parameter_source(name) or ParameterSource.DEFAULT] for name in names
    }
    return {name: rank for name, rank in ranks.items() if rank}


def source_of(ctx: click.Context, name: str) -> str:
    """Return in words where an option's value comes from."""
    return SOURCES.get(ctx.get_parameter_source(name) or ParameterSource.DEFAULT, "default")


def read_config_file(
    ctx: click.Context,
    parameter: click.Parameter,  # noqa: ARG001
    path: str | None,
) -> str | None:
    """Make a YAML file's values the command's defaults."""
    if path is not None:
        values = read_yaml(Path(path))
        ctx.default_map = {
            name: "none" if value is None else value for name, value in values.items()
        }
    return path


def config_flags(command: Command) -> Command:
    """Add `--config` and a flag for each option of a training run."""
    headings = {"model": "Model", "training": "Training", "data": "Data"}
    for name, section in reversed(Config.sections().items()):
        command = declared_flags(section, headings[name])(command)
    return flag(
        "--config",
        "config_file",
        section="Run",
        metavar="FILE.yaml",
        is_eager=True,
        expose_value=False,
        callback=read_config_file,
        envvar="CHARNN_CONFIG",
        help="Options from a file; flags and CHARNN_* variables go before it.",
    )(command)


def given_values(ctx: click.Context) -> dict[str, Value]:
    """Return the configuration options that the user set, by whatever means.

    Of `--epochs` and `--steps` the one from the stronger source counts.
    """
    ranks = given(ctx, Config.options())
    both = ctx.params["epochs"] is not None and ctx.params["steps"] is not None
    if both and ranks["epochs"] != ranks["steps"]:
        del ranks["steps" if ranks["epochs"] > ranks["steps"] else "epochs"]
    return {name: ctx.params[name] for name in ranks}
