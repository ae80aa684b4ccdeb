"""`charnn report`: one page from a run and a text."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import data, output, refusal, succeed
from trained import Trained


def test_a_report(model: Path, trained: Trained) -> None:
    """The page is written, and its size is said."""
    shown = output("report", model, trained.corpus, "-o", "page.html")
    size = Path("page.html").stat().st_size
    assert shown == f"page.html: 10 sections, {size:,} bytes; open it in a browser.\n"
    first = Path("page.html").read_bytes()
    found = data("report", model, trained.corpus, "-o", "page.html", "--seed", 2)
    assert found["bytes"] == Path("page.html").stat().st_size
    assert found["sections"][0] == "The run and its text"
    assert Path("page.html").read_bytes() != first


def test_standard_input(model: Path) -> None:
    """- reads the text from there; what the model does not know is told."""
    told = succeed("report", model, "-", stdin="the tide goes out \u03b1\n" * 9)
    assert told.stderr == "note: 9 characters of the text are unknown to the model.\n"
    page = Path("report.html").read_text(encoding="utf-8")
    assert "standard input" in page
    assert "α" in page


@pytest.mark.parametrize("name", ["best.npz", "last.npz"])
def test_a_checkpoint_alone(name: str, copied: Path, trained: Trained) -> None:
    """It has a report, too."""
    output("report", copied / name, trained.corpus)
    assert "is a checkpoint alone" in Path("report.html").read_text(encoding="utf-8")


def test_refusals(model: Path, verse: Path) -> None:
    """One sentence each; no page is written."""
    assert "does not exist" in refusal("report", "nowhere", verse)
    assert "missing.txt" in refusal("report", model, "missing.txt")
    assert "single char" in refusal("report", model, "-", stdin="t")
    assert "the report 'none/a.html' cannot be written" in refusal(
        "report", model, verse, "-o", "none/a.html"
    )
    examples = Path("x.tsv")
    examples.write_text("ab\tX\ncd\tY\n" * 20, encoding="utf-8")
    succeed("train", examples, "--task", "classify", "--steps", 2, "--out", "classes", "-q")
    assert "language models only" in refusal("report", "classes", verse)
