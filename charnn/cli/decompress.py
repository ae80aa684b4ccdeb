"""`charnn decompress`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from charnn.cli.compression_files import NOTHING, Job
from charnn.cli.flags import SectionedCommand, complete_files, flag, output_flags
from charnn.errors import InputError

if TYPE_CHECKING:
    from charnn.compression.reading import ModelSource


@click.command("decompress", cls=SectionedCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@flag(
    "--model",
    "run",
    section="Model",
    metavar="CKPT",
    shell_complete=complete_files,
    help="The model that the file was written with, unless the file contains it.",
)
@flag("--check", is_flag=True, help="Write nothing; say whether the file is sound.")
@flag(
    "--out",
    "-o",
    metavar="FILE|FOLDER",
    shell_complete=complete_files,
    help="The file to write (-: standard output), or a folder for several.  [FILE without .cnn]",
)
@flag("--force", is_flag=True, help="Replace an existing file.")
@output_flags()
def command(
    files: tuple[str, ...],
    run: str | None,
    check: bool,
    out: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Give back what `charnn compress` compressed (- is standard input).

    \b
    charnn decompress sonnets.txt.cnn --model runs/shakespeare-lstm -o sonnets-again.txt
    charnn decompress sonnets.txt.cnn --model runs/shakespeare-lstm --check
    charnn decompress shakespeare.cnn -o shakespeare-again.txt

    The text is compared with the digest of the original before it gets its name: it is the same
    bytes, or there is an error and nothing is written.
    """
    from charnn.cli.compress import model_of
    from charnn.cli.compression_files import check_output, check_sources, jobs_of, original_name

    model = None if run is None else model_of(run)
    if check:
        refuse_beside_check(out=out, force=force)
        check_sources(files)
        jobs = [Job(name, NOTHING) for name in files]
    else:
        jobs = jobs_of(files, out, original_name, force)
        check_output(jobs, as_json, binary=False)
    for job in jobs:
        decompress_by(job, model, check, quiet, as_json)


def decompress_by(
    job: Job, model: ModelSource | None, checked: bool, quiet: bool, as_json: bool
) -> None:
    """Decompress a file or check it, and say what came of it. Raises CharnnError."""
    from charnn.cli.compress import progress_of
    from charnn.cli.compression_files import source_of, target_of, unusable
    from charnn.cli.compression_report import show_decompressed
    from charnn.compression.reading import check, decompress

    began, source = time.perf_counter(), source_of(job)
    what = "checking" if checked else "decompressing"
    try:
        with progress_of(what, quiet or as_json) as progress:
            if checked:
                header = check(source, model, progress=progress)
            else:
                header = decompress(source, target_of(job), model, progress=progress)
    except OSError as error:
        raise unusable(job, error) from error
    seconds = time.perf_counter() - began
    show_decompressed(job, header, seconds, checked, quiet, as_json)


def refuse_beside_check(**given: object) -> None:
    """Raise InputError where something is given that says what to write."""
    for name, value in given.items():
        if value:
            raise InputError(f"--check writes nothing; leave --{name} out, or --check.")
