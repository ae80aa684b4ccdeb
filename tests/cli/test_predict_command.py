"""`charnn predict`: answers to lines, as they arrive."""

from __future__ import annotations

import gzip
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from commands import lines_of, on_terminal, output, refusal, run, snapshot, succeed
from task_runs import run_of, tags

import charnn
from charnn.cli.attention_picture import PANELS

WORDS = ["tower", "harbour", "gull"]
TEXT = "".join(f"{word}\n" for word in WORDS)
SVG = "{http://www.w3.org/2000/svg}"


def rows(*arguments: object, stdin: str = TEXT) -> list[list[str]]:
    """Return the columns of what `charnn predict` writes."""
    text = output("predict", *arguments, stdin=stdin)
    assert text.endswith("\n")
    return [line.split("\t") for line in text[:-1].split("\n")]


def objects(*arguments: object, stdin: str = TEXT) -> list[dict]:
    """Return what `charnn predict --json` writes."""
    return lines_of(output("predict", *arguments, "--json", stdin=stdin))


def test_classes() -> None:
    """The likeliest class and its probability, as the model has it."""
    saved = charnn.load(run_of("classify"))
    expected = charnn.predict(saved, WORDS)
    for word, row, found in zip(WORDS, rows(run_of("classify")), expected, strict=True):
        assert row == [word, found.best.text, f"{found.best.probability:.6g}"]


def test_top() -> None:
    """The k likeliest classes, a line for each, with ranks; no more than there are."""
    found = rows(run_of("classify"), "--top", 5)
    assert [(row[0], row[3]) for row in found] == [(word, n) for word in WORDS for n in "12"]
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert {first[1], second[1]} == {"consonant", "vowel"}
        assert float(first[2]) >= float(second[2])
        assert float(first[2]) + float(second[2]) == pytest.approx(1, abs=1e-5)


def test_tags() -> None:
    """A tag for each letter, and in JSON the probability of each."""
    found = rows(run_of("tag"))
    assert [row[:2] for row in found] == [[word, tags(word)] for word in WORDS]
    for word, content in zip(WORDS, objects(run_of("tag")), strict=True):
        assert content["input"] == word
        assert content["symbols"] == list(content["prediction"])
        assert content["probability"] == pytest.approx(math.prod(content["probabilities"]))


def test_sequences() -> None:
    """The best target, its symbols separated as in training, and its log probability."""
    found = charnn.predict(charnn.load(run_of("transduce")), WORDS, beam=4, n_best=2)
    for content, expected in zip(
        objects(run_of("transduce"), "--beam", 4, "--n-best", 2), found, strict=True
    ):
        best, second = expected.answers
        assert content["prediction"] == best.text == " ".join(content["symbols"])
        assert content["log_probability"] == content["score"] == best.log_probability
        assert [each["prediction"] for each in content["answers"]] == [best.text, second.text]
    shown = rows(run_of("transduce"), "--n-best", 2)
    assert [(row[0], row[3]) for row in shown] == [(word, n) for word in WORDS for n in "12"]


def test_length_penalty() -> None:
    """The score is the log probability over what the length says."""
    for content in objects(run_of("transduce"), "--beam", 3, "--length-penalty", 1):
        length = (6 + len(content["symbols"])) / 6
        assert content["score"] == pytest.approx(content["log_probability"] / length)


def test_max_length() -> None:
    """No prediction is longer."""
    for content in objects(run_of("transduce"), "--max-length", 2):
        assert len(content["symbols"]) <= 2


def test_features_are_read_and_shown() -> None:
    """Columns are those of training; the target's may hold anything."""
    lines = "tower\t\tV;PST\ngull\tg u l l\tV\n"
    found = rows(run_of("features"), stdin=lines)
    assert [row[:2] for row in found] == [["tower", "V;PST"], ["gull", "V"]]
    first, second = objects(run_of("features"), "--attention", stdin=lines)
    assert first["source"] == [*"tower", "V", "PST"]
    assert (second["input"], second["features"]) == ("gull", "V")


def test_files_are_read_in_order() -> None:
    """Files, compressed or not, and standard input, one after the other."""
    Path("one.txt").write_bytes("\ufefftower\r\nharbour\r\n".encode())
    with gzip.open("two.txt.gz", "wb") as file:
        file.write(b"gull")
    found = rows(run_of("tag"), "one.txt", "-", "two.txt.gz", stdin="rope\n")
    assert [row[0] for row in found] == ["tower", "harbour", "rope", "gull"]
    Path("long.txt").write_text("".join(f"{'ab' * (n % 9 + 1)}\n" for n in range(3_000)))
    found = rows(run_of("tag"), "long.txt")
    assert [row[0] for row in found] == Path("long.txt").read_text().split()
    assert {row[1] for row in found if row[0] == "abab"} == {found[1][1]}


def test_an_empty_input_has_no_answers() -> None:
    """Nothing in, nothing out."""
    assert output("predict", run_of("tag"), stdin="") == ""


def test_blank_lines_are_answered_by_blank_lines() -> None:
    """So the lines of answers are those of the input."""
    text = "tower\n\n  \ngull\n"
    assert [row[0] for row in rows(run_of("tag"), stdin=text)] == ["tower", "", "", "gull"]
    assert rows(run_of("tag"), stdin=text)[1] == [""]
    found = objects(run_of("tag"), stdin=text)
    assert found[1] == {"input": "", "prediction": None}
    assert found[3]["input"] == "gull"


def test_a_line_that_cannot_be_read_ends_nothing() -> None:
    """It is named, the others are answered, and the exit code says that something was wrong."""
    result = run("predict", run_of("features"), stdin="gull\ntower\t\tV\n")
    assert result.exit_code == 2
    first, second = result.stdout.splitlines()
    assert first == "gull\t\t"
    assert second.startswith("tower\tV\t")
    assert "Error: file '-', line 1: the line 'gull' has no tab" in result.stderr
    assert result.stderr.endswith("Error: 1 line could not be read; the errors above say why.\n")


def test_bytes_of_another_encoding() -> None:
    """They are no characters to be answered; --encoding reads them."""
    result = run("predict", run_of("tag"), "--json", stdin=b"tower\ng\xfcll\n")
    assert result.exit_code == 2
    assert "line 2: the byte 0xfc is not UTF-8; give the encoding with --encoding" in result.stderr
    assert [found["prediction"] for found in lines_of(result.stdout)] == [tags("tower"), None]
    (found,) = objects(run_of("tag"), "--encoding", "latin-1", stdin=b"g\xfcll\n")
    assert found["input"] == "güll"


def test_a_line_is_answered_when_it_arrives() -> None:
    """The answer comes while the writer still has its end of the pipe open."""
    with subprocess.Popen(
        [sys.executable, "-m", "charnn", "predict", str(run_of("tag"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in WORDS:
            process.stdin.write(f"{word}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().decode().split("\t")[0] == word
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


def test_attention_is_drawn() -> None:
    """A row for each symbol of the prediction and its end, a column for each of the input's."""
    shown = output("predict", run_of("transduce"), "--attention", stdin="rope\ngull\n")
    first, second = shown.split("\ngull\t")
    lines = first.splitlines()
    symbols = lines[0].split("\t")[1].split()
    assert lines[1].split() == list("rope")
    drawn = lines[2 : 3 + len(symbols)]
    assert [line.split()[0] for line in drawn] == [*symbols, "(end)"]
    for line in drawn:
        assert re.fullmatch(r" *\S+ +(·|[░▒▓█]{2})( +(·|[░▒▓█]{2})){3}", line), line
    assert "█ from 64%" in first
    assert "█ from 64%" not in second


def test_a_wide_heat_map_is_drawn_in_pieces() -> None:
    """What does not fit beside one another stands below, under the labels of its columns."""
    word = "harbour" * 9
    shown = output("predict", run_of("transduce"), "--attention", "--max-length", 3, stdin=word)
    assert max(map(len, shown.splitlines()[1:])) <= 110
    headers = [line.split() for line in shown.splitlines() if re.fullmatch(r"( +[a-z])+", line)]
    assert "".join(label for header in headers for label in header) == word


def test_attention_on_a_terminal() -> None:
    """Colours come on top; the shades are the same."""
    Path("word.txt").write_text("rope\n")
    shown = on_terminal("predict", run_of("transduce"), "word.txt", "--attention")
    assert "\x1b[" in shown
    assert re.search(r"[░▒▓█]{2}", shown)


def test_attention_in_json() -> None:
    """The weights, step by step, which sum to 1."""
    (found,) = objects(run_of("transduce"), "--attention", stdin="rope\n")
    assert found["source"] == list("rope")
    assert len(found["attention"]) == len(found["symbols"]) + 1
    for weights in found["attention"]:
        assert len(weights) == 4
        assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_attention_as_a_picture() -> None:
    """SVG that stands alone: a panel for each of the first lines, a cell for each weight."""
    text = "<&\x01>\n" + "rope\n" * PANELS
    result = succeed("predict", run_of("transduce"), "--attention-svg", "a.svg", stdin=text)
    assert f"note: 'a.svg' has the first {PANELS} of {PANELS + 1} lines." in result.stderr
    content = Path("a.svg").read_text("utf-8")
    assert not re.search(r"href|url\(|@import|<script", content)
    root = ET.fromstring(content)  # noqa: S314
    panels = root.findall(f"{SVG}g")
    assert len(panels) == PANELS
    (prediction,) = charnn.predict(charnn.load(run_of("transduce")), ["rope"])
    assert prediction.best.attention is not None
    darkness = [
        float(cell.attrib["fill-opacity"])
        for cell in panels[1].findall(f"{SVG}rect[@class='cell']")
    ]
    expected = [round(float(a), 2) for a in prediction.best.attention.ravel() if a >= 0.005]
    assert darkness == pytest.approx(expected, abs=0.011)
    labels = [text.text for text in panels[1].findall(f"{SVG}text")]
    assert labels[1:] == [*"rope", *prediction.best.symbols, "(end)"]


def test_an_empty_picture() -> None:
    """Without a line to draw it is a picture still."""
    output("predict", run_of("transduce"), "--attention-svg", "a.svg", stdin="")
    picture = ET.fromstring(Path("a.svg").read_text("utf-8"))  # noqa: S314
    assert picture.tag == f"{SVG}svg"
    assert not picture.findall(f".//{SVG}text")


@pytest.mark.parametrize(
    ("kind", "flags", "words"),
    [
        ("tag", ["--top", 2], "top is an option for models of the task classify"),
        ("classify", ["--beam", 2], "beam is an option for models of the task transduce"),
        ("transduce", ["--beam", 2, "--n-best", 3], "n_best is 3, but beam is 2"),
        ("transduce", ["--beam", 0], "beam is 0; give a whole number of at least 1"),
        ("transduce", ["--max-length", 0], "max_length is 0"),
        ("transduce", ["--attention-svg", "no/a.svg"], "there is no such folder"),
        ("transduce", ["--attention-svg", "."], "that is a folder"),
        ("tag", ["--attention"], "the model has no attention that could be shown"),
        ("tag", ["nothing.txt"], "nothing.txt' cannot be read"),
        ("tag", ["-", "-"], "standard input (-) can be read only once"),
        ("tag", ["--encoding", "klingon"], "encoding 'klingon' is not a text encoding"),
        ("generate", [], "use `charnn sample RUN --label LABEL`"),
    ],
)
def test_refusals(kind: str, flags: list, words: str) -> None:
    """One sentence, before anything is answered."""
    run_of(kind)
    assert words in refusal("predict", run_of(kind), *flags, stdin=TEXT)


def test_a_language_model_predicts_nothing(model: Path) -> None:
    """It is for sampling, and the refusal says so."""
    assert refusal("predict", model, stdin=TEXT) == (
        "a model of language modelling is not for `charnn predict`; use `charnn sample RUN --len "
        "500`."
    )


def test_nothing_is_written() -> None:
    """Neither the run nor the folder changes."""
    before = snapshot(run_of("tag"))
    rows(run_of("tag"))
    assert snapshot(run_of("tag")) == before
    assert snapshot(Path()) == {}


def test_the_python_face_takes_lists() -> None:
    """A single text is refused, and so are options of another task."""
    saved = charnn.load(run_of("tag"))
    with pytest.raises(charnn.CharnnError, match="give a list of texts"):
        charnn.predict(saved, "tower")
    with pytest.raises(charnn.CharnnError, match="top is an option"):
        charnn.predict(saved, ["tower"], top=2)
    with pytest.raises(charnn.CharnnError, match="has an empty text"):
        charnn.predict(saved, [""])
    with pytest.raises(charnn.CharnnError, match="use `charnn eval RUN FILE`"):
        charnn.evaluate(saved, "tower")
