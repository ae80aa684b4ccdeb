"""How click sees options: declared options as flags, flags that commands share, help pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from charnn.config import Config, read_yaml
from charnn.config.tasks import TASKS
from charnn.options import Option, Section, Value, options_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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
FILE_OPTIONS = {"vocab", "val", "test"}  # declared options whose value is the name of a file
BY_TEXT = "by cell and text"  # where a default comes from that training chooses
LENGTHS = ("epochs", "steps", "time")  # options that say how long a run is
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class FlagInSection(click.Option):
    """A flag that the help page lists under the heading of its section."""

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
    """A command whose help page lists its flags by section, in the order of their declaration."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of flags, except for earlier names, which are not shown."""
        hidden = {getattr(parameter, "formerly", None) for parameter in self.get_params(ctx)}
        return [
            item for item in super().shell_complete(ctx, incomplete) if item.value not in hidden
        ]

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
    if declared.name in FILE_OPTIONS:
        return "FILE"
    if declared.name == "time":
        return "TIME"
    return {int: "N", float: "X", str: "TEXT"}[declared.type]


def complete_files(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete the names of files and folders."""
    return [completion(incomplete, "file")]


def complete_folders(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete the names of folders."""
    return [completion(incomplete, "dir")]


def completion(value: str, kind: str = "plain") -> CompletionItem:
    """Return one completion for a shell: a value, or a kind of path that the shell looks up."""
    from click.shell_completion import CompletionItem

    return CompletionItem(value, type=kind)


def declared_flag(
    declared: Option, section: str, environment: bool
) -> Callable[[Command], Command]:
    """Return the decorator that adds an option's flag to a command."""

    def parse(_ctx: click.Context, _parameter: click.Parameter, value: object) -> Value:
        return declared.parse(value)

    if declared.type is bool:
        name = flag_name(declared)
        if not environment:
            return flag(name, declared.name, section=section, is_flag=True, help=declared.help)
        return flag(
            f"{name}/{as_flag('no_' + declared.name)}",
            declared.name,
            section=section,
            default=declared.default,
            help=f"{declared.help}  [{defaults_of(declared)}]",
            envvar=[f"CHARNN_{declared.name.upper()}"],
        )

    def complete(
        ctx: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        if declared.name in FILE_OPTIONS:
            return complete_files(ctx, parameter, incomplete)
        values = [*(declared.choices or ()), *(["none"] if declared.optional else [])]
        return [completion(value) for value in values if value.startswith(incomplete)]

    bracket = "" if declared.default == "" else f"  [{defaults_of(declared)}]"
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
        shell_complete=complete,
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
    """Add the flags of a section's options to a command, or only those of the options named."""
    options = options_of(section)
    chosen = list(options) if names is None else list(names)

    def decorate(command: Command) -> Command:
        for name in reversed(chosen):
            own = only_for(options[name]) or heading
            command = declared_flag(options[name], own, environment)(command)
        return command

    return decorate


def defaults_of(declared: Option) -> str:
    """Return an option's default, and those of tasks that differ, for people to read."""
    words = {None: "none", True: "yes", False: "no"}
    tasks: dict[str, list[str]] = {}  # by their default
    for task in declared.tasks or TASKS:
        value = declared.default_for(task)
        shown = words[value] if value is None or isinstance(value, bool) else f"{value}"
        if declared.follows(task):
            shown = BY_TEXT
        tasks.setdefault(shown, []).append(task)
    first, *others = tasks
    return "; ".join([first, *(f"{', '.join(tasks[shown])}: {shown}" for shown in others)])


def only_for(declared: Option) -> str | None:
    """Return the heading of options that are not for all tasks, as this one is not, or None."""
    if declared.tasks is None:
        return None
    *others, last = declared.tasks
    return f"Only with --task {', '.join(others)}{' or ' if others else ''}{last}"


def flag(*names: str, section: str = "Output", **kwargs: Any) -> Callable[[Command], Command]:
    """Add a flag that belongs to one command only."""
    return click.option(*names, cls=FlagInSection, section=section, **kwargs)


def output_flags(json: bool = True) -> Callable[[Command], Command]:
    """Add `--quiet` and, unless `json` is False, `--json` to a command."""

    def decorate(command: Command) -> Command:
        if json:
            command = flag("--json", "as_json", is_flag=True, help="Print JSON.")(command)
        return flag("--quiet", "-q", is_flag=True, help="Print results and errors only.")(command)

    return decorate


def given(ctx: click.Context, names: Iterable[str]) -> dict[str, int]:
    """Return the options among `names` that the user set, each with the rank of its source."""
    ranks = {
        name: RANKS[ctx.get_parameter_source(name) or ParameterSource.DEFAULT] for name in names
    }
    return {name: rank for name, rank in ranks.items() if rank}


def source_of(ctx: click.Context, name: str) -> str:
    """Return the name of the source of an option's value, for people to read."""
    return SOURCES.get(ctx.get_parameter_source(name) or ParameterSource.DEFAULT, "default")


def read_config_file(
    ctx: click.Context,
    parameter: click.Parameter,  # noqa: ARG001
    path: str | None,
) -> str | None:
    """Use the values of a YAML file as the command's defaults."""
    if path is not None:
        values = read_yaml(Path(path))
        ctx.default_map = {
            name: "none" if value is None else value for name, value in values.items()
        }
    return path


def config_flags(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Add `--config` and a flag for each option of a training run, but for some."""

    def decorate(command: Command) -> Command:
        for name, section in reversed(Config.sections().items()):
            names = [option for option in options_of(section) if option not in without]
            command = declared_flags(section, name.capitalize(), names)(command)
        return config_file(command)

    return decorate


def config_file(command: Command) -> Command:
    """Add `--config`."""
    return flag(
        "--config",
        "config_file",
        section="Run",
        metavar="FILE.yaml",
        is_eager=True,
        expose_value=False,
        callback=read_config_file,
        shell_complete=complete_files,
        envvar="CHARNN_CONFIG",
        help="Read options from a file; flags and CHARNN_* variables take precedence.",
    )(command)


def given_values(ctx: click.Context) -> dict[str, Value]:
    """Return the configuration options that the user set, from whatever source.

    Of `--epochs`, `--steps` and `--time`, those that are set count whose source takes precedence.
    """
    ranks = given(ctx, Config.options())
    lengths = [name for name in LENGTHS if ctx.params.get(name) is not None]
    first = max((ranks.get(name, 0) for name in lengths), default=0)
    for name in lengths:
        if ranks.get(name, 0) < first:
            ranks.pop(name, None)
    return {name: ctx.params[name] for name in ranks}
