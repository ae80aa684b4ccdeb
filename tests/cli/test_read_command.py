"""`charnn read`: the surprise of each character, and classes of errors."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import data, in_words, on_terminal, output, refusal, run, succeed
from conftest import VERSE, Trained

CLASSES = ["expected", "n-gram", "rare word", "after newline", "word beginning", "other"]
TINY = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)


def test_json(model: Path, verse: Path) -> None:
    """The figures are those of the whole text, with the loss that `charnn eval` gives."""
    found = data("read", model, verse, "--len", 20)
    scored = data("eval", model, verse)
    assert found["bits_per_symbol"] == pytest.approx(scored["bits_per_char"], rel=1e-5)
    assert found["symbols"] == len(VERSE) - 1
    assert (found["unit"], found["unknown_characters"], found["order"]) == ("char", 0, 9)
    kinds = found["kinds"]
    assert [kind["name"] for kind in kinds] == CLASSES
    assert sum(kind["symbols"] for kind in kinds) == found["symbols"]
    assert sum(kind["share_of_bits"] for kind in kinds) == pytest.approx(1)
    assert found["errors"] == sum(kind["symbols"] for kind in kinds[1:])
    assert all(kind["definition"] for kind in kinds)
    assert "".join(each["symbol"] for each in found["shown"]) == VERSE[:20]
    for each in found["shown"][1:]:
        assert len(each["guesses"]) == 5
        chances = dict(each["guesses"])
        if each["symbol"] in chances:
            assert -math.log2(chances[each["symbol"]]) == pytest.approx(each["bits"], abs=1e-3)
    assert len(found["surprising"]) == 10


def test_a_part(model: Path, verse: Path) -> None:
    """--start and --len choose what is shown; the tables are over the whole text."""
    whole = data("read", model, verse, "--len", "none")
    part = data("read", model, verse, "--start", 100, "--len", 50)
    assert len(whole["shown"]) == len(VERSE)
    assert part["kinds"] == whole["kinds"]
    assert [each["place"] for each in part["shown"]] == list(range(100, 150))
    for one, other in zip(part["shown"], whole["shown"][100:150], strict=True):
        assert one["bits"] == pytest.approx(other["bits"], abs=1e-4)
    message = refusal("read", model, verse, "--start", 10**6)
    assert f"the text has {len(VERSE):,} chars" in message


def test_shown(model: Path, verse: Path) -> None:
    """The tables and the text are shown with a sentence on what they mean, and marks below."""
    shown = output("read", model, verse, "--len", 200)
    for name in (*CLASSES, "all"):
        assert re.search(f"^{name} +[0-9]", shown, re.MULTILINE), name
    assert "bits/char" in shown
    assert "the five likeliest" in shown
    assert "the less the model expected the character" in in_words(shown)
    text, marks = [], []
    lines = shown[shown.index("from 0 on, 200 chars") :].splitlines()[1:]
    for line in lines[: lines.index("")]:
        (marks if re.fullmatch(r"[ 1-9]+", line) else text).append(line)
    assert "".join(text).replace("↵", "") in VERSE.replace("\n", "")
    assert len(marks) > 2


def test_marks_stand_below_their_characters(model: Path, verse: Path) -> None:
    """The digit below a character is its surprise in whole bits."""
    found = data("read", model, verse, "--len", 60)["shown"]
    shown = output("read", model, verse, "--len", 60)
    lines = shown[shown.index("from 0 on") :].splitlines()[1:]
    first = VERSE.index("\n")
    digits = lines[1].ljust(first)
    for each, digit in zip(found[:first], digits, strict=False):
        level = min(int(each["bits"] or 0), 9)
        assert digit == (str(level) if level else " ")


def test_terminal(model: Path, verse: Path) -> None:
    """At 80 columns no line is longer, with colours and without."""
    arguments = ("read", model, verse, "--quiet", "--len", 300)
    coloured = on_terminal(*arguments, columns=80, COLORTERM="truecolor")
    assert "\x1b[37;48;2;" in coloured
    plain = on_terminal(*arguments, columns=80, NO_COLOR="1")
    assert "48;" not in plain
    for text in (coloured, plain):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        assert max(map(len, lines)) <= 80


def test_wide_and_invisible_characters() -> None:
    """Wide characters have their marks below them; control characters are shown as escapes."""
    text = "水の\x1b[2J音\tと水の音。\n" * 40
    Path("wide.txt").write_text(text, encoding="utf-8")
    succeed("train", "wide.txt", *TINY, "--out", "run", "--quiet")
    shown = output("read", "run", "wide.txt", "--len", 24)
    assert "\x1b" not in shown
    assert "水の\\x1b[2J音⇥と水の音。↵" in shown
    assert re.search(r"^[1-9 ]+$", shown, re.MULTILINE)


def test_svg(model: Path, verse: Path) -> None:
    """--svg draws the part."""
    succeed("read", model, verse, "--len", 80, "--svg", "read.svg")
    root = ET.parse("read.svg").getroot()  # noqa: S314
    assert root.tag.endswith("svg")
    assert "Surprise of each character" in "".join(root.itertext())
    assert "no-folder" in refusal("read", model, verse, "--svg", "no-folder/read.svg")


def test_without_the_training_text(trained: Trained, copied: Path) -> None:
    """Where it is not there, two classes are left out with a sentence; --train FILE gives it."""
    away = trained.corpus.with_suffix(".away")
    Path("text.txt").write_text(VERSE[:300], encoding="utf-8")
    before = data("read", copied, "text.txt")
    trained.corpus.rename(away)
    try:
        result = run("read", copied, "text.txt", "--json")
        assert result.exit_code == 0
        assert "without the classes n-gram and rare word" in result.stderr
        assert f"'{trained.corpus}' is not there" in result.stderr
        found = json.loads(result.stdout)
        assert [kind["name"] for kind in found["kinds"]] == [CLASSES[0], *CLASSES[3:]]
        assert found["order"] is None
        assert found["errors"] == before["errors"]
        Path("moved.txt").write_text(VERSE, encoding="utf-8")
        assert data("read", copied, "text.txt", "--train", "moved.txt") == before
        assert "'none.txt'" in refusal("read", copied, "text.txt", "--train", "none.txt")
    finally:
        away.rename(trained.corpus)


def test_unknown_characters(model: Path) -> None:
    """They are left out and noted, as by `charnn eval`."""
    Path("strange.txt").write_text("the tide Ω goes out", encoding="utf-8")
    result = run("read", model, "strange.txt", "--json")
    assert "1 characters are unknown to the model ('Ω' 1x); left out." in result.stderr
    found = json.loads(result.stdout)
    assert found["unknown_characters"] == 1
    assert found["symbols"] == 17
    assert run("read", model, "strange.txt", "--quiet").stderr == ""


def test_from_standard_input(model: Path) -> None:
    """- is standard input; several files are one text."""
    Path("one.txt").write_text(VERSE[:100], encoding="utf-8")
    Path("two.txt").write_text(VERSE[100:200], encoding="utf-8")
    found = data("read", model, "-", stdin=VERSE[:200])
    assert found == data("read", model, "one.txt", "two.txt")


def test_bytes(verse: Path) -> None:
    """A model of bytes shows bytes."""
    succeed("train", verse, "--tokens", "bytes", *TINY, "--out", "run", "--quiet")
    Path("wide.txt").write_text("é" + VERSE[:50], encoding="utf-8")
    found = data("read", "run", "wide.txt")
    assert (found["unit"], len(found["shown"])) == ("byte", 52)
    assert "52 bytes" in output("read", "run", "wide.txt")


def test_too_short(model: Path) -> None:
    """A text in which nothing can be predicted is refused."""
    Path("short.txt").write_text("t", encoding="utf-8")
    assert "'short.txt'" in refusal("read", model, "short.txt")
    Path("two.txt").write_text("th", encoding="utf-8")
    assert "1 chars predicted" in output("read", model, "two.txt")


def test_other_tasks_are_refused() -> None:
    """A model of another task is not for this command."""
    Path("rows.tsv").write_text("ab\tx\nba\ty\n" * 20, encoding="utf-8")
    tiny = ("--hidden-size", 4, "--steps", 2, "--batch-size", 2)
    succeed("train", "rows.tsv", "--task", "classify", *tiny, "--out", "run", "--quiet")
    message = refusal("read", "run", "rows.tsv")
    assert "`charnn read`, which is for language models; use `charnn predict" in message
