"""Lines as they arrive: whole, counted, and decoded across the blocks that they come in."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from charnn.errors import CorpusError
from charnn.text import live_lines as module
from charnn.text.live_lines import LiveLine, live_lines

TEXT = "\ufeffgull\r\nþýður\n\nlast\u2028line"
LINES = ["gull", "þýður", "", "last\u2028line"]


def read(*names: str, encoding: str = "utf-8") -> list[LiveLine]:
    """Return all lines of files."""
    return [line for group in live_lines(names, encoding) for line in group]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-8-sig"])
def test_blocks_do_not_matter(
    block: int, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters and lines that lie across two blocks are whole; only a line feed ends a line."""
    monkeypatch.setattr(module, "BLOCK", block)
    file = tmp_path / "a.txt"
    file.write_bytes(TEXT.encode(encoding))
    found = read(str(file), encoding=encoding)
    assert [line.text for line in found] == LINES
    assert [line.number for line in found] == [1, 2, 3, 4]
    for line in found:
        line.check(encoding)


def test_long_files_come_in_groups(tmp_path: Path) -> None:
    """Of a thousand lines or so, whose numbers go on from file to file's end."""
    file = tmp_path / "a.txt.gz"
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(f"{n}\n" for n in range(1, 5_001))
    groups = list(live_lines([str(file)], "utf-8"))
    assert max(map(len, groups)) <= module.TOGETHER
    assert len(groups) > 1
    lines = [line for group in groups for line in group]
    assert [line.text for line in lines] == [str(line.number) for line in lines]
    assert len(lines) == 5_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Each line comes before the next one is written, and a pipe is not opened to be checked."""
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    got, asked = threading.Semaphore(0), ["one\n", "two\n"]

    def writer() -> None:
        with Path(pipe).open("w", encoding="utf-8", buffering=1) as out:
            for line in asked:
                out.write(line)
                assert got.acquire(timeout=10)

    thread = threading.Thread(target=writer)
    thread.start()
    found = []
    for group in live_lines([pipe], "utf-8"):
        found += [line.text for line in group]
        got.release()
    thread.join()
    assert found == ["one", "two"]


def test_bytes_of_another_encoding(tmp_path: Path) -> None:
    """The line is given out, and its check says which byte is wrong."""
    file = tmp_path / "a.txt"
    file.write_bytes(b"gull\ng\xfcll\nend\n")
    first, second, third = read(str(file))
    first.check("utf-8")
    third.check("utf-8")
    with pytest.raises(CorpusError, match=r"the byte 0xfc is not UTF-8; give the encoding"):
        second.check("utf-8")
    assert second.error("what") == f"file '{file}', line 2: what"


def test_a_damaged_file(tmp_path: Path) -> None:
    """What precedes the damage is given out, and the error says where it is."""
    file = tmp_path / "a.gz"
    whole = gzip.compress(b"gull\n" * 100_000)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match=r"a\.gz' cannot be read after line [1-9]"):
        read(str(file))


def test_every_file_is_checked_before_the_first_line(tmp_path: Path) -> None:
    """A name that is wrong ends nothing half-way."""
    (tmp_path / "a.txt").write_text("gull\n")
    with pytest.raises(CorpusError, match="nothing"):
        live_lines([str(tmp_path / "a.txt"), str(tmp_path / "nothing")], "utf-8")
    with pytest.raises(CorpusError, match="only once"):
        live_lines(["-", "-"], "utf-8")
    with pytest.raises(CorpusError, match="klingon"):
        live_lines([str(tmp_path / "a.txt")], "klingon")
