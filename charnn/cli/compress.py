"""`charnn compress`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charnn.cli.flags import (
    SectionedCommand,
    complete_files,
    declared_flags,
    flag,
    output_flags,
)
from charnn.config.compression import CompressionConfig
from charnn.errors import InputError

if TYPE_CHECKING:
    from charnn.cli.compression_files import Job
    from charnn.compression.own_model import OwnModel
    from charnn.compression.quantized import QuantizedModel

STEPS = 1_000  # of a bar of progress


@click.command("compress", cls=SectionedCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_files)
@flag(
    "--model",
    "run",
    section="Model",
    metavar="CKPT",
    shell_complete=complete_files,
    help="The language model, which the reader needs, too; a run folder or a checkpoint.",
)
@flag("--embed", section="Model", is_flag=True, help="Put the model into the file.")
@flag(
    "--train",
    section="Model",
    metavar="TIME",
    help="Train a model on the text itself, for at most 90s, 5m, 1h30m, ..., and put it into the "
    "file. Its size is chosen by the text's and the time.",
)
@declared_flags(CompressionConfig, "Compression", environment=False)
@flag(
    "--out",
    "-o",
    metavar="FILE|FOLDER",
    shell_complete=complete_files,
    help="The file to write (-: standard output), or a folder for several.  [FILE.cnn]",
)
@flag("--force", is_flag=True, help="Replace an existing file.")
@output_flags()
def command(
    files: tuple[str, ...],
    run: str | None,
    embed: bool,
    train: str | None,
    out: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Compress texts, or any other files, by what a language model expects (- is standard input).

    \b
    charnn compress sonnets.txt --model runs/shakespeare-lstm
    charnn compress sonnets.txt --model runs/shakespeare-lstm --embed -o sonnets-and-model.cnn
    charnn compress shakespeare.txt --train 5m -o shakespeare.cnn

    The file decodes to the same bytes on every machine. The reader needs the same model, which the
    file knows by its digest, unless the file contains it. Where a model does not help, LZMA is
    used, or the bytes are stored: no file is larger than its original and 100 bytes. What was
    written is read back and compared before it gets its name.

    The report says how many bits a character takes, and how many the model promised, with the size
    of the model beside them, whether it is in the file or not.
    """
    from charnn.cli.compression_files import check_output, compressed_name, jobs_of
    from charnn.config.times import seconds_of

    options = CompressionConfig(**values)
    seconds = None if train is None else seconds_of(train)
    check_model(run, embed, train)
    jobs = jobs_of(files, out, compressed_name, force)
    check_output(jobs, as_json, binary=True)
    model = None if run is None else model_of(run)(options.bits_of(embed))
    for job in jobs:
        if model is not None:
            compress_by(job, model, embed, options, quiet, as_json)
        elif seconds is not None:
            compress_by_own(job, seconds, options, quiet, as_json)


def compress_by(
    job: Job,
    model: QuantizedModel,
    embed: bool,
    options: CompressionConfig,
    quiet: bool,
    as_json: bool,
    own: OwnModel | None = None,
    source: Path | None = None,
) -> None:
    """Compress a file, or a copy of it, and say what came of it. Raises CharnnError."""
    from charnn.cli.compression_files import naming, source_of, target_of
    from charnn.cli.compression_report import Reported, show_compressed
    from charnn.compression.compressor import compress

    with naming(job), progress_of("compressing", quiet or as_json) as progress:
        sizes = compress(
            source or source_of(job),
            target_of(job),
            model,
            embed,
            options.lanes,
            progress=progress,
        )
    show_compressed(Reported(job, sizes, model, embed, own), quiet, as_json)


def compress_by_own(
    job: Job, seconds: float, options: CompressionConfig, quiet: bool, as_json: bool
) -> None:
    """Compress a file by a model that is trained on it. Raises CharnnError."""
    from charnn.cli.compression_files import naming, on_disk
    from charnn.cli.console import progress_bar
    from charnn.compression.own_model import train_on
    from charnn.compression.quantized import QuantizedModel

    with on_disk(job) as source:
        total = round(1000 * seconds)
        with naming(job), progress_bar("training", total, quiet or as_json) as advance:
            own = train_on(source, seconds, advance=advance)
        model = QuantizedModel.of(own.model, own.vocabulary, options.bits_of(embedded=True))
        compress_by(job, model, True, options, quiet, as_json, own, source)


@contextmanager
def progress_of(what: str, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of what is done: the block is told how much that is by now, and of how much."""
    from charnn.cli.console import progress_bar

    told = 0.0
    with progress_bar(what, STEPS, hidden) as advance:

        def progress(done: int, total: int) -> None:
            nonlocal told
            now = STEPS * done / max(total, 1)
            advance(now - told)
            told = now

        yield progress


def model_of(run: str) -> Callable[[int], QuantizedModel]:
    """Return what quantises a language model to some bits a weight. Raises CharnnError."""
    from charnn.compression.in_memory import quantized_model
    from charnn.training.archive import load_checkpoint

    saved = load_checkpoint(Path(run))
    return lambda bits: quantized_model(saved, bits)


def check_model(run: str | None, embed: bool, train: str | None) -> None:
    """Raise InputError unless there is one model."""
    if run is None and train is None:
        raise InputError(
            "there is no model to compress with; give one with --model RUN, or train one on the "
            "text itself with --train 5m."
        )
    if run is not None and train is not None:
        raise InputError(
            f"--model is {run}, and --train trains another model; leave one of the two out."
        )
    if embed and train is not None:
        raise InputError("--train always puts its model into the file; leave --embed out.")
