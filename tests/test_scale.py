"""A text is never held in memory: the commands that read one stay small (`make scale`: 4 GB)."""

from __future__ import annotations

from pathlib import Path

import pytest
from scale import EVAL, TRAIN, make_text, measured

MOST = 300e6  # bytes


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """310 MiB are counted, encoded and trained on, and a text evaluated, within 300 MB."""
    monkeypatch.setenv("CHARNN_CACHE", str(tmp_path / "cache"))
    make_text(tmp_path / "large.txt", megabytes=310)
    make_text(tmp_path / "part.txt", megabytes=1)
    for arguments in ((*TRAIN, "--steps", "20"), EVAL):
        found = measured(tmp_path, *arguments)
        assert 10e6 < found.bytes < MOST, found
