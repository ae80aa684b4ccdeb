"""Trials of compressed files: damaged ones, and programs that are stopped while they make one."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from compressing import model, text
from material import ended
from processes import STOPS

from charnn.compression.compressor import compress
from charnn.compression.reading import decompress
from charnn.errors import CompressionError

PROGRAM = Path(__file__).parent / "compressing.py"
WAYS = "compress", "decompress"
LETTERS = 140_000  # two blocks


@cache
def small_files() -> list[bytes]:
    """Return a file by each method, and one with its model inside."""
    found = []
    for content, embed in [
        (b"?!", False),
        (b"abc?" * 60, False),
        (text(900), False),
        (text(30_000), True),  # LZMA's file is smaller than that of fewer letters
    ]:
        target = io.BytesIO()
        compress(io.BytesIO(content), target, model(2), embed, lanes=8, workers=1)
        found.append(target.getvalue())
    return found


def damages() -> Iterator[bytes]:
    """Return the small files with each bit flipped, cut at each byte, and with bytes appended."""
    for content in small_files():
        for place in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            yield bytes(flipped)
        yield from (content[:end] for end in range(len(content)))
        yield from (content + bytes([byte]) for byte in range(256))


def damaged_compressed(count: int, folder: Path) -> None:
    """Read damaged files: each is refused in one line, and nothing is written."""
    place = folder / "damaged-compressed"
    place.mkdir(exist_ok=True)
    files = list(damages())
    if count < len(files):
        files = random.Random(31).sample(files, count)
    for content in files:
        with pytest.raises(CompressionError, match=r"^[^\n]+$"):
            decompress(io.BytesIO(content), place / "text", lambda _: model(2), workers=1)
    assert not list(place.iterdir())


@cache
def whole(folder: Path) -> tuple[dict[str, Path], float]:
    """Return a text and its file, by what is done with them, and the seconds that it takes."""
    plain, file = folder / "whole.txt", folder / "whole.cnn"
    plain.write_bytes(text(LETTERS))
    began = time.perf_counter()
    process = start("compress", plain, file)
    assert ended(process)[0] == 0
    return {"compress": plain, "decompress": file}, time.perf_counter() - began


def start(way: str, source: Path, target: Path) -> subprocess.Popen[bytes]:
    """Start a program that compresses or decompresses."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), way, str(source), str(target)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the numbers of a process's children, where the system tells (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
        found += map(int, task.read_text("utf-8").split())
    return found


def started_workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Wait until a program has its two workers, and return them."""
    while process.poll() is None:
        if len(found := workers_of(process)) == 2:
            return found
        time.sleep(0.005)
    return []


def gone(number: int) -> bool:
    """Return whether a process has ended, a little later at the latest."""
    for _ in range(200):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def stopped_compression(count: int, folder: Path) -> None:
    """Stop programs at random moments: no file, nothing beside it, no worker."""
    sources, seconds = whole(folder)
    chance, place = random.Random(32), folder / "stopped"
    place.mkdir(exist_ok=True)
    for number in range(count):
        way, sent = WAYS[number % 2], STOPS[number // 2 % len(STOPS)]
        process = start(way, sources[way], place / "target")
        workers = started_workers(process)
        time.sleep(chance.uniform(0, 0.3) * seconds)
        process.send_signal(sent)
        if chance.random() < 0.5:
            process.send_signal(sent)
        code, said = ended(process)
        assert code in (128 + sent, 0), (way, sent, code, said)
        assert code == 0 or not list(place.iterdir()), list(place.iterdir())
        assert all(map(gone, workers)), workers
        for entry in place.iterdir():
            entry.unlink()


def lost_worker(count: int, folder: Path) -> None:
    """Kill a worker, or the program itself: an error or silence, and nobody works on."""
    sources, seconds = whole(folder)
    chance, place = random.Random(33), folder / "lost"
    place.mkdir(exist_ok=True)
    for number in range(count):
        way, target = WAYS[number % 2], place / "target"
        process = start(way, sources[way], target)
        workers = started_workers(process)
        time.sleep(chance.uniform(0, 0.3) * seconds)
        victim = process.pid if number % 4 > 1 else (workers or [process.pid])[-1]
        if process.poll() is None:
            os.kill(victim, signal.SIGKILL)
        code, said = ended(process)
        assert code in (1, -signal.SIGKILL, 0), (code, said)
        assert code != 1 or "exit code" in said, said
        assert target.exists() == (code == 0)
        assert all(map(gone, workers)), workers
        for entry in place.iterdir():
            entry.unlink()  # a program that is killed leaves its temporary file
