"""Other compressors, to stand beside charnn: Python's own modules, and programs where they exist.

Each takes a file and writes one, and back again. What came back is compared with the original, so
that a figure is that of a file which can be read.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from charnn.errors import InputError

SMALLEST_XZ = lzma.PRESET_EXTREME | 9
PACKED, BACK = "packed", "back"  # names of the files in the folder where it is done


@dataclass(frozen=True)
class Figures:
    """What became of a text: its size in bytes, and the seconds both ways took."""

    name: str
    size: int
    seconds: float
    seconds_back: float


@dataclass(frozen=True)
class Compressor:
    """One compressor: how it is called, and what does each of the two ways.

    `there` and `back` take the names of a file to read and of one to write.
    """

    name: str
    there: Callable[[Path, Path], None]
    back: Callable[[Path, Path], None]

    def figures(self, text: Path, folder: Path) -> Figures:
        """Compress a text in a folder for temporary files, and read it back.

        Raises InputError where that fails, or where it is not the text that comes back.
        """
        packed, back = folder / PACKED, folder / BACK
        for path in (packed, back):
            path.unlink(missing_ok=True)
        began = time.perf_counter()
        self.there(text, packed)
        between = time.perf_counter()
        self.back(packed, back)
        ended = time.perf_counter()
        if back.read_bytes() != text.read_bytes():
            raise InputError(f"{self.name} did not give '{text}' back; leave it out of the PATH.")
        return Figures(self.name, packed.stat().st_size, between - began, ended - between)


def in_memory(
    name: str, compress: Callable[[bytes], bytes], decompress: Callable[[bytes], bytes]
) -> Compressor:
    """Return a compressor that is a pair of functions on bytes."""

    def written(work: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
        def do(source: Path, target: Path) -> None:
            target.write_bytes(work(source.read_bytes()))

        return do

    return Compressor(name, written(compress), written(decompress))


def program(name: str, there: Sequence[str], back: Sequence[str]) -> Compressor:
    """Return a compressor that is a program; `{source}` and `{target}` stand for the files."""

    def called(words: Sequence[str]) -> Callable[[Path, Path], None]:
        def do(source: Path, target: Path) -> None:
            filled = [word.format(source=source, target=target) for word in words]
            if any("{target}" in word for word in words):
                run(name, filled)
            else:
                with target.open("wb") as file:
                    run(name, filled, file.fileno())

        return do

    return Compressor(name, called(there), called(back))


def run(name: str, words: Sequence[str], output: int = subprocess.DEVNULL) -> None:
    """Run a program that writes to a file. Raises InputError where it fails."""
    try:
        subprocess.run(  # noqa: S603
            words, check=True, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        reason = " ".join(said.decode("utf-8", "replace").split())[:200]
        raise InputError(f"{name} failed ({reason}); leave it out of the PATH.") from error


def compressors() -> tuple[list[Compressor], list[str]]:
    """Return the compressors of this machine, and the names of those that it lacks."""
    found = [
        in_memory("gzip -9", lambda text: zlib.compress(text, 9, zlib.MAX_WBITS + 16), gunzip),
        in_memory("bzip2 -9", lambda text: bz2.compress(text, 9), bz2.decompress),
        in_memory("xz -9e", lambda text: lzma.compress(text, preset=SMALLEST_XZ), lzma.decompress),
    ]
    missing = []
    for name, programs, there, back in PROGRAMS:
        path = next(filter(None, map(shutil.which, programs)), None)
        if path is None:
            missing.append(name)
        else:
            found.append(program(name, [path, *there], [path, *back]))
    return found, missing


def gunzip(content: bytes) -> bytes:
    """Return what gzip compressed."""
    return zlib.decompress(content, zlib.MAX_WBITS + 16)


PROGRAMS = (  # name, the names under which it is installed, and its arguments both ways
    (
        "zstd --ultra -22",
        ("zstd",),
        ("-q", "-f", "--ultra", "-22", "{source}", "-o", "{target}"),
        ("-q", "-f", "-d", "{source}", "-o", "{target}"),
    ),
    (
        "brotli -q 11",
        ("brotli",),
        ("-f", "-q", "11", "--lgwin=24", "-o", "{target}", "{source}"),
        ("-f", "-d", "-o", "{target}", "{source}"),
    ),
    (
        "7z PPMd",
        ("7z", "7zz", "7za"),
        ("a", "-y", "-bd", "-t7z", "-mx=9", "-m0=PPMd", "{target}", "{source}"),
        ("e", "-y", "-bd", "-so", "{source}"),
    ),
)
