"""What `charnn compress` and `charnn decompress` read, and the names under which they write."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from charnn.errors import CompressionError, InputError
from charnn.text.source import is_stream

STREAM = "-"  # standard input or standard output
NOTHING = ""  # the target of a file that is checked only
ENDING = ".cnn"


@dataclass(frozen=True)
class Job:
    """A file to read, and a file to write; `-` stands for standard input and output."""

    source: str
    target: str


def compressed_name(source: str) -> str:
    """Return the name of a text's compressed file."""
    return source + ENDING


def original_name(source: str) -> str:
    """Return the name of a compressed file's text. Raises InputError where it does not say."""
    name = source.removesuffix(ENDING)
    if name == source or not Path(name).name:
        raise InputError(
            f"'{source}' does not end with {ENDING}, which would say what the text is called; "
            "name it with --out."
        )
    return name


def jobs_of(
    sources: Sequence[str], out: str | None, named: Callable[[str], str], force: bool
) -> list[Job]:
    """Return what is read and what is written; `named` is a source's target where `out` is None.

    With a folder as `out`, files go there under the names that they would have had. Raises
    InputError for what cannot be read or written.
    """
    check_sources(sources)
    folder = Path(out) if out is not None and out != STREAM and Path(out).is_dir() else None
    if len(sources) > 1 and out is not None and folder is None:
        raise InputError(
            f"'{out}' is not a folder, but {len(sources)} files are to be written; give a folder "
            "that exists, or leave --out out."
        )
    jobs = []
    for source in sources:
        target = out
        if source == STREAM and (out is None or folder is not None):
            if folder is not None or len(sources) > 1:
                raise InputError("standard input (-) has no name to write to; give it alone.")
            target = STREAM
        elif folder is not None:
            target = str(folder / Path(named(source)).name)
        jobs.append(Job(source, named(source) if target is None else target))
    check_targets(jobs, force)
    return jobs


def check_sources(names: Sequence[str]) -> None:
    """Raise InputError for a file that cannot be read."""
    if list(names).count(STREAM) > 1:
        raise InputError("standard input (-) can be read only once; give - only once.")
    for name in names:
        if name == STREAM:
            continue
        try:
            if Path(name).is_dir():
                raise InputError(f"'{name}' is a folder; give the names of files.")
            if not is_stream(name):  # what can be read only once is not opened twice
                with Path(name).open("rb"):
                    pass
        except (OSError, ValueError) as error:
            raise unreadable(name, error) from error


def check_targets(jobs: list[Job], force: bool) -> None:
    """Raise InputError for a target that cannot be written, or that is there already."""
    seen: set[str] = set()
    for job in jobs:
        if job.target == STREAM:
            continue
        path = Path(job.target)
        if path.is_dir() or not path.absolute().parent.is_dir():
            reason = "that is a folder" if path.is_dir() else "there is no such folder"
            raise InputError(f"'{path}' cannot be written: {reason}; give another name with --out.")
        real = os.path.realpath(path)
        if real in seen or (job.source != STREAM and real == os.path.realpath(job.source)):
            raise InputError(
                f"'{path}' cannot be both read and written, or written twice; "
                "give another name with --out."
            )
        seen.add(real)
        if path.exists() and not force:
            raise InputError(
                f"'{path}' exists; replace it with --force, or choose another name with --out."
            )


def unreadable(name: str, error: OSError | ValueError) -> InputError:
    """Return that a file cannot be read, and why."""
    reason = getattr(error, "strerror", None) or error
    return InputError(f"'{name}' cannot be read ({reason}); check the path.")


def source_of(job: Job) -> Path | BinaryIO:
    """Return what a job reads."""
    return sys.stdin.buffer if job.source == STREAM else Path(job.source)


def target_of(job: Job) -> Path | BinaryIO:
    """Return what a job writes."""
    return sys.stdout.buffer if job.target == STREAM else Path(job.target)


@contextmanager
def on_disk(job: Job) -> Iterator[Path]:
    """Yield the name of a file with what a job reads: standard input is copied first."""
    if job.source != STREAM:
        yield Path(job.source)
        return
    with TemporaryDirectory(prefix="charnn-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


@contextmanager
def naming(job: Job) -> Iterator[None]:
    """Let an error of compressing, or of the disk, name its file. Raises CompressionError."""
    name = "standard input" if job.source == STREAM else f"'{job.source}'"
    try:
        yield
    except CompressionError as error:
        raise CompressionError(f"{name} cannot be compressed: {error}") from error
    except OSError as error:
        raise unusable(job, error) from error


def unusable(job: Job, error: OSError) -> CompressionError:
    """Return that a file of a job cannot be read or written, and why."""
    named = error.filename if error.filename is not None else job.target
    name = "standard output" if named == STREAM else f"'{named}'"
    return CompressionError(
        f"{name} cannot be read or written ({error.strerror or error}); check the disk and the "
        "folder's rights."
    )


def check_output(jobs: list[Job], as_json: bool, binary: bool) -> None:
    """Raise InputError where standard output would get two things, or a terminal a binary file."""
    if not any(job.target == STREAM for job in jobs):
        return
    if as_json:
        raise InputError(
            "--json writes to standard output, where the file goes, too; name a file with --out."
        )
    if binary and sys.stdout.isatty():
        raise InputError("standard output is a terminal; name a file with --out.")
