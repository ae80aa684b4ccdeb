"""`charnn make`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    completion,
    declared_flags,
    flag,
    output_flags,
)
from charnn.config import MADE, MakeConfig
from charnn.errors import InputError
from charnn.options import options_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LINES = 4096  # that are written at once


def complete_kinds(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a kind of data set."""
    return [completion(kind) for kind in MADE if kind.startswith(incomplete)]


@click.command("make", cls=SectionedCommand)
@click.argument("kind", metavar="KIND", shell_complete=complete_kinds)
@declared_flags(
    MakeConfig, "Data", [n for n in options_of(MakeConfig) if n != "kind"], environment=False
)
@flag(
    "--out",
    metavar="FILE",
    shell_complete=complete_files,
    help="Write the lines to a file instead of standard output.",
)
@flag("--force", is_flag=True, help="Replace an existing file.")
@output_flags()
def command(
    kind: str, out: str | None, force: bool, quiet: bool, as_json: bool, **values: Any
) -> None:
    """Make a data set for a sequence task: each line has a text, a tab and the answer.

    \b
    charnn make addition --examples 50000 > sums.tsv
    charnn make memorise --lag 20 --out memory.tsv
    charnn make brackets --symbols "()[]" --max-length 30 --json

    Kinds for --task transduce: addition (12+345 gives 357), copy, and reverse. For --task tag:
    memorise (each symbol is tagged with the one --lag steps before it, or with - if there is none).
    For --task classify: first-plus-last (letters stand for numbers; is the sum of the first and the
    last above zero?) and brackets (are they balanced?).

    --json prints each line as an object; with --out, it prints one object that says what was
    written.
    """
    from charnn.cli.console import say, show_json
    from charnn.text.synthetic import make_examples

    config = MakeConfig(kind=kind, **values)
    if force and out is None:
        raise InputError("--force replaces a file, but there is none; name it with --out.")
    if out is not None:
        check_free(Path(out), force)
    examples = make_examples(config)
    if out is not None:
        size = save(examples, Path(out))
        if as_json:
            written = {"file": out, "bytes": size, "examples": len(examples)}
            show_json({**written, "kind": kind, "seed": config.seed})
        elif not quiet:
            say(f"{out}: {len(examples):,} lines, {size:,} bytes.")
            say(f"next: charnn train {out} --task {MADE[kind][0]}")
    elif as_json:
        for source, target in examples:
            show_json({"source": source, "target": target})
    else:
        for block in blocks(examples):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


def check_free(path: Path, force: bool) -> None:
    """Raise InputError if a file must not be written."""
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; name a file with --out.")
    if path.exists() and not force:
        raise InputError(
            f"'{path}' exists; replace it with --force, or choose another name with --out."
        )


def blocks(examples: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """Yield the examples as lines of UTF-8 TSV, many at once."""
    for start in range(0, len(examples), LINES):
        lines = (f"{source}\t{target}\n" for source, target in examples[start : start + LINES])
        yield "".join(lines).encode("utf-8")


def save(examples: Sequence[tuple[str, str]], path: Path) -> int:
    """Write the examples whole or not at all; return the number of bytes. Raises InputError."""
    from charnn.files import replacing

    try:
        with replacing(path) as file:
            return sum(file.write(block) for block in blocks(examples))
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be written ({error.strerror}); choose another file."
        ) from error
