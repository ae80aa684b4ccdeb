"""Trials of files that are damaged, or made to harm."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Collection
from pathlib import Path

from hostile import FILES, members_of
from material import (
    OPTIONS,
    STARTING,
    command,
    ended,
    finished_run,
    loads_or_tells,
    metrics_are_whole,
    same,
    start,
)

from charnn.config import Config
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import LAST
from charnn.training.setup import new_run, resume_run

TELLING = (  # a charnn process tells how large it became
    "import atexit\nfrom pathlib import Path\n"
    "status = Path('/proc/self/status')\n"
    "atexit.register(lambda: print(status.read_text() if status.exists() else '', flush=True))\n"
)


def truncated(count: int, folder: Path) -> None:
    """Cut a checkpoint off at random bytes."""
    run, _ = finished_run(folder)
    content = (run / LAST).read_bytes()
    chance, path = random.Random(1), folder / "cut.npz"
    for _ in range(count):
        path.write_bytes(content[: chance.randrange(len(content))])
        assert loads_or_tells(path) is None
    code, said = ended(start("info", path))
    assert code == 2, said
    assert len(said.splitlines()) == 1, said


def places_of_numbers(path: Path) -> set[int]:
    """Return the places in a checkpoint of the numbers of its arrays."""
    numbers: set[int] = set()
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename != "meta.npy":
                at = member.header_offset
                name, extra = (
                    int.from_bytes(content[at + field :][:2], "little") for field in (26, 28)
                )
                end = at + 30 + name + extra + member.file_size
                numbers.update(range(end - member.file_size + 128, end))
    return numbers


def none_is_silent(path: Path, places: list[int], count: int, folder: Path) -> None:
    """Flip bits at these places, one at a time: an error, or the same content."""
    content, original = bytearray(path.read_bytes()), load_checkpoint(path)
    flipped = folder / "flipped.npz"
    bits = [(at, bit) for at in places for bit in range(8)]
    for at, bit in random.Random(2).sample(bits, min(count, len(bits))):
        content[at] ^= 1 << bit
        flipped.write_bytes(content)
        found = loads_or_tells(flipped)
        content[at] ^= 1 << bit
        assert found is None or same(found, original), (at, bit)


def flipped_bits(count: int, folder: Path) -> None:
    """Flip bits of the numbers of the arrays."""
    run, _ = finished_run(folder)
    none_is_silent(run / LAST, sorted(places_of_numbers(run / LAST)), count, folder)


def flipped_meta_bits(count: int, folder: Path) -> None:
    """Flip bits of all else: names, headers, the text of meta data, the archive's directory."""
    run, _ = finished_run(folder)
    numbers = places_of_numbers(run / LAST)
    places = [at for at in range((run / LAST).stat().st_size) if at not in numbers]
    none_is_silent(run / LAST, places, count, folder)


def hostile_files(count: int, folder: Path, names: Collection[str] = tuple(FILES)) -> None:
    """Have charnn look at files made to harm: each is refused in a second and in 200 MB."""
    run, _ = finished_run(folder)
    members, path = members_of(run / LAST), folder / "hostile.npz"
    for name in list(names)[:: max(1, len(names) // count)]:
        path.write_bytes(FILES[name](members))
        began = time.perf_counter()
        python, option, program, *arguments = command("info", path)
        watched = [python, option, TELLING + program, *arguments]
        result = subprocess.run(watched, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        assert result.returncode == 2, (name, result)
        assert len(result.stderr.splitlines()) == 1, (name, result.stderr)
        assert seconds < 1 + STARTING, (name, seconds)
        for line in result.stdout.splitlines():
            if line.startswith("VmHWM:"):
                assert int(line.split()[1]) * 1024 < 200e6, (name, line)


def damaged_last(count: int, folder: Path) -> None:
    """Damage the last checkpoint of a stopped run: the one before it is resumed, bit for bit."""
    whole, _ = finished_run(folder)
    chance = random.Random(9)
    for _ in range(count):
        run = folder / "damaged"
        shutil.rmtree(run, ignore_errors=True)
        trainer = new_run(
            [str(folder / "tide.txt")], Config.from_values({**OPTIONS, "eval_every": 30}), out=run
        ).trainer
        stop_at = chance.randrange(31, OPTIONS["steps"])
        for _event in trainer.run():
            trainer.stop_requested = trainer.progress.update >= stop_at
        content = bytearray((run / LAST).read_bytes())
        content[chance.randrange(len(content) // 2)] ^= 1 << chance.randrange(8)
        (run / LAST).write_bytes(content[: chance.choice([len(content), len(content) // 2])])
        if loads_or_tells(run / LAST) is None:
            resumed = resume_run(run)
            assert any("is resumed from the checkpoint before it" in note for note in resumed.notes)
        else:
            resumed = resume_run(run)
        for _event in resumed.trainer.run():
            pass
        assert same(load_checkpoint(run / LAST), load_checkpoint(whole / LAST))
        metrics_are_whole(run, 30)
