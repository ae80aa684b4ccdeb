"""`charnn eval` with models that learned from examples."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from commands import data, output, refusal, run
from task_runs import EXAMPLES, run_of, write

import charnn
from charnn.generation.edits import edit_distance


def answers(kind: str, **options: object) -> list[tuple[str, str]]:
    """Return the right answer of each example, and the one that is predicted."""
    texts, right = zip(*(line.split("\t")[:2] for line in EXAMPLES[kind]), strict=True)
    found = charnn.predict(charnn.load(run_of(kind)), texts, **options)
    return list(zip(right, (each.best.text for each in found), strict=True))


def f1(pairs: list[tuple[str, str]], name: str) -> float:
    """Return F1 of a class, counted answer by answer."""
    both = sum(pair == (name, name) for pair in pairs)
    either = sum((right == name) + (given == name) for right, given in pairs)
    return 2 * both / either


def test_classes() -> None:
    """Accuracy, macro-F1, and the figures of each class are those that one counts."""
    found, pairs = data("eval", run_of("classify"), write("classify")), answers("classify")
    assert found["examples"] == len(pairs)
    assert found["accuracy"] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    expected = {name: f1(pairs, name) for name in ("consonant", "vowel")}
    assert {row["class"]: row["f1"] for row in found["classes"]} == pytest.approx(expected)
    assert found["macro_f1"] == pytest.approx(sum(expected.values()) / 2)
    assert found["bits_per_example"] == pytest.approx(found["nats_per_example"] / math.log(2))
    assert "confusion" not in found


def test_the_loss_is_that_of_the_probabilities() -> None:
    """The mean of -log p of the right class."""
    found = data("eval", run_of("classify"), write("classify"))
    texts, right = zip(*(line.split("\t") for line in EXAMPLES["classify"]), strict=True)
    predictions = charnn.predict(charnn.load(run_of("classify")), texts, top=2)
    nats = [
        -next(each.log_probability for each in prediction.answers if each.text == name)
        for prediction, name in zip(predictions, right, strict=True)
    ]
    assert found["nats_per_example"] == pytest.approx(sum(nats) / len(nats), rel=1e-5)


def test_confusion() -> None:
    """Rows are the right classes, columns the ones that were given."""
    pairs = answers("classify")
    found = data("eval", run_of("classify"), write("classify"), "--confusion")["confusion"]
    names = found["labels"]
    assert names == ["consonant", "vowel"]
    assert found["matrix"] == [[pairs.count((a, b)) for b in names] for a in names]
    shown = output("eval", run_of("classify"), "classify.tsv", "--confusion")
    assert "Confusion: rows are the right class, columns the one that was given" in shown
    first = [f"{n:,}" if n else "·" for n in found["matrix"][0]]
    assert " ".join(["1 consonant", *first]) in " ".join(shown.split())


def test_tags() -> None:
    """Accuracy by symbol and by sequence, and F1 by tag."""
    found, pairs = data("eval", run_of("tag"), write("tag"), "--confusion"), answers("tag")
    letters = [pair for right, given in pairs for pair in zip(right, given, strict=True)]
    assert found["accuracy_by_symbol"] == pytest.approx(
        sum(a == b for a, b in letters) / len(letters)
    )
    assert found["accuracy_by_sequence"] == pytest.approx(
        sum(a == b for a, b in pairs) / len(pairs)
    )
    assert {row["tag"]: row["f1"] for row in found["tags"]} == pytest.approx(
        {name: f1(letters, name) for name in "cv"}
    )
    assert sum(map(sum, found["confusion"]["matrix"])) == len(letters)


@pytest.mark.parametrize("options", [{}, {"beam": 3, "length_penalty": 0.6}, {"max_length": 4}])
def test_sequences(options: dict) -> None:
    """Exact match and symbol error rate are those of what `charnn predict` predicts."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    found = data("eval", run_of("transduce"), write("transduce"), *flags)
    pairs = [(right.split(), given.split()) for right, given in answers("transduce", **options)]
    assert found["exact_match"] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    edits = sum(edit_distance(given, right) for right, given in pairs)
    assert found["symbol_error_rate"] == pytest.approx(edits / sum(len(a) for a, _ in pairs))
    assert found["unit"] == "symbol"


def test_lines_of_classes() -> None:
    """Nats for each character, the end of each line included."""
    found = data("eval", run_of("generate"), write("generate"))
    assert set(found) == {"task", "examples", "unit", "nats_per_char", "bits_per_char"}
    assert 0 < found["nats_per_char"] < math.log(20)


@pytest.mark.parametrize("kind", ["classify", "tag", "transduce", "generate"])
def test_shown(kind: str) -> None:
    """The first line has the figures, shares in per cent; classes and tags have a table."""
    found = data("eval", run_of(kind), write(kind))
    first, *more = output("eval", run_of(kind), f"{kind}.tsv").splitlines()
    unit = found["unit"]
    assert first.startswith(f"{found[f'nats_per_{unit}']:.4f} nats/{unit}   ")
    assert first.endswith(f"   {found['examples']:,} examples")
    for name, value in found.items():
        if isinstance(value, float) and "per" not in name:
            assert f"{value:.2%}" in first
    assert bool(more) == (kind in ("classify", "tag"))


def test_what_was_seen_in_training() -> None:
    """The score of the validation file is what training said of it."""
    file = write("tag")
    options = {"hidden_size": 8, "steps": 4, "shards": 1, "eval_every": 2}
    *_, last = charnn.train(file, task="tag", val=file, out="run", **options)
    found = data("eval", "run", file)
    assert found["nats_per_tag"] == pytest.approx(last.best_loss, rel=1e-6)


def test_unknown_symbols_are_noted() -> None:
    """They are read as the unknown symbol, and the user is told."""
    Path("odd.tsv").write_text("towér\tcvcvc\n", encoding="utf-8")
    result = run("eval", run_of("tag"), "odd.tsv")
    assert result.exit_code == 0
    assert result.stderr == "note: 1 of 5 source symbols is unknown.\n"
    assert result.stdout.splitlines()[0].endswith("   1 example")


@pytest.mark.parametrize(
    ("kind", "text", "flags", "words"),
    [
        ("classify", "tower\tdiphthong\n", [], "line 1"),
        ("tag", "tower\tcv\n", [], "line 1"),
        ("transduce", "tower\n", [], "line 1"),
        ("classify", "", [], "has no example"),
        ("classify", "tower\tvowel\n", ["--beam", 2], "beam is an option for models of the task"),
        ("transduce", "tower\tt o\n", ["--confusion"], "it has no classes to confuse"),
        ("tag", "tower\tcvcvc\n", ["--streams", 2], "streams is an option for models of the task"),
    ],
)
def test_refusals(kind: str, text: str, flags: list, words: str) -> None:
    """One sentence that says what is wrong, and where."""
    run_of(kind)
    Path("bad.tsv").write_text(text, encoding="utf-8")
    assert words in refusal("eval", run_of(kind), "bad.tsv", *flags)


def test_a_language_model_refuses_them(model: Path, verse: Path) -> None:
    """Its figures are others."""
    assert "this model's task is lm" in refusal("eval", model, verse, "--confusion")
    assert "this model's task is lm" in refusal("eval", model, verse, "--beam", 2)
