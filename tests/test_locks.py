"""A lock is held by one process, and ends with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from charnn.locks import Lock

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom charnn.locks import Lock\n"
    "lock = Lock(Path(sys.argv[1]))\nprint(lock.acquire(), flush=True)\nsys.stdin.read()\n"
)


def holder(path: Path) -> subprocess.Popen[str]:
    """Start a process that tries to take a lock and says whether it has it."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Held elsewhere it cannot be taken; when that process is killed, it can."""
    lock = Lock(tmp_path / "lock")
    with holder(lock.path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert not lock.acquire()
        process.kill()
    assert lock.acquire()
    assert lock.acquire()  # twice is once
    with holder(lock.path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        process.kill()
    lock.release()
    lock.release()
    assert not lock.path.exists()


def test_a_lock_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """Who opened the file just before its holder removed it does not hold a lock on nothing."""
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    first.path.unlink()
    assert second.acquire()
    first.release()
    assert second.path.exists()
    second.release()
