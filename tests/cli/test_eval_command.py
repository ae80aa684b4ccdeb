"""`charnn eval`: the loss of a model on texts."""

from __future__ import annotations

import gzip
import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from commands import data, output, refusal, run, succeed

import charnn


def naive_loss(folder: Path, text: str) -> float:
    """Return the mean loss by reading one character after the other, in float64."""
    saved = charnn.load(folder)
    parameters = saved.parameters.astype(np.float64)
    model = saved.model.with_parameters(parameters)
    ids = saved.vocabulary.encode(text).astype(int)
    states, total = model.zero_states(1), 0.0
    for now, after in pairwise(ids):
        logits, states, _ = model.logits(np.array([[now]]), states)
        total -= logits[0, after] - np.log(np.exp(logits[0]).sum())
    return total / (len(ids) - 1)


def test_json(model: Path, verse: Path) -> None:
    """The keys are the documented ones, and the unit; the figures are one loss in three forms."""
    found = data("eval", model, verse)
    assert set(found) - {"unit"} == {
        *("characters", "unknown_characters", "nats_per_char", "bits_per_char", "perplexity")
    }
    text = verse.read_text()
    assert (found["characters"], found["unknown_characters"]) == (len(text), 0)
    nats = charnn.evaluate(charnn.load(model), text).nats_per_symbol
    assert found["nats_per_char"] == nats
    assert found["bits_per_char"] == pytest.approx(nats / math.log(2), rel=1e-12)
    assert found["perplexity"] == pytest.approx(math.exp(nats), rel=1e-12)


def test_the_figures_are_right(model: Path) -> None:
    """The loss is that of the naive forward pass, character by character."""
    text = "the tide goes out\nand a lamp stays lit, all night"
    Path("short.txt").write_text(text)
    expected = naive_loss(model, text)
    assert data("eval", model, "short.txt")["nats_per_char"] == pytest.approx(expected, rel=1e-5)


def test_shown(model: Path, verse: Path) -> None:
    """Without --json one line has the same figures with their units, and nothing is noted."""
    found = data("eval", model, verse)
    shown = output("eval", model, verse)
    assert shown.count("\n") == 1
    assert f"{found['nats_per_char']:.4f} nats/char" in shown
    assert f"{found['bits_per_char']:.4f} bits/char" in shown
    assert f"perplexity {found['perplexity']:.3f}" in shown
    assert f"{found['characters']:,} chars" in shown
    assert "0 unknown" in shown


def test_streams(model: Path, verse: Path) -> None:
    """--streams 1 reads from beginning to end; many streams give the same but for rounding."""
    text = verse.read_text() * 4
    verse.write_text(text)
    whole = data("eval", model, verse, "--streams", 1)
    cut = data("eval", model, verse, "--streams", 8)
    assert whole["nats_per_char"] == charnn.evaluate(charnn.load(model), text, 1).nats_per_symbol
    assert cut["nats_per_char"] == pytest.approx(whole["nats_per_char"], abs=1e-4)
    assert cut["characters"] == whole["characters"] == len(text)


def test_the_state_is_carried(model: Path, verse: Path) -> None:
    """A text's loss is not that of its pieces read anew."""
    text = verse.read_text()
    half = len(text) // 2
    Path("one.txt").write_text(text[:half])
    Path("two.txt").write_text(text[half:])
    whole = data("eval", model, "one.txt", "two.txt", "--streams", 1)
    assert whole == data("eval", model, verse, "--streams", 1)
    assert whole["characters"] == len(text)
    swapped = data("eval", model, "two.txt", "one.txt", "--streams", 1)
    assert swapped["nats_per_char"] != whole["nats_per_char"]


def test_standard_input_and_gzip(model: Path, verse: Path) -> None:
    """`-` is standard input, and .gz is unpacked."""
    expected = data("eval", model, verse)
    packed = Path("packed.txt.gz")
    packed.write_bytes(gzip.compress(verse.read_bytes()))
    assert data("eval", model, packed) == expected
    assert data("eval", model, "-", stdin=verse.read_bytes()) == expected


def test_a_checkpoint_file(model: Path, verse: Path) -> None:
    """A run folder means its best.npz."""
    assert data("eval", model, verse) == data("eval", model / "best.npz", verse)


def test_unknown_characters_are_counted(model: Path, verse: Path) -> None:
    """Characters outside the vocabulary are reported, each with its number, and left out."""
    text = verse.read_text()
    strange = text[:100] + "éé" + text[100:200] + "é\0" + text[200:]
    Path("strange.txt").write_text(strange)
    result = run("eval", model, "strange.txt", "--json")
    assert result.exit_code == 0
    assert "4 characters" in result.stderr
    assert "'é' 3x" in result.stderr
    assert "left out" in result.stderr
    found = data("eval", model, "strange.txt", "--quiet")
    assert found["unknown_characters"] == 4
    assert found["characters"] == len(strange)
    assert found["nats_per_char"] == data("eval", model, verse)["nats_per_char"]


def test_unknown_characters_are_never_left_out_silently(model: Path) -> None:
    """With --quiet the line of results still counts them; the length is the text's in both."""
    Path("strange.txt").write_text("the tide éé goes out")
    shown = output("eval", model, "strange.txt", "--quiet")
    assert "2 unknown" in shown
    counted = int(re.search(r"([\d,]+) chars", shown)[1])
    assert counted == data("eval", model, "strange.txt", "--quiet")["characters"]


def test_many_unknown_characters(model: Path) -> None:
    """A long list is cut short: the most frequent ones, and how many more there are."""
    Path("strange.txt").write_text("the tide" + "".join(map(chr, range(0x3B1, 0x3C5))))
    result = succeed("eval", model, "strange.txt")
    assert "20 characters" in result.stderr
    assert "and 12 more" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_model_with_an_unknown_symbol(verse: Path) -> None:
    """Strangers are scored as the unknown symbol, and every character counts."""
    verse.write_text(verse.read_text() + "äöü")
    tiny = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)
    succeed("train", verse, "--min-count", 2, *tiny, "--out", "run", "--quiet")
    Path("strange.txt").write_text("the tide\u20ac goes out")
    result = run("eval", "run", "strange.txt", "--json")
    assert "scored as the unknown symbol" in result.stderr
    found = data("eval", "run", "strange.txt", "--quiet")
    assert (found["characters"], found["unknown_characters"]) == (18, 1)
    expected = naive_loss(Path("run"), "the tide\u20ac goes out")
    assert found["nats_per_char"] == pytest.approx(expected, rel=1e-5)


def test_bytes(verse: Path) -> None:
    """A byte model knows every text, and its figures are per byte."""
    tiny = ("--hidden-size", 8, "--steps", 2, "--batch-size", 2, "--seq-length", 16)
    succeed("train", verse, "--tokens", "bytes", *tiny, "--out", "run", "--quiet")
    Path("strange.bin").write_bytes(bytes(range(256)))
    found = data("eval", "run", "strange.bin")
    assert (found["characters"], found["unknown_characters"]) == (256, 0)
    assert found["unit"] == "byte"
    assert "nats/byte" in output("eval", "run", "strange.bin")


def test_another_encoding(model: Path) -> None:
    """--encoding reads a text that is not UTF-8."""
    Path("wide.txt").write_bytes("the tide goes out".encode("utf-16"))
    assert data("eval", model, "wide.txt", "--encoding", "utf-16")["characters"] == 17
    assert "nonsense" in refusal("eval", model, "wide.txt", "--encoding", "nonsense")


@pytest.mark.parametrize("text", ["", "t", "é", "ééé", "tééé"])
def test_nothing_to_predict(text: str, model: Path) -> None:
    """A text with fewer than two characters that the model can read is refused."""
    Path("short.txt").write_text(text)
    assert "'short.txt'" in refusal("eval", model, "short.txt")


def test_no_text(model: Path) -> None:
    """`eval` without a text says what is missing."""
    result = run("eval", model)
    assert result.exit_code == 2
    assert "Missing argument 'TEXT...'" in result.stderr
