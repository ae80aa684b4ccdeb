"""Other compressors: those that are here give texts back, those that are not are named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from charnn.bench import compressors as module
from charnn.bench.compressors import compressors, program
from charnn.errors import InputError

TEXT = b"the tide goes out and a lamp stays lit, all night.\r\n\xff" * 40
COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
SHOW = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Return a text in a folder of its own."""
    path = tmp_path / "a text.txt"
    path.write_bytes(TEXT)
    return path


def test_all_of_this_machine_give_the_text_back(text: Path, tmp_path: Path) -> None:
    """Python's three are everywhere; the others are where their programs are."""
    found, missing = compressors()
    figures = [each.figures(text, tmp_path) for each in found]
    assert [each.name for each in figures][:3] == ["gzip -9", "bzip2 -9", "xz -9e"]
    assert all(0 < each.size < len(TEXT) / 4 for each in figures)
    assert all(each.seconds > 0 and each.seconds_back > 0 for each in figures)
    names = {name for name, *_ in module.PROGRAMS}
    assert {each.name for each in found[3:]} | set(missing) == names


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program is installed, Python's modules are left."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found, missing = compressors()
    assert len(found) == 3
    assert missing == ["zstd --ultra -22", "brotli -q 11", "7z PPMd"]


def test_a_program_that_writes_to_its_output(text: Path, tmp_path: Path) -> None:
    """Like 7-Zip, which can be told no name for what it unpacks."""
    there = (sys.executable, "-c", COPY, "{source}", "{target}")
    back = (
        sys.executable,
        "-c",
        "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())",
        "{source}",
    )
    assert program("copy", there, back).figures(text, tmp_path).size == len(TEXT)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("raise SystemExit('no room')", "^copy failed .no room.; leave it out of the PATH"),
        ("import sys; open(sys.argv[2], 'w').write('else')", "^copy did not give '.*' back"),
    ],
)
def test_a_program_that_fails(code: str, sentence: str, text: Path, tmp_path: Path) -> None:
    """An exit code, or another text, is an error and no figure."""
    words = (sys.executable, "-c", COPY, "{source}", "{target}")
    wrong = (sys.executable, "-c", code, "{source}", "{target}")
    with pytest.raises(InputError, match=sentence):
        program("copy", words, wrong).figures(text, tmp_path)
    with pytest.raises(InputError, match="nothing failed"):
        program("nothing", ("charnn-no-such-program", "{target}"), ()).figures(text, tmp_path)
