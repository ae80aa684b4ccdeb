"""`charnn sample`: how much, from what, how drawn, and what never happens."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import data, output, refusal, succeed

import charnn
from charnn.cli.main import charnn as charnn_command
from charnn.training.checkpoint import Checkpoint

SEPARATOR = "\n---\n"


def greedy(saved: Checkpoint, start: str, length: int) -> str:
    """Return the likeliest continuation of a text, one full forward pass after the other."""
    text = start
    for _ in range(length):
        ids = saved.vocabulary.encode(text)[:, None]
        logits, _, _ = saved.model.logits(ids, saved.model.zero_states(1))
        text += saved.vocabulary.decode([int(logits[-1].argmax())])
    return text[len(start) :]


@pytest.mark.parametrize("length", [0, 1, 2, 123, 1000])
def test_length_is_exact(length: int, model: Path) -> None:
    """--len is the number of characters, no more and no fewer."""
    assert len(output("sample", model, "--len", length)) == length


def test_the_default_length(model: Path) -> None:
    """500 characters are sampled unless --len says otherwise."""
    assert len(output("sample", model)) == 500


def test_only_known_characters(model: Path) -> None:
    """A sample consists of the corpus' characters."""
    assert set(output("sample", model, "--len", 2000)) <= set(charnn.load(model).vocabulary.symbols)


def test_the_prime_comes_first(model: Path) -> None:
    """The text begins with the prime, which is not counted."""
    text = output("sample", model, "--prime", "the tide", "--len", 40)
    assert text.startswith("the tide")
    assert len(text) == len("the tide") + 40


def test_a_run_folder_is_its_best(trained, work_folder: Path) -> None:
    """A folder's sample is that of best.npz, not of last.npz."""
    succeed(
        *("train", trained.corpus, "--out", "run", "--hidden-size", 16, "--steps", 90),
        *("--batch-size", 4, "--seq-length", 16, "--eval-every", 30, "--learning-rate", 0.1),
    )
    Path("run/best.npz").write_bytes((trained.folder / "best.npz").read_bytes())
    texts = {
        path: output("sample", path, "--seed", 1)
        for path in ("run", "run/best.npz", "run/last.npz")
    }
    assert texts["run"] == texts["run/best.npz"]
    assert texts["run"] != texts["run/last.npz"]


def test_the_same_seed_gives_the_same_text(model: Path) -> None:
    """A seed decides the text; another seed gives another; without one each text is new."""
    one, again, other = (output("sample", model, "--seed", seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert output("sample", model) != output("sample", model)


def test_temperature_zero_is_greedy(model: Path) -> None:
    """--temperature 0 takes the likeliest character each time, whatever the seed."""
    expected = greedy(charnn.load(model), "the ", 60)
    for seed in (1, 2):
        options = ["--prime", "the ", "--len", 60, "--temperature", 0, "--seed", seed]
        assert output("sample", model, *options) == "the " + expected


def test_top_k_of_one_is_greedy(model: Path) -> None:
    """The likeliest one alone is drawn at any temperature."""
    options = ["--len", 80, "--prime", "a", "--seed", 3]
    expected = output("sample", model, *options, "--temperature", 0)
    assert output("sample", model, *options, "--top-k", 1, "--temperature", 2) == expected
    assert output("sample", model, *options, "--top-p", 1e-9) == expected


def test_top_k_and_top_p_narrow_the_choice(model: Path) -> None:
    """Only the k likeliest first characters appear, or those that hold the share p."""
    saved = charnn.load(model)
    ids = saved.vocabulary.encode("th")[:, None]
    logits, _, _ = saved.model.logits(ids, saved.model.zero_states(1))
    y = np.exp(logits[-1].astype(np.float64))
    y /= y.sum()
    ranked = [saved.vocabulary.decode([int(n)]) for n in np.argsort(-y)]
    options = ["--prime", "th", "--len", 1, "--num", 400, "--seed", 1]

    def first(*more: object) -> set[str]:
        return {text[2] for text in output("sample", model, *options, *more).split(SEPARATOR)}

    assert first("--top-k", 3) == set(ranked[:3])
    held = int(np.searchsorted(np.cumsum(np.sort(y)[::-1]), 0.3)) + 1
    assert first("--top-p", 0.3) == set(ranked[:held])
    assert len(first()) > held


def test_several_samples(model: Path) -> None:
    """--num draws as many texts, each of the full length, with a line --- between them."""
    text = output("sample", model, "--num", 3, "--len", 50, "--prime", "ring", "--seed", 1)
    parts = text.split(SEPARATOR)
    assert [len(part) for part in parts] == [54] * 3
    assert all(part.startswith("ring") for part in parts)
    assert len(set(parts)) == 3


def test_json(model: Path) -> None:
    """--json prints an object for each sample: its number, the prime, the text."""
    lines = output("sample", model, "--num", 2, "--len", 9, "--prime", "a", "--json").splitlines()
    first, second = map(json.loads, lines)
    assert (first["sample"], second["sample"]) == (0, 1)
    assert first["prime"] == second["prime"] == "a"
    assert len(first["text"]) == len(second["text"]) == 9


def test_json_has_the_text_that_is_printed(model: Path) -> None:
    """The same seed gives the same text, streamed and as JSON."""
    options = ["--prime", "the", "--seed", 4, "--len", 70]
    found = data("sample", model, *options)
    assert output("sample", model, *options) == found["prime"] + found["text"]


def test_a_prime_from_standard_input(model: Path) -> None:
    """--prime - reads the prime from standard input, line ends included."""
    text = output("sample", model, "--prime", "-", "--len", 5, stdin="the lamp\nstays")
    assert text.startswith("the lamp\nstays")
    assert len(text) == len("the lamp\nstays") + 5


@pytest.mark.parametrize("prime", ["none", "None", " ", "-1", "0"])
def test_any_text_can_be_the_prime(prime: str, model: Path) -> None:
    """What looks like a number, or like the word for nothing, is text all the same."""
    text = succeed("sample", model, f"--prime={prime}", "--len", 4).stdout_bytes.decode()
    assert text.startswith(prime)
    assert len(text) == len(prime) + 4


@pytest.mark.parametrize("prime", ["é", "the é😀", "\0\r", "日本語", "\N{COMBINING ACUTE ACCENT}"])
def test_an_unknown_prime(prime: str, model: Path) -> None:
    """Characters that the model lacks are named on standard error and left out; nothing fails."""
    result = succeed("sample", model, "--prime", "-", "--len", 30, "--seed", 1, stdin=prime)
    assert result.stdout_bytes.decode()[: len(prime)] == prime
    assert len(result.stdout_bytes.decode()) == len(prime) + 30
    outside = set(prime) - set(charnn.load(model).vocabulary.symbols)
    assert all(repr(symbol) in result.stderr for symbol in outside)
    assert "left out" in result.stderr
    assert result.stderr.count("\n") == 1
    quiet = output("sample", model, "--prime", "-", "--len", 3, "--quiet", stdin=prime)
    assert len(quiet) == len(prime) + 3


def test_unknown_characters_do_not_change_what_follows(model: Path) -> None:
    """What is left out of the prime does not count."""
    known = output("sample", model, "--prime", "the", "--seed", 1)
    unknown = succeed("sample", model, "--prime", "tßhße", "--seed", 1).stdout_bytes.decode()
    assert unknown.removeprefix("tßhße") == known.removeprefix("the")


def test_a_prime_that_is_not_utf_8(model: Path) -> None:
    """Bytes that are no text are named, given back as they came, and crash nothing."""
    result = succeed("sample", model, "--prime", "-", "--len", 5, stdin=b"a\xff\xfeb")
    assert result.stdout_bytes.startswith(b"a\xff\xfeb")
    assert "\\udcff" in result.stderr


def test_the_unknown_symbol(verse: Path) -> None:
    """A model with an unknown symbol reads strangers as it, and never writes it."""
    verse.write_text("abcdefgh" * 10 + "äöüßéèêç" * 30 + "".join(map(chr, range(0x3B1, 0x3C9))) * 9)
    succeed(
        *("train", verse, "--min-count", 20, "--hidden-size", 8, "--steps", 20, "--quiet"),
        *("--batch-size", 2, "--seq-length", 16, "--out", "run", "--val-fraction", 0),
    )
    vocabulary = charnn.load("run").vocabulary
    assert vocabulary.unknown
    result = succeed("sample", "run", "--prime", "α", "--len", 3000, "--seed", 1)
    assert "'α'" in result.stderr
    assert "unknown symbol" in result.stderr
    text = result.stdout_bytes.decode()
    assert text[0] == "α"
    assert set(text[1:]) <= set(vocabulary.symbols)


def test_stop(model: Path) -> None:
    """The text ends before the stop text, wherever that appears."""
    options = ["--seed", 1, "--len", 500]
    whole = output("sample", model, *options)
    stop = whole[200:203]
    text = output("sample", model, *options, "--stop", stop)
    assert text == whole[: whole.index(stop)]
    assert stop not in text
    assert data("sample", model, *options, "--stop", stop)["text"] == text


def test_a_stop_that_never_comes(model: Path) -> None:
    """Without the stop text the length decides, and nothing is held back."""
    options = ["--seed", 1, "--len", 90]
    expected = output("sample", model, *options)
    assert output("sample", model, *options, "--stop", expected[-1] + "@") == expected


def test_stop_in_each_of_several(model: Path) -> None:
    """Each of several samples ends at its own stop text."""
    options = ["--num", 4, "--len", 300, "--seed", 2]
    whole = output("sample", model, *options).split(SEPARATOR)
    parts = output("sample", model, *options, "--stop", " ").split(SEPARATOR)
    assert parts == [text.partition(" ")[0] for text in whole]


def test_a_closed_pipe_ends_an_endless_sample(model: Path) -> None:
    """--len none goes on until the reader has had enough; then it ends without a word."""
    command = [sys.executable, "-m", "charnn", "sample", model, "--len", "none"]
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert len(process.stdout.read(2000)) == 2000
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) in {0, 1}


def test_text_appears_as_it_is_made(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each character is handed on before the next is made."""
    written = []

    class Reader(io.RawIOBase):
        """Where the output goes, once it is not held back."""

        def writable(self) -> bool:
            return True

        def write(self, block: bytes) -> int:
            written.append(bytes(block))
            return len(block)

    options = ["sample", str(model), "--len", "40", "--seed", "1"]
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Reader())))
    charnn_command.main(options, standalone_mode=False)
    monkeypatch.undo()
    assert len(written) == 40
    assert b"".join(written).decode() == output(*options)


@pytest.mark.parametrize("flags", [["--num", 2], ["--json"]])
def test_an_endless_sample_cannot_be_gathered(flags: list, model: Path) -> None:
    """Several samples, or JSON, need an end."""
    assert "--len" in refusal("sample", model, "--len", "none", *flags)


def test_markup_is_text(verse: Path) -> None:
    """Brackets in a corpus are not eaten: a model of [bold] says [bold]."""
    verse.write_text("[bold]loud[/bold] [red]x[/]\n" * 40)
    result = succeed(
        *("train", verse, "--hidden-size", 32, "--steps", 150, "--batch-size", 4),
        *("--seq-length", 28, "--dropout", 0, "--learning-rate", 0.02, "--json"),
    )
    text = output("sample", "runs/verse-lstm", "--temperature", 0, "--prime", "[", "--len", 60)
    assert "[bold]loud[/bold] [red]x[/]\n" in text
    evaluation = [json.loads(line) for line in result.stdout.splitlines() if "sample" in line][-1]
    assert "[bold]loud" in evaluation["sample"]


def test_a_model_of_bytes(verse: Path) -> None:
    """A byte model's text is written as the bytes that it is made of, and may break a character."""
    unit = "äöü€😀 "
    verse.write_text(unit * 60, encoding="utf-8")
    succeed(
        *("train", verse, "--tokens", "bytes", "--hidden-size", 32, "--embedding-size", 16),
        *("--batch-size", 4, "--seq-length", 14, "--dropout", 0, "--learning-rate", 0.03),
        *("--steps", 200),
    )
    options = ["--prime", unit, "--temperature", 0]
    result = succeed("sample", "runs/verse-lstm", *options, "--len", 14 + 7)
    assert data("sample", "runs/verse-lstm", *options, "--len", 7)["text"] == "äöü\ufffd"
    assert result.stdout_bytes == (unit * 3).encode()[:-7]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--temperature", -1], "temperature is -1"),
        (["--temperature", "hot"], "temperature is 'hot'"),
        (["--temperature", "nan"], "temperature is 'nan'"),
        (["--top-k", 0], "top_k is 0"),
        (["--top-p", 0], "top_p is 0"),
        (["--top-p", 1.5], "top_p is 1.5"),
        (["--len", -1], "length is -1"),
        (["--num", 0], "num is 0"),
        (["--seed", -1], "seed is -1"),
    ],
)
def test_out_of_bounds(flags: list, named: str, model: Path) -> None:
    """A value that cannot be is refused with the option's name, its value and what to give."""
    sentence = refusal("sample", model, *flags)
    assert named in sentence
    assert "; give " in sentence


@pytest.mark.parametrize("temperature", [1e-300, 1e-9, 1e300])
def test_extreme_temperatures(temperature: float, model: Path) -> None:
    """Any temperature gives text: nearly greedy or nearly even, without a warning."""
    text = output("sample", model, "--temperature", temperature, "--len", 20, "--prime", "a")
    assert len(text) == 21
