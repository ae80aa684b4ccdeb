"""`charnn fetch`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from charnn.cli.flags import SectionedCommand, complete_files, completion, flag, output_flags
from charnn.errors import InputError
from charnn.options import suggestion

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_corpora(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a corpus."""
    from charnn.text.fetch import CORPORA

    return [completion(name) for name in CORPORA if name.startswith(incomplete)]


@click.command("fetch", cls=SectionedCommand)
@click.argument("name", metavar="NAME", shell_complete=complete_corpora)
@flag(
    "--out",
    section="Download",
    metavar="FILE",
    shell_complete=complete_files,
    help="File to write.  [NAME.txt]",
)
@flag("--url", section="Download", metavar="URL", help="Download the same file from a mirror.")
@flag("--force", section="Download", is_flag=True, help="Replace an existing file.")
@output_flags()
def command(
    name: str, out: str | None, url: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Download a corpus; its size and SHA-256 are checked before the file appears.

    \b
    charnn fetch tinyshakespeare      # 1.1 MB of Shakespeare, to tinyshakespeare.txt
    """
    from charnn.cli.console import progress_bar, say, show_json
    from charnn.text.fetch import CORPORA, fetch, is_complete

    if name not in CORPORA:
        raise InputError(
            f"corpus {name!r} is unknown; choose {', '.join(CORPORA)}.{suggestion(name, CORPORA)}"
        )
    download = CORPORA[name] if url is None else replace(CORPORA[name], url=url)
    if not download.url.startswith(("https://", "http://")):
        raise InputError(f"url {url!r} is not a web address; give one that begins with https://.")
    path = Path(out or f"{name}.txt")
    present = is_complete(download, path)
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; name a file with --out.")
    if not present:
        if path.exists() and not force:
            raise InputError(
                f"'{path}' exists, but is a different file; replace it with --force, or choose "
                "another name with --out."
            )
        with progress_bar(f"fetching {name}", download.size, quiet) as advance:
            fetch(download, path, advance)
    if as_json:
        show_json({"file": str(path), "bytes": download.size, "sha256": download.sha256})
    elif not quiet:
        done = "already there" if present else "saved"
        say(f"{path}: {done}, {download.size:,} bytes, SHA-256 as expected.")
        say(f"next: charnn train {path}")
