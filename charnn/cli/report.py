"""`charnn report`."""

from __future__ import annotations

from pathlib import Path

import click

from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags


@click.command("report", cls=SectionedCommand)
@click.argument("run", metavar="RUN", shell_complete=complete_files)
@click.argument("text", nargs=-1, required=True, metavar="TEXT...", shell_complete=complete_files)
@flag(
    "--out",
    "-o",
    metavar="FILE.html",
    default="report.html",
    show_default=True,
    shell_complete=complete_files,
    help="The page to write.",
)
@flag(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    section="Report",
    help="Seed of the samples, and of the places in the text.",
)
@flag(
    "--train",
    section="Report",
    multiple=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="The training text, where its files have moved; can be given several times.",
)
@flag(
    "--encoding",
    default="utf-8",
    show_default=True,
    section="Report",
    help="Encoding of the text.",
)
@output_flags()
def command(
    run: str,
    text: tuple[str, ...],
    out: str,
    seed: int,
    train: tuple[str, ...],
    encoding: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a report on a language model: one page that stands alone.

    \b
    charnn report runs/shakespeare-lstm sonnets.txt -o report.html

    The page shows the run, its learning curves, samples at several temperatures and what of them
    stands in the training text, and what can be seen inside the model while it reads the text: its
    surprise, how far gradients reach back, how much context it uses, its gates and its units. Of a
    long text, a part is used, which the page tells. Everything is in the one file: it opens from
    the disk without a network, in light and dark mode, prints, and has a text for each picture. A
    text that the model did not learn from, such as the end of a book, shows most.
    """
    from charnn.cli.console import progress_bar, say, show, show_json
    from charnn.cli.picture_file import check_folder, write_file
    from charnn.report.material import read_material
    from charnn.report.page import report
    from charnn.report.sections import SECTIONS

    path = Path(out)
    check_folder(path, "report")
    material = read_material(Path(run), text, seed, encoding, train)
    with progress_bar("writing the report", len(SECTIONS), quiet or as_json) as advance:
        page = report(material, advance)
    write_file(path, page, "report")
    size = len(page.encode("utf-8"))
    if material.outside and not quiet:
        many = sum(material.outside.values())
        say(f"note: {many:,} characters of the text are unknown to the model.")
    if as_json:
        show_json({"report": str(path), "bytes": size, "sections": list(SECTIONS)})
        return
    show(f"{path}: {len(SECTIONS)} sections, {size:,} bytes; open it in a browser.")
