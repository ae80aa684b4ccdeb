"""`charnn vocab`: symbols, ids, counts, one-hot vectors, entropy."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest
from commands import data, output, refusal, succeed

import charnn


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows: what stands under the line."""
    body = text.split("─\n", 1)[1].split("\n\n", 1)[0]
    return [re.split(r" {2,}", line.strip()) for line in body.splitlines()]


def entropy(text: str) -> float:
    """Return the entropy of a text's characters in nats."""
    return -sum(n / len(text) * math.log(n / len(text)) for n in Counter(text).values())


def test_the_table() -> None:
    """Each symbol has its id, name, code point, count and share, sorted by code point."""
    text = "hello world\n"
    Path("a.txt").write_text(text)
    shown = output("vocab", "a.txt")
    assert shown.startswith("9 symbols\n")
    rows = table_rows(shown)
    assert [row[0] for row in rows] == [str(n) for n in range(9)]
    names = {"\n": "newline", " ": "space"}
    assert rows == [
        [
            str(number),
            names.get(symbol, symbol),
            f"U+{ord(symbol):04X}",
            str(text.count(symbol)),
            f"{text.count(symbol) / len(text):.3%}",
        ]
        for number, symbol in enumerate(sorted(set(text)))
    ]


def test_entropy(verse: Path) -> None:
    """The entropy of the character distribution, in nats and bits, ends the table."""
    text = verse.read_text()
    H = entropy(text)
    last = output("vocab", verse).splitlines()[-1]
    assert last == (
        f"{len(text):,} chars; entropy {H:.4f} nats/char ({H / math.log(2):.4f} bits/char)"
    )


def test_json(verse: Path) -> None:
    """--json has the same as data."""
    text = verse.read_text()
    found = data("vocab", verse)
    assert found["size"] == len(set(text))
    assert found["total"] == len(text)
    assert found["entropy_nats"] == pytest.approx(entropy(text))
    assert found["entropy_bits"] == pytest.approx(entropy(text) / math.log(2))
    assert {entry["code_point"]: entry["count"] for entry in found["symbols"]} == {
        f"U+{ord(symbol):04X}": n for symbol, n in Counter(text).items()
    }


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("\n", "newline"),
        ("\t", "tab"),
        ("\r", "carriage return"),
        (" ", "space"),
        ("\0", "NUL"),
        ("\N{NO-BREAK SPACE}", "no-break space"),
        ("\ufeff", "zero width no-break space"),
        ("\x1b", "u+001b"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}", "right-to-left override"),
        ("\N{COMBINING ACUTE ACCENT}", "◌\N{COMBINING ACUTE ACCENT}"),
        ("😀", "😀"),
        ("[", "["),
    ],
)
def test_names(symbol: str, name: str) -> None:
    """Control characters and spaces are named, and never printed raw; others are themselves."""
    Path("a.txt").write_bytes(f"ab{symbol}".encode())
    entry = next(
        e for e in data("vocab", "a.txt")["symbols"] if e["code_point"] == f"U+{ord(symbol):04X}"
    )
    assert entry["symbol"].lower() == name.lower()
    shown = output("vocab", "a.txt")
    assert name.lower() in shown.lower()
    if not symbol.isprintable() and symbol != "\n":
        assert symbol not in shown


def test_one_hot() -> None:
    """--one-hot prints the vectors of a text: 1 at the symbol's id, 0 elsewhere."""
    Path("hello.txt").write_text("hello")
    rows = table_rows(output("vocab", "hello.txt", "--one-hot", "hello"))
    assert [row[-2] for row in rows] == list("hello")
    assert [row[-1] for row in rows] == ["0 1 0 0", "1 0 0 0", "0 0 1 0", "0 0 1 0", "0 0 0 1"]
    assert data("vocab", "hello.txt", "--one-hot", "oh")["one_hot"] == [[0, 0, 0, 1], [0, 1, 0, 0]]


def test_one_hot_of_a_real_vocabulary() -> None:
    """The vectors are whole, however many symbols the text has."""
    symbols = "".join(map(chr, range(0x21, 0x7F)))
    Path("many.txt").write_text(symbols)
    shown = output("vocab", "many.txt", "--one-hot", "z!")
    vectors = re.findall(r"(?:[01] ){93}[01]", " ".join(shown.split()))
    assert [vector.split().index("1") for vector in vectors] == [symbols.index("z"), 0]
    assert "…" not in shown


def test_one_hot_of_a_stranger() -> None:
    """A character that the corpus lacks has no vector, and is named."""
    Path("hello.txt").write_text("hello")
    assert "'x'" in refusal("vocab", "hello.txt", "--one-hot", "hex")


def test_one_hot_of_a_rare_character() -> None:
    """With --min-count a character that is too rare has the unknown symbol's vector."""
    Path("a.txt").write_text("aabbc")
    found = data("vocab", "a.txt", "--min-count", 2, "--one-hot", "ac")
    assert found["one_hot"] == [[1, 0, 0], [0, 0, 1]]


def test_min_count() -> None:
    """--min-count keeps what is frequent; the others are counted as the unknown symbol."""
    Path("a.txt").write_text("aaabbc")
    found = data("vocab", "a.txt", "--min-count", 2)
    assert [(e["symbol"], e["count"]) for e in found["symbols"]] == [
        ("a", 3),
        ("b", 2),
        ("unknown", 1),
    ]
    assert "unknown" in output("vocab", "a.txt", "--min-count", 2)
    assert "--min-count" in refusal("vocab", "a.txt", "--min-count", 4)


def test_bytes() -> None:
    """--tokens bytes counts all 256 bytes, whatever the text is."""
    Path("a.bin").write_bytes(b"\xff\xff\x00a")
    found = data("vocab", "a.bin", "--tokens", "bytes")
    counts = {e["id"]: e["count"] for e in found["symbols"]}
    assert len(counts) == found["size"] == 256
    assert {n: c for n, c in counts.items() if c} == {0: 1, ord("a"): 1, 255: 2}
    shown = output("vocab", "a.bin", "--tokens", "bytes")
    assert "0xff" in shown
    assert "bits/byte" in shown


def test_a_vocabulary_file(verse: Path) -> None:
    """--out saves the vocabulary, says so, and `train --vocab` uses it."""
    result = succeed("vocab", verse, "--out", "symbols.json")
    assert "symbols.json" in result.stderr
    assert "charnn train --vocab symbols.json" in result.stderr
    symbols = "".join(sorted(set(verse.read_text())))
    assert json.loads(Path("symbols.json").read_text())["symbols"] == symbols
    Path("less.txt").write_text(verse.read_text()[:300])
    tiny = ("--hidden-size", 4, "--steps", 1, "--batch-size", 2, "--seq-length", 8)
    succeed("train", "less.txt", *tiny, "--vocab", "symbols.json", "--out", "run")
    assert charnn.load("run").vocabulary.symbols == symbols


def test_quiet(verse: Path) -> None:
    """--quiet leaves the results and drops the notes."""
    assert output("vocab", verse, "--out", "v.json", "--quiet") == output("vocab", verse)


def test_several_files_standard_input_and_gzip() -> None:
    """Files are counted together; `-` and .gz are read."""
    Path("one.txt").write_text("aab")
    Path("two.txt.gz").write_bytes(gzip.compress(b"bc"))
    found = data("vocab", "one.txt", "two.txt.gz", "-", stdin="cccd")
    assert [(e["symbol"], e["count"]) for e in found["symbols"]] == [
        ("a", 2),
        ("b", 2),
        ("c", 4),
        ("d", 1),
    ]


def test_nothing_is_interpreted() -> None:
    """Brackets and emoji codes in a corpus are symbols, not rich's markup."""
    Path("a.txt").write_text("[red]:smile:")
    rows = table_rows(output("vocab", "a.txt"))
    assert [row[1] for row in rows] == sorted(set("[red]:smile:"))


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}', "{}", '"text"'])
def test_a_damaged_vocabulary_file(content: str, verse: Path) -> None:
    """train --vocab names a file that is no vocabulary."""
    Path("v.json").write_text(content)
    assert "'v.json'" in refusal("train", verse, "--vocab", "v.json")
