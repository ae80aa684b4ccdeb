"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charnn.files import append, leftovers, replacing, write_text


class PowerCut(BaseException):
    """What no `except Exception` catches."""


@pytest.fixture
def umask() -> Iterator[None]:
    """Run under an unusual umask, and put the old one back."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    """Return what lies in a folder, hidden files included."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_new_file_has_what_was_written(tmp_path: Path) -> None:
    """The content lands under the name, and nothing else is left beside it."""
    path = tmp_path / "a.bin"
    with replacing(path) as file:
        file.write(b"one ")
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert names(tmp_path) == ["a.bin"]


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    """A reader sees the old content during the block and the new one after it."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        (temporary,) = set(names(tmp_path)) - {"a.bin"}
        assert temporary.startswith(".a.bin.")
        assert temporary.endswith(".tmp")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, PowerCut])
def test_a_failing_block_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    """Whatever the block raises is passed on; the old file stays and no temporary one."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half of the ne")
            raise error("in the middle")

    with pytest.raises(error) as caught:
        write_half()
    assert "in the middle" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_failing_block_makes_no_file(tmp_path: Path) -> None:
    """Where there was no file there is none after an error either."""
    with pytest.raises(ValueError, match="stop") as caught, replacing(tmp_path / "a.bin"):
        raise ValueError("stop")
    assert caught.type is ValueError
    assert names(tmp_path) == []


@pytest.mark.parametrize(("place", "function"), [(os, "fsync"), (Path, "replace"), (Path, "chmod")])
def test_a_failing_system_call_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object, function: str
) -> None:
    """A full disk at the last moment is an OSError, and the old file is still whole."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, function, fail)
    with pytest.raises(OSError, match="No space left") as caught, replacing(path) as file:
        file.write(b"new")
    monkeypatch.undo()
    assert caught.value.errno == 28
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_the_content_is_synced_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is fsync of the file, rename, fsync of the folder."""
    calls = []
    fsync, replace = os.fsync, Path.replace

    def logged_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"fsync {kind}")
        fsync(descriptor)

    def logged_replace(source: Path, target: Path) -> Path:
        calls.append("replace")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"x")
    assert calls == ["fsync file", "replace", "fsync folder"]


def test_rights_follow_the_umask(tmp_path: Path, umask: None) -> None:
    """A file has the rights that `open` would have given it, not a temporary file's."""
    with replacing(tmp_path / "a.bin") as file:
        file.write(b"x")
    write_text(tmp_path / "b.txt", "x")
    (tmp_path / "c.txt").write_text("x")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == {0o640}
    assert os.umask(0o027) == 0o027


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """No folder is made on the way: that is the caller's business."""
    with pytest.raises(FileNotFoundError) as caught:
        write_text(tmp_path / "none" / "a.txt", "x")
    assert "none" in str(caught.value)
    assert names(tmp_path) == []


def test_a_relative_name_is_written_where_it_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare file name means the working folder."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("a.txt"), "x")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    "text", ["", "a\nb\r\nc\rd", "\ufeffmark", "na\u00efve \U0001f30a\0", "no newline at the end"]
)
def test_text_is_utf_8_without_translation(tmp_path: Path, text: str) -> None:
    """Line endings, a byte-order mark and NUL are written as they are, and nothing is added."""
    path = tmp_path / "a.txt"
    write_text(path, text)
    assert path.read_bytes() == text.encode("utf-8")


@given(st.text())
@settings(derandomize=True, deadline=None, max_examples=30)
def test_any_text_is_written(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """`write_text` writes any text that UTF-8 can hold."""
    path = tmp_path_factory.getbasetemp() / "any.txt"
    write_text(path, text)
    assert path.read_bytes().decode("utf-8") == text


def test_text_that_utf_8_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    """A lone surrogate is refused before the old file is touched."""
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError) as caught:
        write_text(path, "\ud800")
    assert "surrogates not allowed" in str(caught.value)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_what_was_there_before_is_kept(tmp_path: Path) -> None:
    """With `keep` the old file gets another name; before there is one, nothing does."""
    path, kept = tmp_path / "file", tmp_path / "kept"
    for content in (b"one", b"two", b"three"):
        with replacing(path, kept) as file:
            file.write(content)
        assert path.read_bytes() == content
        assert not kept.exists() or kept.read_bytes() != content
    assert kept.read_bytes() == b"two"


def test_a_short_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be appended in part only is cut off again."""
    path = tmp_path / "file"
    append(path, b"one\n")
    opened = Path.open

    class Short:
        """A file on a disk with room for two more bytes."""

        def __init__(self, file: Any) -> None:
            self.file = file
            self.seek, self.truncate = file.seek, file.truncate

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> int:
            """Write two bytes."""
            return int(self.file.write(content[:2]))

    monkeypatch.setattr(Path, "open", lambda self, *a, **n: Short(opened(self, *a, **n)))
    with pytest.raises(OSError, match="only 2 of 4 bytes"):
        append(path, b"two\n")
    monkeypatch.undo()
    assert path.read_bytes() == b"one\n"


def test_leftovers_are_the_temporary_files_of_names(tmp_path: Path) -> None:
    """A file of another name, or that is not temporary, is no leftover."""
    for name in (".a.npz.x1.tmp", ".b.npz.x1.tmp", "a.npz", ".a.npz.x1", "a.npz.tmp"):
        (tmp_path / name).touch()
    assert [entry.name for entry in leftovers(tmp_path, ["a.npz"])] == [".a.npz.x1.tmp"]
