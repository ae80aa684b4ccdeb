"""`charnn cache`."""

from __future__ import annotations

from datetime import datetime

import click

from charnn.cli.flags import SectionedCommand, flag, output_flags


@click.command("cache", cls=SectionedCommand)
@flag("--clear", section="Cache", is_flag=True, help="Remove everything.")
@output_flags()
def command(clear: bool, quiet: bool, as_json: bool) -> None:
    """Show the encoded texts that are kept on disk, and where, or clear them.

    \b
    charnn cache
    charnn cache --clear

    A text is encoded once and read from there until it changes. The folder is $CHARNN_CACHE, or
    charnn in your folder for caches; it holds 16 GiB at most, and what was used longest ago goes
    first.
    """
    from charnn.cli.console import show, show_json
    from charnn.text.cache import Entry, cache_folder, contents, prune

    removed = prune(0) if clear else 0
    entries = [
        {"source": (Entry(name).read() or {}).get("source", []), "bytes": size, "used": used}
        for name, (size, used) in contents().items()
    ]
    if as_json:
        show_json({"folder": str(cache_folder()), "removed": removed, "entries": entries})
        return
    if clear:
        show(f"{removed} entries removed from {cache_folder()}")
        return
    show(f"{cache_folder()}: {len(entries)} entries, {sum(e['bytes'] for e in entries):,} bytes")
    if not quiet:
        for entry in sorted(entries, key=lambda e: e["used"], reverse=True):
            used = datetime.fromtimestamp(entry["used"]).astimezone()
            show(f"{entry['bytes']:>15,}  {used:%Y-%m-%d %H:%M}  {' '.join(entry['source'])}")
