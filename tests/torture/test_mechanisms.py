"""A negative control: one mechanism at a time is taken away, and a trial notices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest
from courses import not_finite
from damage import damaged_last, flipped_bits
from disks import failing_disk
from processes import two_holders

from charnn.errors import CharnnError
from charnn.locks import Lock
from charnn.training import checkpoint, run_folder
from charnn.training.run_folder import RunFolder
from charnn.training.trainer import Trainer


class Fault(NamedTuple):
    """What stands in for `place.name`, and the trial that is to fail then."""

    mechanism: str
    place: Any
    name: str
    stand_in: Callable[..., Any]
    trial: Callable[[int, Path], None]
    count: int


@contextmanager
def in_place(path: Path, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a file where it will be, as if nothing could happen on the way."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(handle, "wb") as file:  # which the trials let fail
        yield file


def without_predecessor(path: Path, saved: Any, keep: Path | None = None) -> None:
    """Save and keep nothing of what was there."""
    SAVE(path, saved)


def blind_roll_back(self: Trainer, reason: str) -> Any:
    """Go on with whatever numbers there are."""
    self.progress.update += 1
    self._good = self._snapshot()
    return ROLL_BACK(self, reason)


SAVE, ROLL_BACK = run_folder.save_checkpoint, Trainer._roll_back

FAULTS = [
    Fault("the digest", checkpoint, "digest", lambda *_: "", flipped_bits, 150),
    Fault("writing beside, then replacing", checkpoint, "replacing", in_place, failing_disk, 3),
    Fault(
        "the last one's predecessor",
        run_folder,
        "save_checkpoint",
        without_predecessor,
        damaged_last,
        5,
    ),
    Fault("metrics cut back", RunFolder, "forget_after", lambda *_: None, damaged_last, 5),
    Fault("the roll-back", Trainer, "_roll_back", blind_roll_back, not_finite, 8),
    Fault("the lock", Lock, "acquire", lambda _: True, two_holders, 1),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mechanism)
def test_what_is_left_out_is_noticed(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial holds with the mechanism, and fails without it."""
    fault.trial(fault.count, tmp_path / "with")
    monkeypatch.setattr(fault.place, fault.name, fault.stand_in)
    with pytest.raises((AssertionError, CharnnError)):
        fault.trial(fault.count, tmp_path / "without")
