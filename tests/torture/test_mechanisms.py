"""A negative control: one mechanism at a time is taken away, and a trial notices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest
from courses import not_finite, resumed
from damage import damaged_last, flipped_bits, hostile_files
from disks import failing_disk, power_cut, read_only
from processes import signalled, two_holders

from charnn import files
from charnn.errors import CharnnError
from charnn.locks import Lock
from charnn.training import archive, checkpoint, run_folder
from charnn.training.checkpoint import BEST, LAST
from charnn.training.progress import Progress
from charnn.training.rollback import GoodState
from charnn.training.run_folder import RunFolder
from charnn.training.saving import Saver
from charnn.training.trainer import Trainer

Trial = Callable[[int, Path], None]
REPLACING, RESTORE, APPEND = files.replacing, Trainer._restore, files.append
SAVE, RETURN, SAVE_ALL = run_folder.save_checkpoint, GoodState.return_from, Saver.save


class Fault(NamedTuple):
    """What stands in for `place.name`, and the trial that is to fail then."""

    mechanism: str
    place: Any
    name: str
    stand_in: Callable[..., Any]
    trial: Trial
    count: int


class ForeignFault(NamedTuple):
    """What a process of charnn runs before anything else, and the trial that is to fail then."""

    mechanism: str
    planted: str
    trial: Trial
    count: int


SHORT = partial(failing_disk, kinds=["short write"])
TELLING_CUTS = partial(power_cut, seed=8)  # of which the first few already tell


@contextmanager
def in_place(path: Path, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a file where it will be, as if nothing could happen on the way."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(handle, "wb") as file:  # which the trials let fail
        yield file


@contextmanager
def unsynced(path: Path, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Give a file its name while its content is not yet on disk."""
    handle, temporary = files.tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        yield file
    if keep is not None and path.exists():
        path.replace(keep)
    Path(temporary).replace(path)
    files._sync_folder(path.parent)


@contextmanager
def synced_late(path: Path, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Sync a file after it got its name: the right calls in the wrong order."""
    with unsynced(path, keep) as file:
        yield file
    with path.open("rb") as content:
        os.fsync(content.fileno())


def without_predecessor(path: Path, saved: Any, keep: Path | None = None) -> None:
    """Save and keep nothing of what was there."""
    SAVE(path, saved)


def blind_return(self: GoodState, failed: Progress, *rest: Any) -> Any:
    """Go on with whatever numbers there are."""
    failed.update += 1
    self.keep(failed)
    return RETURN(self, failed, *rest)


def giving_up(self: Saver, *checkpoints: Any) -> Iterator[Any]:
    """Save nothing more after a save that failed."""
    if self.unsaved.keys() & {BEST, LAST}:
        return
    yield from SAVE_ALL(self, *checkpoints)


def without_memory(self: Trainer, saved: Any) -> None:
    """Resume, and forget what the optimiser knew."""
    RESTORE(self, saved)
    for vector in self.checkpoint().optimizer.values():
        vector[:] = 0


def append_part(path: Path, content: bytes) -> None:
    """Append, and leave what was written of it where that fails."""
    with path.open("ab", buffering=0) as file:
        if file.write(content) != len(content):
            raise OSError(28, "No space left on device")


FAULTS = [
    Fault("the digest", archive, "digest", lambda *_: "", flipped_bits, 150),
    Fault("writing beside, then replacing", checkpoint, "replacing", in_place, failing_disk, 3),
    Fault("syncing a file", checkpoint, "replacing", unsynced, TELLING_CUTS, 5),
    Fault("syncing before replacing", checkpoint, "replacing", synced_late, TELLING_CUTS, 5),
    Fault("syncing the folder", files, "_sync_folder", lambda _: None, TELLING_CUTS, 5),
    Fault("clearing leftovers", run_folder, "leftovers", lambda *_: [], TELLING_CUTS, 5),
    Fault("appending whole or not", run_folder, "append", append_part, SHORT, 9),
    Fault("the predecessor", run_folder, "save_checkpoint", without_predecessor, damaged_last, 5),
    Fault("metrics cut back", RunFolder, "forget_after", lambda *_: None, damaged_last, 5),
    Fault("saving again after a failure", Saver, "save", giving_up, read_only, 2),
    Fault("the optimiser's memory", Trainer, "_restore", without_memory, resumed, 4),
    Fault("the roll-back", GoodState, "return_from", blind_return, not_finite, 8),
    Fault("the lock", Lock, "acquire", lambda _: True, two_holders, 1),
]

FOREIGN_FAULTS = [
    ForeignFault(
        "finite values",
        "import charnn.training.archive as c; c.check_finite = print",
        partial(hostile_files, names=["NaN"]),
        1,
    ),
    ForeignFault(
        "the limit of meta data",
        "import charnn.training.archive as c; c.LARGEST_META = 10**12",
        partial(hostile_files, names=["JSON of 100 MB"]),
        1,
    ),
    ForeignFault(
        "one sentence for whatever is wrong",
        "import charnn.training.archive as c; c.DAMAGE = ()",
        partial(hostile_files, names=["zeros"]),
        1,
    ),
    ForeignFault(
        "the signals",
        "import charnn.cli.train as t, contextlib\n"
        "t.stopping_signals = lambda _: contextlib.nullcontext([15])",
        signalled,
        1,
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mechanism)
def test_what_is_left_out_is_noticed(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial holds with the mechanism (more often in test_torture.py), and not without it."""
    fault.trial(1, tmp_path / "with")
    monkeypatch.setattr(fault.place, fault.name, fault.stand_in)
    with pytest.raises((AssertionError, CharnnError)):
        fault.trial(fault.count, tmp_path / "without")


@pytest.mark.parametrize("fault", FOREIGN_FAULTS, ids=lambda fault: fault.mechanism)
def test_what_is_left_out_of_a_process_is_noticed(
    fault: ForeignFault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial holds with the mechanism (more often in test_torture.py), and not without it."""
    fault.trial(1, tmp_path / "with")
    monkeypatch.setenv("CHARNN_PLANTED", fault.planted)
    with pytest.raises(AssertionError):
        fault.trial(fault.count, tmp_path / "without")
