"""Worker processes: the same bytes as without, errors passed on, and nobody left behind."""

from __future__ import annotations

import io
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from small_models import small_model, sure_model, sure_text

from charnn.compression import compressor, worker, workers
from charnn.compression.coding import Codec, encode_record
from charnn.compression.compressor import compress
from charnn.compression.container import Method, Record
from charnn.compression.reading import decompress
from charnn.compression.worker import DECODE, ENCODE, encode_task, result_of
from charnn.compression.workers import Alone, Crew, Job, hands
from charnn.errors import CompressionError, WorkerError

TEXT = sure_text(6_000)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Divide texts into small blocks, and return the worker processes that are started."""
    monkeypatch.setattr(compressor, "ONE_BLOCK", 1_000)
    monkeypatch.setattr(compressor, "LARGEST_BLOCK", 1_500)
    found: list[subprocess.Popen[bytes]] = []
    right = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        found.append(right(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(workers.subprocess, "Popen", popen)
    return found


def test_workers_change_nothing(started: list[subprocess.Popen[bytes]]) -> None:
    """The file's bytes, its sizes and the text are those of one process, and no worker is left."""
    alone, together, back = io.BytesIO(), io.BytesIO(), io.BytesIO()
    first = compress(io.BytesIO(TEXT), alone, sure_model(), workers=1)
    assert started == []
    seen: list[int] = []
    second = compress(
        io.BytesIO(TEXT), together, sure_model(), workers=2, progress=lambda n, _: seen.append(n)
    )
    assert len(started) == 2
    assert together.getvalue() == alone.getvalue()
    second.seconds = first.seconds
    assert second == first
    assert first.blocks[Method.MODEL] == 6
    assert seen == sorted(seen)
    decompress(io.BytesIO(together.getvalue()), back, lambda _: sure_model(), workers=3)
    assert back.getvalue() == TEXT
    assert len(started) == 5
    assert all(process.poll() is not None for process in started)


def test_who_does_the_jobs() -> None:
    """A single job, one worker, or no model: this process; else no more workers than jobs."""
    for quantized, jobs, count in [(None, 9, 4), (small_model(), 1, 4), (small_model(), 9, 1)]:
        with hands(quantized, jobs, count) as found:
            assert isinstance(found, Alone)
    with hands(small_model(), 2, 9) as found:
        assert isinstance(found, Crew)
        assert found._count == 2


def test_an_error_of_a_worker_is_passed_on(started: list[subprocess.Popen[bytes]]) -> None:
    """A block that cannot be decoded is the error that it would be here."""
    good = encode_record(TEXT[:1_500], Codec(sure_model()), None, lambda _: None)[0]
    assert good.method == Method.MODEL
    wrong = Record(Method.MODEL, good.length, good.payload[:-4])
    jobs = [Job(DECODE, record.to_bytes(), record.length) for record in (good, good, wrong, good)]
    with hands(sure_model(), len(jobs), 2) as crew:
        found = crew.results(jobs, lambda _: None)
        assert next(found) == next(found) == TEXT[:1_500]
        with pytest.raises(CompressionError, match="length"):
            next(found)
    assert all(process.poll() is not None for process in started)


def test_a_worker_that_dies_is_an_error(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Its exit code is told, nothing is written, and the other one ends, too."""
    target = tmp_path / "file"

    def kill(done: int, _: int) -> None:
        if done and started[0].poll() is None:
            started[0].kill()

    with pytest.raises(WorkerError, match="exit code"):
        compress(io.BytesIO(TEXT * 3), target, sure_model(), workers=2, progress=kill)
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Wherever compressing or decompressing ends: no file, no process."""
    whole = io.BytesIO()
    compress(io.BytesIO(TEXT), whole, sure_model(), workers=1)

    def interrupt(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    for action in (
        lambda: compress(io.BytesIO(TEXT), tmp_path / "file", sure_model(), False, 1, 2, interrupt),
        lambda: decompress(whole, tmp_path / "back", lambda _: sure_model(), 2, interrupt),
    ):
        whole.seek(0)
        with pytest.raises(KeyboardInterrupt):
            action()
        assert all(process.poll() is not None for process in started)
    assert len(started) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_workers(started: list[subprocess.Popen[bytes]]) -> None:
    """Where the text cannot be written, decoding stops."""
    whole = io.BytesIO()
    compress(io.BytesIO(TEXT), whole, sure_model(), workers=1)

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    whole.seek(0)
    with pytest.raises(OSError, match="space"):
        decompress(whole, Full(), lambda _: sure_model(), workers=2)
    assert all(process.poll() is not None for process in started)


def test_the_worker_program_serves_any_tasks() -> None:
    """The first message is the model; tasks need it, and an error does not end the worker."""
    tasks, answers = io.BytesIO(), io.BytesIO()
    worker.send(tasks, ENCODE, encode_task(b"abc", None))
    worker.send(tasks, worker.MODEL, workers.pack(sure_model()))
    worker.send(tasks, ENCODE, encode_task(TEXT[:1_500], 3))
    worker.send(tasks, DECODE, b"no record")
    worker.send(tasks, ENCODE, encode_task(b"", None))
    tasks.write(b"\x01\xff")
    tasks.seek(0)
    worker.serve(tasks, answers)
    answers.seek(0)
    found = []
    while (answer := worker.receive(answers)) is not None:
        if answer[0] != worker.PROGRESS:
            found.append(answer)
    assert [kind for kind, _ in found] == [
        worker.ERROR,
        worker.RESULT,
        worker.ERROR,
        worker.RESULT,
    ]
    record, statistics = result_of(found[1][1])
    assert (record.method, statistics.lanes) == (Method.MODEL, 3)
    assert result_of(found[3][1])[0] == Record(Method.STORED, 0, b"")


def test_a_worker_ends_with_its_pipes() -> None:
    """When this process is gone, a worker stops, even in the middle of a long block."""
    if os.name != "posix":
        pytest.skip("the pipes of a process that was killed close at once on POSIX only")
    packed = workers.pack(small_model(hidden=150))
    process = workers.Worker(packed)
    inner = process._process
    assert inner.stdin is not None
    assert inner.stdout is not None
    worker.send(inner.stdin, worker.MODEL, packed)
    worker.send(inner.stdin, ENCODE, encode_task(sure_text(65_000), 1))
    assert worker.receive(inner.stdout) is not None
    inner.stdin.close()
    inner.stdout.close()
    began = time.monotonic()
    inner.wait(timeout=10)
    assert time.monotonic() - began < 2
