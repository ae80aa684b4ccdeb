"""`charnn fetch` without a network: names, addresses, and files that are there already.

What comes over the network is tested in tests/text/test_fetch.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import refusal, run

from charnn.text.fetch import CORPORA


def test_the_known_corpus() -> None:
    """The corpus comes from its repository, with its known size and digest."""
    download = CORPORA["tinyshakespeare"]
    assert download.url.startswith("https://raw.githubusercontent.com/karpathy/char-rnn/")
    assert download.url.endswith("/data/tinyshakespeare/input.txt")
    assert download.size == 1_115_394
    assert download.sha256 == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def test_an_unknown_name() -> None:
    """A misspelt corpus is answered with the closest that there is."""
    sentence = refusal("fetch", "tinyshakespear")
    assert "'tinyshakespear'" in sentence
    assert "Did you mean 'tinyshakespeare'?" in sentence


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "input.txt", "", "http://[x"]
)
def test_no_web_address(url: str) -> None:
    """--url must be an address of the web; nothing else is opened."""
    assert repr(url) in refusal("fetch", "tinyshakespeare", "--url", url)


@pytest.mark.parametrize("place", ["é", "a b", "\x1b[2J", "%"])
def test_an_odd_address(place: str) -> None:
    """An address with characters that no address has ends in one sentence, too."""
    result = run("fetch", "tinyshakespeare", "--url", f"http://127.0.0.1:1/{place}")
    assert result.exit_code in {1, 2}
    assert re.fullmatch(r"Error: [^\n]+\n", result.stderr)
    assert "\x1b" not in result.stderr
    assert list(Path().iterdir()) == []


def test_another_file_is_kept() -> None:
    """A file that is not the corpus is not overwritten; the error names the ways out."""
    Path("tinyshakespeare.txt").write_text("my own notes")
    sentence = refusal("fetch", "tinyshakespeare", "--url", "http://127.0.0.1:1/")
    assert "'tinyshakespeare.txt'" in sentence
    assert "--force" in sentence
    assert "--out" in sentence


@pytest.mark.parametrize("out", ["notes.txt/input.txt", "folder"])
def test_a_place_that_cannot_be_written(out: str) -> None:
    """A place that cannot be written is noticed before anything is downloaded."""
    Path("notes.txt").write_text("a file, no folder")
    Path("folder").mkdir()
    sentence = refusal("fetch", "tinyshakespeare", "--out", out, "--url", "http://127.0.0.1:1/")
    assert f"'{out}'" in sentence
