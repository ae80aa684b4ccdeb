"""The command `charnn`."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

import click

from charnn.cli.failures import Failure, failure
from charnn.cli.flags import CONTEXT
from charnn.errors import CharnnError, InputError
from charnn.version import __version__

COMMANDS = {
    "train": "Train a model on a text or on examples.",
    "tune": "Search for options to train with.",
    "sample": "Sample text, or lines of a class, from a model.",
    "predict": "Predict classes, tags or sequences with a model.",
    "eval": "Score texts or examples with a model.",
    "info": "Show what a checkpoint or a compressed file holds.",
    "gradflow": "Show how far gradients reach back, and why.",
    "context": "Show how much of the past a model uses.",
    "neurons": "Show what single units do.",
    "read": "Read a text: how surprising each character is, and what is hard.",
    "novelty": "Say what of a sample stands in the training text.",
    "plot": "Show learning curves of runs, and what differs between the runs.",
    "report": "Write a report on a language model: one page that stands alone.",
    "export": "Write a model in a format that other programs read.",
    "import": "Make a checkpoint of another program's model.",
    "compress": "Compress texts by what a language model expects.",
    "decompress": "Give back what was compressed.",
    "vocab": "Show or save the vocabulary of a text.",
    "hello": "Walk through a tiny example and show every number.",
    "gradcheck": "Check every gradient against central differences.",
    "config": "Show the effective configuration.",
    "fetch": "Download a text.",
    "make": "Make a data set for a sequence task.",
    "bench": "Measure the speed of this machine, and of charnn on it.",
    "cache": "Show or clear the encoded texts kept on disk.",
}


class Charnn(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command from the file that has its name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"charnn.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown name, suggest the closest one."""
        from charnn.options import suggestion

        unknown = args and args[0] not in COMMANDS and not args[0].startswith("-")
        if unknown and not ctx.resilient_parsing:  # which is how a shell's completion parses
            ctx.fail(f"No such command {args[0]!r}.{suggestion(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what precedes the command; if there are no arguments, click shows the help."""
        nothing = not args  # checked now because click empties the list
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if nothing:
                raise
            raise wrong_use(error, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error ends it with one sentence."""
        try:
            return super().invoke(ctx)
        except CharnnError as error:
            raise failure(error) from error
        except click.UsageError as error:
            raise wrong_use(error, ctx) from error
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


def wrong_use(error: click.UsageError, ctx: click.Context) -> Failure:
    """Return click's message on wrong use as one sentence, with the help page to read."""
    command = error.ctx.command_path if error.ctx is not None else ctx.command_path
    sentence = error.format_message()
    end = "" if sentence.endswith((".", "?", ")")) else "."
    return failure(InputError(f"{sentence}{end} See `{command} --help`."))


@click.command(cls=Charnn, context_settings=CONTEXT)
@click.version_option(__version__, "-V", "--version", message="charnn %(version)s")
def charnn() -> None:
    """Character-level sequence models, trained by hand-derived backpropagation through time.

    \b
    charnn hello                              see every number of a tiny network
    charnn fetch tinyshakespeare              get a text
    charnn train tinyshakespeare.txt          train an LSTM on it
    charnn sample runs/tinyshakespeare-lstm   write more of the same
    """


def main() -> None:
    """Run the command line, with output in UTF-8 whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    charnn(prog_name="charnn")
