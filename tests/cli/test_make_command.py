"""`charnn make`: lines on standard output or in a file, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from commands import data, lines_of, output, refusal, snapshot, succeed

from charnn.config import MADE

ADDITION = "8+0\t8\n0+69\t69\n572+92\t664\n"
BRACKETS = "][\tunbalanced\n{}\tbalanced\n"

every_kind = pytest.mark.parametrize("kind", MADE)


@every_kind
def test_lines_of_two_columns(kind: str) -> None:
    """Standard output has as many lines as asked for, each with one tab."""
    text = output("make", kind, "--examples", 40)
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert len(lines) == 40
    assert all(line.count("\t") == 1 and "\r" not in line for line in lines)


@every_kind
def test_the_same_seed(kind: str) -> None:
    """The lines depend on the seed and on nothing else."""
    first = output("make", kind, "--examples", 40)
    assert output("make", kind, "--examples", 40, "--seed", 1) == first
    assert output("make", kind, "--examples", 40, "--seed", 2) != first


def test_lines_stay_the_same() -> None:
    """A data set that was published with its command can be made again."""
    assert output("make", "addition", "--examples", 3) == ADDITION
    assert output("make", "brackets", "--examples", 2, "--max-length", 8) == BRACKETS


def test_a_thousand_by_default() -> None:
    """Without --examples there are 1,000 lines."""
    assert output("make", "copy").count("\n") == 1000


def test_a_file() -> None:
    """--out writes what standard output would have had, and says how to go on."""
    lines = output("make", "reverse", "--examples", 9000)
    result = succeed("make", "reverse", "--examples", 9000, "--out", "r.tsv")
    assert Path("r.tsv").read_bytes() == lines.encode()
    assert result.stdout == ""
    assert result.stderr == (
        f"r.tsv: 9,000 lines, {len(lines):,} bytes.\nnext: charnn train r.tsv --task transduce\n"
    )
    assert list(snapshot(Path())) == ["r.tsv"]
    assert output("make", "reverse", "--out", "s.tsv", "--quiet") == ""


def test_utf8() -> None:
    """Symbols outside ASCII are written in UTF-8, whatever the locale."""
    succeed("make", "copy", "--symbols", "äßЖ語😀", "--examples", 50, "--out", "u.tsv")
    lines = Path("u.tsv").read_bytes().decode("utf-8").splitlines()
    assert set("".join(lines)) == set("äßЖ語😀\t")
    assert output("make", "copy", "--symbols", "äßЖ語😀", "--examples", 50).splitlines() == lines


def test_an_existing_file_is_kept() -> None:
    """A file is replaced with --force only."""
    Path("mine.tsv").write_text("a\tb\n")
    sentence = refusal("make", "copy", "--out", "mine.tsv")
    assert "'mine.tsv'" in sentence
    assert "--force" in sentence
    succeed("make", "copy", "--out", "mine.tsv", "--force", "--examples", 5)
    assert len(Path("mine.tsv").read_text().splitlines()) == 5


def test_a_refusal_keeps_the_file_even_with_force() -> None:
    """What cannot be made replaces nothing."""
    Path("mine.tsv").write_text("a\tb\n")
    refusal("make", "addition", "--digits", 1, "--examples", 101, "--out", "mine.tsv", "--force")
    assert Path("mine.tsv").read_text() == "a\tb\n"


def test_a_file_appears_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the old file, and no piece of the new one."""
    Path("mine.tsv").write_text("a\tb\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    sentence = refusal("make", "copy", "--out", "mine.tsv", "--force")
    assert "'mine.tsv' cannot be written (No space left on device)" in sentence


@pytest.mark.parametrize("out", ["folder", "notes.txt/x.tsv", "nowhere/x.tsv"])
def test_a_place_that_cannot_be_written(out: str) -> None:
    """A folder, a file taken for a folder, and a folder that is not there."""
    Path("folder").mkdir()
    Path("notes.txt").write_text("a file, no folder")
    assert f"'{out}'" in refusal("make", "copy", "--out", out)


def test_json_lines() -> None:
    """--json prints the same examples as objects."""
    lines = output("make", "brackets", "--examples", 20).splitlines()
    found = lines_of(output("make", "brackets", "--examples", 20, "--json"))
    assert [f"{entry['source']}\t{entry['target']}" for entry in found] == lines


def test_json_about_a_file() -> None:
    """With --out, --json says what was written."""
    found = data("make", "memorise", "--out", "m.tsv", "--seed", 7)
    assert found == {
        "file": "m.tsv",
        "bytes": Path("m.tsv").stat().st_size,
        "examples": 1000,
        "kind": "memorise",
        "seed": 7,
    }
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        (["addtion"], ["'addtion'", "Did you mean 'addition'?"]),
        (["copy", "--digits", 3], ["--digits", "addition"]),
        (["copy", "--lag", 3], ["--lag", "memorise"]),
        (["brackets", "--reverse"], ["--reverse", "addition"]),
        (["addition", "--symbols", "01"], ["--symbols", "leave it out"]),
        (["addition", "--max-length", 3], ["--max-length", "leave it out"]),
        (["copy", "--examples", 0], ["examples is 0"]),
        (["copy", "--examples", "many"], ["examples is 'many'"]),
        (["copy", "--max-length", 1001], ["max_length is 1001"]),
        (["addition", "--digits", 1, "--examples", 101], ["only 100", "--digits"]),
        (["memorise", "--lag", 5, "--min-length", 5], ["lag is 5"]),
        (["copy", "--force"], ["--force", "--out"]),
    ],
    ids=lambda part: " ".join(map(str, part)),
)
def test_what_is_refused(typed: list[object], parts: list[str]) -> None:
    """Wrong use ends in one sentence, exit code 2, and nothing is written."""
    sentence = refusal("make", *typed)
    assert all(part in sentence for part in parts), sentence


def test_the_kind_is_needed() -> None:
    """Without a kind there is nothing to make."""
    assert "KIND" in refusal("make")
