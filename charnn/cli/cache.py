"""`charnn cache`."""

from __future__ import annotations

from datetime import datetime

import click

from charnn.cli.flags import SectionedCommand, flag, output_flags


@click.command("cache", cls=SectionedCommand)
@flag("--clear", section="Cache", is_flag=True, help="Remove all entries.")
@output_flags()
def command(clear: bool, quiet: bool, as_json: bool) -> None:
    """Show which encoded texts are kept on disk, and where, or remove them.

    \b
    charnn cache
    charnn cache --clear

    A text is encoded once, and then read from the cache until it changes. The cache is the folder
    $CHARNN_CACHE or, if that is not set, the folder charnn among your user caches. It holds 16 GiB
    at most; the least recently used texts are removed first.
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
