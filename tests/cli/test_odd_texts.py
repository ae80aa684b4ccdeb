"""CRLF, BOM, emoji, combining characters, NUL, long lines: what goes in can come out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from commands import data, events, output, succeed

import charnn

TEXTS = {
    "CRLF": "to be\r\nor not\r\n",
    "lone CR": "a\rb\rc\n",
    "BOM": "\ufefftide\ufeff",
    "emoji": "a😀b👍🏽c",
    "joined emoji": "👩\N{ZERO WIDTH JOINER}💻",
    "combining": "e\N{COMBINING ACUTE ACCENT}xe\N{COMBINING DIAERESIS}y",
    "NUL": "a\0b\x01c",
    "escape": "\x1b[31mred",
    "line separators": "a\N{LINE SEPARATOR}b\x85c\x0cd",
    "right to left": "א\N{RIGHT-TO-LEFT MARK}בג",
    "last of Unicode": "x\U0010ffffy",
    "markup": "[b]x[/] :a:",
}
texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@pytest.fixture
def corpus(text: str) -> Path:
    """Return the name of a file that holds the text again and again."""
    Path("odd.txt").write_bytes(text.encode() * 60)
    return Path("odd.txt")


@texts
def test_the_vocabulary_is_exact(text: str, corpus: Path) -> None:
    """Every character counts as itself: nothing is translated, stripped or merged."""
    found = data("vocab", corpus)
    assert {entry["code_point"]: entry["count"] for entry in found["symbols"]} == {
        f"U+{ord(symbol):04X}": 60 * n for symbol, n in Counter(text).items()
    }
    assert found["total"] == 60 * len(text)


@texts
def test_the_table_is_safe_to_print(text: str, corpus: Path) -> None:
    """The table has a row for each symbol, and no control character but its own line ends."""
    shown = output("vocab", corpus)
    for symbol in set(text):
        assert f"U+{ord(symbol):04X}" in shown
    assert not {c for c in shown if not c.isprintable()} - {"\n"} - set("\N{ZERO WIDTH JOINER}")


@pytest.mark.parametrize("text", ["".join(TEXTS.values())], ids=["all of them"])
def test_what_goes_in_comes_out(text: str, corpus: Path) -> None:
    """A model that has learned all the texts gives them back, character for character."""
    *_, end = events(
        *(corpus, "--cell", "gru", "--hidden-size", 48, "--dropout", 0, "--val-fraction", 0),
        *("--batch-size", 2, "--seq-length", len(text), "--steps", 150),
        *("--learning-rate", 0.02),
    )
    assert end["train_loss"] < 0.5
    flags = ["--temperature", 0, "--prime", "-", "--len", 2 * len(text)]
    result = succeed("sample", "runs/odd-gru", *flags, stdin=text)
    assert result.stdout_bytes == text.encode() * 3
    assert result.stderr == ""
    wild = succeed("sample", "runs/odd-gru", "--temperature", 50, "--len", 3000).stdout_bytes
    assert set(wild.decode()) == set(text)


@pytest.mark.parametrize("text", ["".join(TEXTS.values())], ids=["all of them"])
def test_what_is_shown_of_a_model(text: str, corpus: Path) -> None:
    """`info` and eval take such a model, and name its symbols without printing raw controls."""
    tiny = ("--hidden-size", 4, "--steps", 2, "--batch-size", 2, "--seq-length", 4, "--quiet")
    succeed("train", corpus, *tiny, "--out", "run")
    shown = output("info", "run")
    assert not {c for c in shown if not c.isprintable()} - {"\n"} - set("\N{ZERO WIDTH JOINER}")
    assert data("eval", "run", corpus)["characters"] == 60 * len(text)


def test_one_very_long_line() -> None:
    """A text without a line end is read, learned and sampled like any other."""
    Path("long.txt").write_text("abc " * 500_000)
    first, *_ = events(
        *("long.txt", "--hidden-size", 4, "--steps", 2, "--val-fraction", 0.001),
        *("--eval-every", 2),
    )
    assert first["corpus"]["train"] == 1_998_000
    assert len(output("sample", "runs/long-lstm", "--len", 50)) == 50
    assert set(output("sample", "runs/long-lstm")) <= set("abc ")
    assert data("vocab", "long.txt")["total"] == 2_000_000


def test_a_long_line_is_not_wrapped() -> None:
    """What is sampled has the corpus' line ends only."""
    Path("long.txt").write_text("abc" * 300)
    succeed("train", "long.txt", "--hidden-size", 4, "--steps", 2, "--quiet")
    text = output("sample", "runs/long-lstm", "--len", 3000)
    assert len(text) == 3000
    assert "\n" not in text


def test_half_a_surrogate_pair() -> None:
    """UTF-16 text with characters beyond the basic plane is read with --encoding."""
    Path("wide.txt").write_bytes(("a😀b\n" * 60).encode("utf-16"))
    tiny = ("--hidden-size", 4, "--steps", 2, "--batch-size", 2, "--seq-length", 8, "--quiet")
    succeed("train", "wide.txt", "--encoding", "utf-16", *tiny)
    assert charnn.load("runs/wide-lstm").vocabulary.symbols == "\nab😀"
