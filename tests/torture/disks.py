"""Trials of disks: failing, full, read-only, and without power."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from material import (
    FLAGS,
    OPTIONS,
    ended,
    finished_run,
    loads_or_tells,
    metrics_are_whole,
    same,
    start,
    text_in,
)

from charnn.config import Config
from charnn.training.archive import load_checkpoint
from charnn.training.checkpoint import BEST, LAST, PREVIOUS
from charnn.training.events import Saved, SaveFailed, Step
from charnn.training.run_folder import RunFolder, recorded_by
from charnn.training.setup import new_run, resume_run


class Failure:
    """The n-th use of the disk fails, and then all is well again."""

    def __init__(self, place: int, kind: str) -> None:
        self.left, self.kind, self.failed = place, kind, False

    def due(self) -> bool:
        """Count a use of the disk; say whether it is to fail."""
        self.left -= 1
        self.failed |= self.left == 0
        return self.left == 0

    def error(self) -> OSError:
        """Return what the system would say."""
        number = errno.EIO if self.kind == "EIO" else errno.ENOSPC
        return OSError(number, os.strerror(number))

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the disk that may fail."""

        def guarded(*arguments: Any, **named: Any) -> Any:
            if self.due():
                raise self.error()
            return function(*arguments, **named)

        return guarded

    def opener(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that opens files, and may fail for those to be written."""

        def opened(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if mode[0] not in "aw":
                return function(path, mode, *arguments, **named)
            if self.due():
                raise self.error()
            return self.file(function(path, mode, *arguments, **named))

        return opened

    def file(self, file: Any) -> Any:
        """Return an open file whose writes may fail."""
        write = file.write

        def guarded(content: Any) -> Any:
            if not self.due():
                return write(content)
            if self.kind == "short write":
                written = write(bytes(content)[: len(content) // 2])
                if not hasattr(file, "raw"):
                    return written  # the caller has to look
            raise self.error()

        class Guarded:
            """The file, but for `write`."""

            def __getattr__(self, name: str) -> Any:
                return guarded if name == "write" else getattr(file, name)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

        return Guarded()


@contextmanager
def failing(failure: Failure) -> Iterator[None]:
    """Let the disk fail where charnn writes."""
    fdopen = os.fdopen
    with (
        patch.object(os, "fsync", failure.guard(os.fsync)),
        patch.object(tempfile, "mkstemp", failure.guard(tempfile.mkstemp)),
        patch.object(Path, "replace", failure.guard(Path.replace)),
        patch.object(Path, "open", failure.opener(Path.open)),
        patch.object(os, "fdopen", lambda *a: failure.file(fdopen(*a))),
    ):
        yield


KINDS = "ENOSPC", "EIO", "short write"


def failing_disk(count: int, folder: Path, kinds: Collection[str] = KINDS) -> None:
    """Let each use of the disk fail, one a run, in three ways: an older checkpoint still loads."""
    text = text_in(folder)
    config_of = {**OPTIONS, "steps": 20, "eval_every": 5, "hidden_size": 3}
    config = Config.from_values(config_of)
    for kind in kinds:
        for place in range(1, count + 1):
            run = folder / "failing"
            shutil.rmtree(run, ignore_errors=True)
            trainer = new_run([str(text)], config, out=run).trainer
            failure, events = Failure(place, kind), []
            with failing(failure):
                for event in trainer.run():
                    events.append(event)
                    if isinstance(event, (Saved, SaveFailed)):
                        for path in run.glob("*.npz"):
                            load_checkpoint(path)
            told = [event for event in events if isinstance(event, SaveFailed)]
            if not failure.failed:
                break
            assert told or (run / LAST).exists(), (kind, place)
            causes = (failure.error().strerror, "bytes were written")
            for each in told:
                assert any(cause in each.reason for cause in causes), each
            newest = [run / name for name in (LAST, PREVIOUS) if (run / name).exists()]
            assert newest, (kind, place)
            assert any(loads_or_tells(path) is not None for path in newest)
            metrics = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            assert all(recorded_by(line, config.training.steps) for line in metrics), place
            if not trainer.unsaved:
                assert load_checkpoint(run / LAST).progress.update == config.training.steps
                assert load_checkpoint(run / BEST).progress.update == trainer.progress.best_update


def limited_files(count: int, folder: Path) -> None:
    """Limit the size of files below a checkpoint's: the run tells it, and ends with exit code 1."""
    text, chance = text_in(folder), random.Random(6)
    program = (
        "import resource, sys\n"
        "from charnn.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), -1))\n"
        "main()\n"
    )
    for _ in range(count):
        run = folder / "limited"
        shutil.rmtree(run, ignore_errors=True)
        limit = chance.randrange(4_000, 8_000)
        arguments = ["train", str(text), *FLAGS, "--quiet", "--out", str(run)]
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(limit), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        code, said = ended(process)
        assert code == 1, (code, said)
        assert "cannot be written (File too large)" in said, said
        assert not [entry.name for entry in run.iterdir() if entry.name.endswith(".tmp")]


def goes_on_after(
    begin: Callable[[], None],
    end: Callable[[], None],
    cause: str,
    run: Path,
    folder: Path,
    chance: random.Random,
) -> None:
    """Let something happen to the disk in the middle of a run, and end: nothing is missing."""
    whole, _ = finished_run(folder)
    trainer = new_run([str(folder / "tide.txt")], Config.from_values(OPTIONS), out=run).trainer
    first = chance.randrange(5, 60)
    last = first + chance.randrange(15, 50)
    told = []
    for event in trainer.run():
        if isinstance(event, SaveFailed):
            told.append(event.reason)
        if isinstance(event, Step) and event.update == first:
            begin()
        if isinstance(event, Step) and event.update == last:
            end()
            for path in run.glob("*.npz"):
                load_checkpoint(path)
            assert first <= 10 or (run / LAST).exists() or (run / PREVIOUS).exists()
    assert told, (first, last)
    assert all(cause in reason for reason in told), told
    assert not trainer.unsaved, trainer.unsaved
    for name in (LAST, BEST):
        assert same(load_checkpoint(run / name), load_checkpoint(whole / name)), name
    metrics_are_whole(run)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[bool]:
    """Mount a small disk on a folder; False where this process may not."""
    folder.mkdir(parents=True, exist_ok=True)
    size = ["-o", f"size={kilobytes}k"]
    with ExitStack() as undo:
        try:
            mount = ["mount", "-t", "tmpfs", *size, "tmpfs", str(folder)]
            mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            mounted = False
        if mounted:
            undo.callback(subprocess.run, ["umount", str(folder)], check=True)
        yield mounted


def fill(ballast: Path, spare: int) -> None:
    """Fill a disk but for about `spare` bytes."""
    space = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - spare)))


def full_disk(count: int, folder: Path) -> None:
    """Fill a run's disk: before, or in the middle and then free it; else limit its files' size."""
    text, chance, disk = text_in(folder), random.Random(10), folder / "disk"
    run, ballast = disk / "run", disk / "ballast"
    for number in range(count):
        with small_disk(disk, 400) as mounted:
            if not mounted:
                limited_files(count, folder)
                return
            if number % 2:
                begin, end = partial(fill, ballast, chance.randrange(9_000)), ballast.unlink
                goes_on_after(begin, end, "No space left on device", run, folder, chance)
                continue
            fill(ballast, chance.randrange(8_192, 24_576))
            code, said = ended(start("train", text, *FLAGS, "--quiet", "--out", run))
            assert code == 1, (code, said)
            assert "cannot be written (No space left on device)" in said, said
            for path in run.glob("*.npz"):
                load_checkpoint(path)
            assert not list(run.glob("*.tmp"))


def read_only(count: int, folder: Path) -> None:
    """Let a run's folder be read-only for a while; no run begins in such a folder."""
    text, chance, run = text_in(folder), random.Random(11), folder / "locked"
    user = os.geteuid()

    def lock() -> None:
        run.chmod(0o555)
        if user == 0:
            os.seteuid(65_534)  # rights do not hold for root

    def unlock() -> None:
        os.seteuid(user)
        run.chmod(0o755)

    for _ in range(count):
        shutil.rmtree(run, ignore_errors=True)
        try:
            goes_on_after(lock, unlock, "Permission denied", run, folder, chance)
        finally:
            unlock()
    code, said = ended(start("train", text, *FLAGS, "--out", "/proc/run"))
    assert code == 2, (code, said)
    assert len(said.splitlines()) == 1, said


class PowerCutError(BaseException):
    """The power is gone."""


class Disk:
    """What is left in a folder after a power cut: what was synced, and some of the rest.

    A file has the content of its last fsync. The folder has the names of its own last fsync, and
    of the changes since then it may have the first few.
    """

    def __init__(self, folder: Path, uses: int) -> None:
        """Cut the power at the use of the disk with this number, counted from 1."""
        self.folder, self.left = folder, uses
        self.names = {entry.name: number for number, entry in enumerate(folder.iterdir())}
        self.synced = {self.names[entry.name]: entry.read_bytes() for entry in folder.iterdir()}
        self.changes = [dict(self.names)]  # its names at the last fsync, and after each change

    def use(self) -> None:
        """Count a use of the disk."""
        self.left -= 1
        if self.left == 0:
            raise PowerCutError

    def mkstemp(self, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Stand in for tempfile.mkstemp."""
        self.use()
        handle, path = real(*arguments, **named)
        self.names[Path(path).name] = len(self.synced)
        self.synced[len(self.synced)] = b""
        self.changes.append(dict(self.names))
        return handle, path

    def replace(self, real: Callable[..., Any], path: Path, target: Path) -> Any:
        """Stand in for Path.replace."""
        self.use()
        self.names[target.name] = self.names.pop(path.name)
        self.changes.append(dict(self.names))
        return real(path, target)

    def fsync(self, real: Callable[..., Any], descriptor: int) -> None:
        """Stand in for os.fsync."""
        self.use()
        real(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self.changes = [dict(self.names)]
            return
        for entry in self.folder.iterdir():
            if entry.stat().st_ino == status.st_ino:
                self.synced[self.names[entry.name]] = entry.read_bytes()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Stand in for the functions that write."""
        replace = Path.replace
        with (
            patch.object(tempfile, "mkstemp", partial(self.mkstemp, tempfile.mkstemp)),
            patch.object(os, "fsync", partial(self.fsync, os.fsync)),
            patch.object(Path, "replace", lambda *paths: self.replace(replace, *paths)),
        ):
            yield

    def restore(self, chance: random.Random) -> None:
        """Make the folder what it is when the power is back."""
        metrics = self.folder / "metrics.jsonl"
        torn = metrics.read_bytes() if metrics.exists() else b""
        for entry in self.folder.iterdir():
            entry.unlink()
        for name, number in chance.choice(self.changes).items():
            (self.folder / name).write_bytes(self.synced[number])
        metrics.write_bytes(torn[: chance.randint(0, len(torn))])


def power_cut(count: int, folder: Path, seed: int = 12) -> None:
    """Cut the power at a random use of the disk: what was reported as saved is there."""
    whole, _ = finished_run(folder)
    text, run, chance = folder / "tide.txt", folder / "powerless", random.Random(seed)
    for _ in range(count):
        shutil.rmtree(run, ignore_errors=True)
        trainer = new_run([str(text)], Config.from_values(OPTIONS), out=run).trainer
        disk, saved = Disk(run, chance.randrange(1, 100)), set()
        try:
            with disk.watched():
                for event in trainer.run():
                    if isinstance(event, Saved):
                        saved.add(event.path.name)
        except PowerCutError:
            RunFolder(run).release()
        disk.restore(chance)
        if BEST in saved:
            load_checkpoint(run / BEST)
        if LAST not in saved:
            continue
        assert (run / LAST).exists() or (run / PREVIOUS).exists(), saved
        last = loads_or_tells(run / LAST)
        if last is None or last.progress.update < OPTIONS["steps"]:
            list(resume_run(run).trainer.run())
            assert not list(run.glob(".*.tmp"))
        for name in (LAST, BEST):
            assert same(load_checkpoint(run / name), load_checkpoint(whole / name)), name
